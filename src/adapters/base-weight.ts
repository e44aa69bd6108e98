import type { Runtime } from '../arena/runtime.js';
import { LorikeetError } from '../errors.js';
import type { TensorInfo } from '../formats/safetensors.js';
import type { Module } from '../ops/module.js';
import { truncated } from '../store/checks.js';
import type { ByteSource } from '../store/source.js';
import { DTYPES, dtypeCode, rowBytes, type Matrix } from '../tensor/matrix.js';

/** Rows compared at a time. */
const ROWS = 64;

/**
 * PEFT saves an embedding's own weight beside the factors, if it is targeted or the caller asks. It must be the base's, else the adapter was trained on another (a resized
 * or a further trained) one. A bf16 base that was trained on in f16 counts as the same: only values below f16's range lose bits.
 *
 * @throws LorikeetError `adapter/base-differs`, `adapter/shape-mismatch`
 */
export async function checkSameWeight(runtime: Runtime, module: Module, info: TensorInfo, source: ByteSource, signal?: AbortSignal): Promise<void> {
  const { n, k, ptr, dtype } = module.weight as Matrix;
  if (info.shape.length !== 2 || info.shape[0] !== n || info.shape[1] !== k) {
    throw new LorikeetError('adapter/shape-mismatch', `Tensor "${info.name}" doesn't fit "${module.path}": expected ${JSON.stringify([n, k])}, found ${JSON.stringify(info.shape)}; the adapter's embedding was resized.`, { expected: [n, k], found: info.shape });
  }
  const own = dtypeCode(info.dtype, info.name);
  const { kernels, scratch } = runtime;
  for (let from = 0; from < n; from += ROWS) {
    signal?.throwIfAborted();
    const rows = Math.min(ROWS, n - from);
    const bytes = rows * rowBytes(k, own);
    const chunk = await source.read(info.begin + from * rowBytes(k, own), info.begin + from * rowBytes(k, own) + bytes);
    if (chunk.byteLength !== bytes) throw truncated(info.name, bytes, chunk.byteLength);
    const mark = scratch.mark();
    try {
      const raw = scratch.alloc(bytes);
      const theirs = scratch.alloc(rows * k * 4);
      const ours = scratch.alloc(rows * k * 4);
      runtime.views.u8.set(chunk, raw);
      kernels.widen(theirs, raw, rows * k, own);
      kernels.unpack(ours, ptr, n, k, dtype, from, from + rows);
      if (own === DTYPES.F16 && dtype === DTYPES.BF16) {
        kernels.narrow(raw, ours, rows * k, own);
        kernels.widen(ours, raw, rows * k, own);
      }
      if (kernels.equalBytes(theirs, ours, rows * k * 4) === 0) {
        throw new LorikeetError('adapter/base-differs', `Tensor "${info.name}" expected the base's own weight of "${module.path}", found another between rows ${from} and ${from + rows}: the adapter was trained on another base.`, { expected: module.path, found: info.name });
      }
    } finally {
      scratch.release(mark);
    }
  }
}

/** Bytes compared at a time. */
const CHUNK = 1 << 20;

/**
 * Of tied layers PEFT may save the token rows twice. Both copies must be the same, since one serves both layers.
 *
 * @throws LorikeetError `adapter/unexpected-tensor`
 */
export async function checkSameRows({ kernels, views, scratch }: Runtime, copy: TensorInfo, original: TensorInfo, source: ByteSource, signal?: AbortSignal): Promise<void> {
  const length = original.end - original.begin;
  let same = copy.dtype === original.dtype && copy.end - copy.begin === length;
  for (let at = 0; same && at < length; at += CHUNK) {
    signal?.throwIfAborted();
    const bytes = Math.min(CHUNK, length - at);
    const pair = [await source.read(original.begin + at, original.begin + at + bytes), await source.read(copy.begin + at, copy.begin + at + bytes)] as const;
    for (const chunk of pair) if (chunk.byteLength !== bytes) throw truncated(copy.name, bytes, chunk.byteLength);
    const mark = scratch.mark();
    try {
      const [theirs, ours] = [scratch.alloc(bytes), scratch.alloc(bytes)];
      views.u8.set(pair[0], theirs);
      views.u8.set(pair[1], ours);
      same = kernels.equalBytes(theirs, ours, bytes) === 1;
    } finally {
      scratch.release(mark);
    }
  }
  if (!same) throw new LorikeetError('adapter/unexpected-tensor', `Tensor "${copy.name}" isn't applied: its layer is tied and takes the rows of "${original.name}", which differ; expected the same rows.`, { expected: original.name, found: copy.name });
}
