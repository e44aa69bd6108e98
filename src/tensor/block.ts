import { truncated } from '../store/checks.js';
import type { ByteSource } from '../store/source.js';
import type { TensorInfo } from '../formats/safetensors.js';
import type { Runtime } from '../arena/runtime.js';
import type { FreeListArena } from '../arena/free-list.js';
import { LorikeetError } from '../errors.js';
import { blockWeights, dtypeCode, dtypeName, packedBytes, rowBytes, type DtypeCode, type Matrix, type Vector } from './matrix.js';

/**
 * How a tensor of a file comes to stand in the block:
 * `rows`      [n, k] row-major → panels (Linear, lora_A, lora_B, embeddings)
 * `columns`   [k, n] row-major → panels of the transpose (GPT-2's Conv1D, lora_embedding_A)
 * `conv`      [out, in/groups, kernel] → for each group panels of [out/groups, kernel·in/groups]
 * `vector`    any shape → f32, flat
 */
type Layout = 'rows' | 'columns' | 'conv' | 'vector';

interface Placement {
  readonly layout: Layout;
  readonly info: TensorInfo;
  readonly source: ByteSource;
  readonly target: Matrix | Vector;
  readonly kernel: number;
  readonly groups: number;
  /** Heads whose rows llama.cpp interleaves; 0: the rows stand as they should. */
  readonly heads: number;
}

/** What else {@link BlockPlan.tensorMatrix} may be told. */
export interface MatrixOptions {
  layout?: 'rows' | 'columns';
  /** The dtype in memory where it isn't the file's: rounded to it. Blocks stand along rows, so not by columns. */
  dtype?: DtypeCode;
  /** The rows of each of so many heads stand interleaved, as llama.cpp keeps q and k of its `llama` architecture: see {@link headRow}. */
  heads?: number;
}

/** Bytes read from a source at a time; also what the staging in linear memory may take, unless one panel of rows is larger. */
const CHUNK = 4 * 2 ** 20;

/**
 * A block of one arena in the making: what goes in is declared first, then the block is allocated in one piece,
 * then the tensors stream into their places, each through a small staging buffer: the file is never in memory a second time.
 *
 *     block = [ tensor 0 | pad to 64 | tensor 1 | pad to 64 | … ]
 */
export class BlockPlan {
  readonly #placements: Placement[] = [];
  readonly #reserved: { ptr: number }[] = [];
  #bytes = 0;

  /** Bytes of the block as declared so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Room for a packed matrix, or one for each group, without a tensor behind it (computed later). */
  matrix(n: number, k: number, dtype: DtypeCode, groups = 1): Matrix {
    return this.#room({ ptr: 0, dtype, n, k }, packedBytes(n, k, dtype) * groups);
  }

  /** Room for n floats without a tensor behind them. */
  vector(n: number): Vector {
    return this.#room({ ptr: 0, n }, n * 4);
  }

  /** A tensor [n, k] (or, by columns, [k, n]) that becomes a packed matrix, in its own dtype unless told otherwise. */
  tensorMatrix(source: ByteSource, info: TensorInfo, n: number, k: number, { layout = 'rows', dtype = dtypeCode(info.dtype, info.name), heads = 0 }: MatrixOptions = {}): Matrix {
    const target = this.matrix(n, k, dtype);
    this.#placements.push({ layout, info, source, target, kernel: 1, groups: 1, heads });
    return target;
  }

  /** A convolution's weight [out, inPerGroup, kernel] that becomes, for each group, a packed matrix; `n` and `k` of the result are one group's. */
  tensorConv(source: ByteSource, info: TensorInfo, out: number, inPerGroup: number, kernel: number, groups: number): Matrix {
    const dtype = dtypeCode(info.dtype, info.name);
    const n = out / groups;
    const k = inPerGroup * kernel;
    const target = this.#room({ ptr: 0, dtype, n, k }, packedBytes(n, k, dtype) * groups);
    this.#placements.push({ layout: 'conv', info, source, target, kernel, groups, heads: 0 });
    return target;
  }

  /** A tensor of n elements that becomes n floats; `heads` as for matrices. */
  tensorVector(source: ByteSource, info: TensorInfo, n: number, heads = 0): Vector {
    dtypeCode(info.dtype, info.name);
    const target = this.vector(n);
    this.#placements.push({ layout: 'vector', info, source, target, kernel: 1, groups: 1, heads });
    return target;
  }

  #room<T extends { ptr: number }>(target: T, bytes: number): T {
    target.ptr = this.#bytes;
    this.#reserved.push(target);
    this.#bytes += Math.ceil(bytes / 64) * 64;
    return target;
  }

  /**
   * Allocates the block, moves every declared matrix and vector to its address and fills those with a tensor behind them, in file order.
   * On any failure, also an abort between two chunks, the block is given back and nothing remains.
   *
   * @returns the block's address, to be freed by the caller
   * @throws LorikeetError `memory/exhausted`, `tensor/not-finite`, `tensor/overflow`, whatever the sources throw; the signal's reason on abort
   */
  async place(runtime: Runtime, arena: FreeListArena, { signal, onProgress }: PlaceOptions = {}): Promise<number> {
    const block = this.#settle(arena);
    try {
      const total = this.#placements.reduce((sum, p) => sum + p.info.end - p.info.begin, 0);
      let done = 0;
      for (const { source, begin, end, apply } of this.#pieces(runtime)) {
        signal?.throwIfAborted();
        const chunk = await source.read(begin, end);
        signal?.throwIfAborted();
        // A source may be the caller's own: what is missing would be filled up with what the staging held before.
        if (chunk.byteLength !== end - begin) throw truncated(source.name, end - begin, chunk.byteLength);
        apply(chunk);
        onProgress?.((done += end - begin), total);
      }
      return block;
    } catch (error) {
      arena.free(block);
      throw error;
    }
  }

  /** {@link place} for tensors whose bytes are at hand already: `bytes` is the whole file that every source stands for. */
  placeNow(runtime: Runtime, arena: FreeListArena, bytes: Uint8Array): number {
    const block = this.#settle(arena);
    try {
      for (const { begin, end, apply } of this.#pieces(runtime)) apply(bytes.subarray(begin, end));
      return block;
    } catch (error) {
      arena.free(block);
      throw error;
    }
  }

  /** Allocates the block and turns every target's place in it into an address. */
  #settle(arena: FreeListArena): number {
    const block = arena.alloc(Math.max(this.#bytes, 64));
    for (const target of this.#reserved) target.ptr += block;
    return block;
  }

  /** Every tensor in file order, in pieces of whole source rows. */
  *#pieces(runtime: Runtime): Generator<Piece> {
    for (const placement of [...this.#placements].sort((a, b) => (a.source === b.source ? a.info.begin - b.info.begin : 0))) yield* pieces(runtime, placement);
  }
}

export interface PlaceOptions {
  signal?: AbortSignal | undefined;
  /** Called with the bytes placed so far and the bytes in all. */
  onProgress?: ((done: number, total: number) => void) | undefined;
}

/** A stretch of a file, and what is done with its bytes. */
interface Piece {
  readonly source: ByteSource;
  readonly begin: number;
  readonly end: number;
  readonly apply: (chunk: Uint8Array) => void;
}

/**
 * The row in which Hugging Face's checkpoints have what llama.cpp keeps in row `row`. Of a head's `dim` rows theirs are the two halves of rotary pairs one after the other,
 * llama.cpp's the pairs side by side: row 2j + t here is row t·dim/2 + j there.
 */
export function headRow(row: number, dim: number): number {
  const within = row % dim;
  return row - within + (within & 1) * (dim / 2) + (within >> 1);
}

function* pieces(runtime: Runtime, placement: Placement): Generator<Piece> {
  const { info, source, layout, target, heads, groups } = placement;
  const dtype = dtypeCode(info.dtype, info.name);
  const total = info.end - info.begin;
  if (total === 0) throw new LorikeetError('tensor/empty', `Tensor "${info.name}" is empty: expected at least one element.`, { expected: target.n, found: info.shape });
  const stride = layout === 'vector' ? rowBytes(blockWeights(dtype), dtype) : total / sourceRows(placement);
  // Panels are made of 8 rows and heads are put in order whole, so a chunk holds a multiple of both; a convolution is placed group by group, in one chunk each.
  const whole = heads === 0 ? 8 : leastCommonMultiple(8, target.n / heads);
  const step = layout === 'conv' ? total / groups : Math.max(1, Math.floor(CHUNK / stride / whole)) * whole * stride;
  for (let at = 0; at < total; at += step) {
    const bytes = Math.min(step, total - at);
    yield { source, begin: info.begin + at, end: info.begin + at + bytes, apply: (chunk) => stage(runtime, placement, chunk, at / stride, bytes / stride, dtype) };
  }
}

function leastCommonMultiple(a: number, b: number): number {
  let [x, y] = [a, b];
  while (y > 0) [x, y] = [y, x % y];
  return (a / x) * b;
}

const sourceRows = ({ layout, target, groups }: Placement): number => {
  const matrix = target as Matrix;
  return layout === 'columns' ? matrix.k : layout === 'conv' ? matrix.n * groups : matrix.n;
};

/** Copies a chunk (source rows, or blocks of a vector, from … from + rows) to the staging buffer and packs it from there. Synchronous: the scratch arena's marks nest. */
function stage({ kernels, scratch, views }: Runtime, { layout, info, target, kernel, heads }: Placement, chunk: Uint8Array, from: number, rows: number, dtype: DtypeCode): void {
  const mark = scratch.mark();
  try {
    const staging = scratch.alloc(chunk.byteLength);
    const stride = chunk.byteLength / rows;
    if (heads === 0) views.u8.set(chunk, staging);
    else for (let i = 0; i < rows; i++) views.u8.set(chunk.subarray(i * stride, (i + 1) * stride), staging + headRow(i, target.n / heads) * stride);
    const count = (chunk.byteLength / rowBytes(blockWeights(dtype), dtype)) * blockWeights(dtype);
    if (kernels.allFinite(staging, count, dtype) === 0) {
      throw new LorikeetError('tensor/not-finite', `Tensor "${info.name}" has a NaN or an infinity: expected finite numbers; the file is damaged or its training diverged.`, { expected: 'finite numbers', found: info.name });
    }
    if (layout === 'vector') return kernels.widen(target.ptr + from * blockWeights(dtype) * 4, staging, count, dtype);
    const { ptr, n, k, dtype: packed } = target as Matrix;
    let source = staging;
    if (packed !== dtype) {
      const wide = scratch.alloc(count * 4);
      kernels.widen(wide, staging, count, dtype);
      source = scratch.alloc(rowBytes(count, packed));
      kernels.narrow(source, wide, count, packed);
      if (kernels.allFinite(source, count, packed) === 0) {
        throw new LorikeetError('tensor/overflow', `Tensor "${info.name}" has weights too large for ${dtypeName(packed)}: expected values, or scales of blocks, of at most 65504; take bf16 or f32.`, { expected: 65504, found: info.name });
      }
    }
    if (layout === 'rows') kernels.pack(ptr + from * rowBytes(k, packed), source, rows, k, packed);
    else if (layout === 'columns') kernels.packColumns(ptr, source, n, k, from, rows, packed);
    else kernels.packConv(ptr + Math.floor(from / n) * packedBytes(n, k, dtype), staging, n, k / kernel, kernel, dtype);
  } finally {
    scratch.release(mark);
  }
}
