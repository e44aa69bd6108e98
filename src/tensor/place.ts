/**
 * How the bytes of files come to stand in a block as the kernels read them. Two ways:
 *
 *   staged     file → the source's own buffer → scratch → packed into the block; any layout, any rounding
 *   straight   file → its place in the block, then packed there, a stretch of panels at a time through scratch that stays in the cache. Several reads at once: what brings them touches
 *              the block's pages for the first time, which takes longer than the packing, and does so on the host's threads
 */
import type { Runtime } from '../arena/runtime.js';
import { LorikeetError } from '../errors.js';
import type { TensorInfo } from '../formats/safetensors.js';
import { truncated } from '../store/checks.js';
import type { ByteSource } from '../store/source.js';
import { blockWeights, dtypeCode, DTYPES, dtypeName, packedBytes, rowBytes, type DtypeCode, type Matrix, type Vector } from './matrix.js';

/**
 * How a tensor of a file comes to stand in the block:
 * `rows`      [n, k] row-major → panels (Linear, lora_A, lora_B, embeddings)
 * `columns`   [k, n] row-major → panels of the transpose (GPT-2's Conv1D, lora_embedding_A)
 * `conv`      [out, in/groups, kernel] → for each group panels of [out/groups, kernel·in/groups]
 * `vector`    any shape → f32, flat
 */
type Layout = 'rows' | 'columns' | 'conv' | 'vector';

export interface Placement {
  readonly layout: Layout;
  readonly info: TensorInfo;
  readonly source: ByteSource;
  readonly target: Matrix | Vector;
  readonly kernel: number;
  readonly groups: number;
  /** Heads whose rows llama.cpp interleaves; 0: the rows stand as they should. */
  readonly heads: number;
}

export interface PlaceOptions {
  signal?: AbortSignal | undefined;
  /** Called with the bytes placed so far and the bytes in all. */
  onProgress?: ((done: number, total: number) => void) | undefined;
  /** Nobody else allocates in this memory until the end: then it doesn't grow while a read into it is under way, and files may be read straight to their places. */
  alone?: boolean | undefined;
}

/** A stretch of a file, of whole source rows, and what is done with its bytes. */
export interface Piece {
  readonly source: ByteSource;
  readonly begin: number;
  readonly end: number;
  /** Where the bytes may be read to as they are, for {@link arrange}; 0: they have to be staged. */
  readonly straight: number;
  /** Bytes of scratch that arranging takes. */
  readonly scratch: number;
  /** Brings bytes of the source's own buffer to their place. */
  stage(chunk: Uint8Array): void;
  /** Packs bytes that stand at `straight`. */
  arrange(): void;
}

/** Bytes read from a source at a time; also what the staging in linear memory may take, unless one panel of rows is larger. */
const CHUNK = 2 ** 20;
/** Bytes that are packed in place at a time: they and their panels stay in a core's cache. */
const STRETCH = 2 ** 16;
/** Reads straight into memory at once: as many as Node has threads for files. */
const READS = 4;

/** Reads every piece and puts it in its place. On a failure or an abort no read is under way any more when this throws. */
export async function bringIn(runtime: Runtime, pieces: readonly Piece[], { signal, onProgress, alone = false }: PlaceOptions): Promise<void> {
  const total = pieces.reduce((sum, { begin, end }) => sum + end - begin, 0);
  const reads: { readonly piece: Piece; readonly length: Promise<number> }[] = [];
  let done = 0;
  const placed = ({ begin, end }: Piece): void => onProgress?.((done += end - begin), total);
  const check = ({ source, begin, end }: Piece, length: number): void => {
    signal?.throwIfAborted();
    // A source may be the caller's own: what is missing would be filled up with what the memory held before.
    if (length !== end - begin) throw truncated(source.name, end - begin, length);
  };
  const land = async (): Promise<void> => {
    const { piece, length } = reads[0]!;
    check(piece, await length);
    reads.shift();
    piece.arrange();
    placed(piece);
  };
  try {
    if (alone) reserveScratch(runtime, pieces);
    for (const piece of pieces) {
      signal?.throwIfAborted();
      const { source, begin, end, straight } = piece;
      if (alone && straight !== 0 && source.readInto) {
        const length = source.readInto(begin, new Uint8Array(runtime.memory.buffer, straight, end - begin));
        length.catch(() => undefined); // it is told when its turn comes, unless another one failed before
        reads.push({ piece, length });
        if (reads.length >= READS) await land();
      } else {
        while (reads.length > 0) await land();
        const chunk = await source.read(begin, end);
        check(piece, chunk.byteLength);
        piece.stage(chunk);
        placed(piece);
      }
    }
    while (reads.length > 0) await land();
  } catch (error) {
    await Promise.allSettled(reads.map(({ length }) => length));
    throw error;
  }
}

/** Takes the pages that arranging needs before the first read is under way: the memory may not grow then. */
function reserveScratch({ scratch }: Runtime, pieces: readonly Piece[]): void {
  const mark = scratch.mark();
  scratch.alloc(pieces.reduce((most, piece) => Math.max(most, piece.scratch), 0));
  scratch.release(mark);
}

/**
 * The row in which Hugging Face's checkpoints have what llama.cpp keeps in row `row`. Of a head's `dim` rows theirs are the two halves of rotary pairs one after the other,
 * llama.cpp's the pairs side by side: row 2j + t here is row t·dim/2 + j there.
 */
export function headRow(row: number, dim: number): number {
  const within = row % dim;
  return row - within + (within & 1) * (dim / 2) + (within >> 1);
}

/** A tensor in pieces, in file order. */
export function* piecesOf(runtime: Runtime, placement: Placement): Generator<Piece> {
  const { info, source, layout, target, heads, groups } = placement;
  const dtype = dtypeCode(info.dtype, info.name);
  const total = info.end - info.begin;
  if (total === 0) throw new LorikeetError('tensor/empty', `Tensor "${info.name}" is empty: expected at least one element.`, { expected: target.n, found: info.shape });
  const stride = layout === 'vector' ? rowBytes(blockWeights(dtype), dtype) : total / sourceRows(placement);
  // Panels are made of 8 rows and heads are put in order whole, so a chunk holds a multiple of both; a convolution is placed group by group, in one chunk each.
  const whole = heads === 0 ? 8 : leastCommonMultiple(8, target.n / heads);
  const rowsWithin = (bytes: number): number => Math.max(1, Math.floor(bytes / stride / whole)) * whole;
  const stretch = rowsWithin(STRETCH);
  const step = layout === 'conv' ? total / groups : rowsWithin(CHUNK) * stride;
  const isStraight = layout === 'rows' ? (target as Matrix).dtype === dtype : layout === 'vector' && dtype === DTYPES.F32 && heads === 0;
  for (let at = 0; at < total; at += step) {
    const bytes = Math.min(step, total - at);
    const straight = isStraight ? target.ptr + at : 0;
    yield {
      source, begin: info.begin + at, end: info.begin + at + bytes, straight, scratch: isStraight ? Math.min(bytes, stretch * stride) : 0,
      stage: (chunk) => stage(runtime, placement, chunk, at / stride, bytes / stride, dtype),
      arrange: () => arrange(runtime, placement, straight, bytes / stride, stride, stretch, dtype),
    };
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

/** Weights in so many bytes of whole blocks. */
const weightsIn = (bytes: number, dtype: DtypeCode): number => (bytes / rowBytes(blockWeights(dtype), dtype)) * blockWeights(dtype);

function checkFinite({ kernels }: Runtime, ptr: number, count: number, dtype: DtypeCode, name: string): void {
  if (kernels.allFinite(ptr, count, dtype) === 0) {
    throw new LorikeetError('tensor/not-finite', `Tensor "${name}" has a NaN or an infinity: expected finite numbers; the file is damaged or its training diverged.`, { expected: 'finite numbers', found: name });
  }
}

/** Packs rows that stand at `ptr` as in the file, `stretch` of them at a time: the room of the last panel reaches past them. */
function arrange(runtime: Runtime, { layout, info, target, heads }: Placement, ptr: number, rows: number, stride: number, stretch: number, dtype: DtypeCode): void {
  const { kernels, scratch, views } = runtime;
  checkFinite(runtime, ptr, weightsIn(rows * stride, dtype), dtype, info.name);
  if (layout === 'vector') return;
  const { n, k } = target as Matrix;
  const mark = scratch.mark();
  try {
    const copy = scratch.alloc(Math.min(rows, stretch) * stride);
    for (let from = 0; from < rows; from += stretch) {
      const count = Math.min(stretch, rows - from);
      const at = ptr + from * stride;
      const { u8 } = views;
      if (heads === 0) u8.copyWithin(copy, at, at + count * stride);
      else for (let i = 0; i < count; i++) u8.copyWithin(copy + headRow(i, n / heads) * stride, at + i * stride, at + (i + 1) * stride);
      kernels.pack(at, copy, count, k, dtype);
    }
  } finally {
    scratch.release(mark);
  }
}

/** Copies a chunk (source rows, or blocks of a vector, from … from + rows) to the staging buffer and packs it from there. Synchronous: the scratch arena's marks nest. */
function stage(runtime: Runtime, { layout, info, target, kernel, heads }: Placement, chunk: Uint8Array, from: number, rows: number, dtype: DtypeCode): void {
  const { kernels, scratch, views } = runtime;
  const mark = scratch.mark();
  try {
    const staging = scratch.alloc(chunk.byteLength);
    const stride = chunk.byteLength / rows;
    if (heads === 0) views.u8.set(chunk, staging);
    else for (let i = 0; i < rows; i++) views.u8.set(chunk.subarray(i * stride, (i + 1) * stride), staging + headRow(i, target.n / heads) * stride);
    const count = weightsIn(chunk.byteLength, dtype);
    checkFinite(runtime, staging, count, dtype, info.name);
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
