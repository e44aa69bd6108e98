import type { ByteSource } from '../store/source.js';
import type { TensorInfo } from '../formats/safetensors.js';
import type { Runtime } from '../arena/runtime.js';
import type { FreeListArena } from '../arena/free-list.js';
import { dtypeCode, packedBytes, type DtypeCode, type Matrix, type Vector } from './matrix.js';
import { bringIn, piecesOf, type Piece, type PlaceOptions, type Placement } from './place.js';

/** What else {@link BlockPlan.tensorMatrix} may be told. */
export interface MatrixOptions {
  layout?: 'rows' | 'columns';
  /** The dtype in memory where it isn't the file's: rounded to it. Blocks stand along rows, so not by columns. */
  dtype?: DtypeCode;
  /** The rows of each of so many heads stand interleaved, as llama.cpp keeps q and k of its `llama` architecture: see `headRow` in place.ts. */
  heads?: number;
}

/**
 * A block of one arena in the making: what goes in is declared first, then the block is allocated in one piece,
 * then the tensors stream into their places (place.ts): the file is never in memory a second time.
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
  async place(runtime: Runtime, arena: FreeListArena, options: PlaceOptions = {}): Promise<number> {
    const block = this.#settle(arena);
    try {
      await bringIn(runtime, [...this.#pieces(runtime)], options);
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
      for (const piece of this.#pieces(runtime)) piece.stage(bytes.subarray(piece.begin, piece.end));
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
    for (const placement of [...this.#placements].sort((a, b) => (a.source === b.source ? a.info.begin - b.info.begin : 0))) yield* piecesOf(runtime, placement);
  }
}
