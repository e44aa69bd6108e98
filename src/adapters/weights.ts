import type { Runtime } from '../arena/runtime.js';
import type { Delta, LowRank, Module, ReplacedRows } from '../ops/module.js';
import { packedBytes, rowBytes, type Matrix } from '../tensor/matrix.js';

/** Row-major f32 factors of one low-rank delta in scratch: A [rank, in] and B [out, rank] (an embedding: Aᵀ [V, rank] and B [D, rank]). */
interface Factors {
  readonly a: number;
  readonly b: number;
}

/** Unpacks a delta's factors into the scratch arena; the caller releases its mark. */
function unpackFactors({ kernels, scratch }: Runtime, { a, b }: LowRank): Factors {
  const factors = { a: scratch.alloc(a.n * a.k * 4), b: scratch.alloc(b.n * b.k * 4) };
  kernels.unpack(factors.a, a.ptr, a.n, a.k, a.dtype, 0, a.n);
  kernels.unpack(factors.b, b.ptr, b.n, b.k, b.dtype, 0, b.n);
  return factors;
}

/** Rows that are unpacked, changed and packed again at a time: whole panels. */
const ROWS = 64;

/**
 * W ← W + Σ s·ΔW, or with DoRA W ← g ⊙ (W + s·ΔW), in the weight's own packed dtype, a few rows at a time.
 * The columns of a convolution's weight are (tap, channel), as those of its A.
 */
export function addDelta(runtime: Runtime, module: Module, parts: readonly { delta: Delta; scale: number }[]): void {
  const { kernels, scratch } = runtime;
  const { ptr, n, k, dtype } = module.weight as Matrix;
  const embedding = module.kind === 'embedding';
  const outer = scratch.mark();
  try {
    const low = parts.flatMap(({ delta, scale }) => (delta.lowRank ? [{ ...delta.lowRank, ...unpackFactors(runtime, delta.lowRank), dora: delta.dora, factor: scale * delta.lowRank.scaling }] : []));
    const dora = low.find((part) => part.dora);
    const outputs = embedding ? k : n;
    const g = scratch.alloc(outputs * 4);
    if (dora?.dora) kernels.doraFactor(g, dora.dora.magnitude.ptr, dora.dora.norms.ptr, outputs, dora.factor);
    const rows = scratch.alloc(ROWS * k * 4);
    for (let from = 0; from < n; from += ROWS) {
      const count = Math.min(ROWS, n - from);
      kernels.unpack(rows, ptr, n, k, dtype, from, from + count);
      for (const { a, b, rank, factor } of low) {
        // An embedding's W[v, d] gains Σ_r Aᵀ[v, r]·B[d, r], everything else's W[o, i] gains Σ_r B[o, r]·A[r, i].
        if (embedding) kernels.addLowRank(rows, count, k, a + from * rank * 4, rank, 1, b, 1, rank, rank, factor);
        else kernels.addLowRank(rows, count, k, b + from * rank * 4, rank, 1, a, k, 1, rank, factor);
      }
      if (dora) {
        if (embedding) kernels.scaleColumns(rows, g, count, k);
        else kernels.scaleRows(rows, g + from * 4, count, k);
      }
      kernels.packRounded(ptr + from * rowBytes(k, dtype), rows, count, k, dtype);
    }
  } finally {
    scratch.release(outer);
  }
}

/** W ← a module's replaced weight, rounded where the base's dtype is a smaller one. */
export function replaceWeight({ kernels, views, scratch }: Runtime, module: Module, { ptr, dtype: theirs }: Matrix): void {
  const { ptr: to, n, k, dtype } = module.weight as Matrix;
  const groups = module.kind === 'conv1d' ? module.groups : 1;
  if (dtype === theirs) {
    views.u8.copyWithin(to, ptr, ptr + groups * packedBytes(n, k, dtype));
    return;
  }
  const mark = scratch.mark();
  try {
    const rows = scratch.alloc(ROWS * k * 4);
    for (let group = 0; group < groups; group++) {
      for (let from = 0; from < n; from += ROWS) {
        const count = Math.min(ROWS, n - from);
        kernels.unpack(rows, ptr + group * packedBytes(n, k, theirs), n, k, theirs, from, from + count);
        kernels.packRounded(to + group * packedBytes(n, k, dtype) + from * rowBytes(k, dtype), rows, count, k, dtype);
      }
    }
  } finally {
    scratch.release(mark);
  }
}

/** W's rows of trainable tokens ← theirs, without the embedding's scale, which is applied when a row is looked up. */
export function replaceRows({ kernels, views, scratch }: Runtime, module: Module, { indices, packed, count: tokens }: ReplacedRows): void {
  const { ptr, n, k, dtype } = module.weight as Matrix;
  const stretches = new Set<number>();
  for (let i = 0; i < tokens; i++) stretches.add(views.i32[indices.ptr / 4 + i]! - (views.i32[indices.ptr / 4 + i]! % ROWS));
  const mark = scratch.mark();
  try {
    const values = scratch.alloc(tokens * k * 4);
    const rows = scratch.alloc(ROWS * k * 4);
    const ids = scratch.alloc(ROWS * 4);
    kernels.unpack(values, packed.ptr, tokens, k, packed.dtype, 0, tokens);
    for (const from of stretches) {
      const count = Math.min(ROWS, n - from);
      for (let i = 0; i < count; i++) views.i32[ids / 4 + i] = from + i;
      kernels.unpack(rows, ptr, n, k, dtype, from, from + count);
      kernels.replaceRows(rows, k, ids, count, k, indices.ptr, values, tokens);
      kernels.packRounded(ptr + from * rowBytes(k, dtype), rows, count, k, dtype);
    }
  } finally {
    scratch.release(mark);
  }
}
