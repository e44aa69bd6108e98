import type { Runtime } from '../arena/runtime.js';
import { LorikeetError } from '../errors.js';
import type { KvShape } from './architecture.js';

/** Positions in one block: fixed, since attention reduces block by block and its bits must not depend on anything else. */
const KV_BLOCK = 32;

/**
 * Keys and values of one sequence.
 *
 *     table   [layers][ceil(capacity / 32)] u32: where the block of 32 positions lies, for each layer
 *     block   [layers] × { for each kv head: Kᵀ [headDim][32], V [32][headDim] } f32
 */
export class KvCache {
  readonly #runtime: Runtime;
  readonly #shape: KvShape;
  readonly #blocks: number[] = [];
  readonly #maxBlocks: number;
  readonly #layerBytes: number;
  #table: number;

  /** @throws LorikeetError `memory/exhausted` */
  constructor(runtime: Runtime, shape: KvShape, contextLength: number) {
    this.#runtime = runtime;
    this.#shape = shape;
    this.#maxBlocks = Math.ceil(contextLength / KV_BLOCK);
    this.#layerBytes = runtime.kernels.kvBlockBytes(shape.kvHeads, shape.headDim, 0);
    this.#table = runtime.kv.alloc(shape.layers * this.#maxBlocks * 4);
  }

  /** Address of layer 0's table, and bytes to the next layer's. */
  get table(): number {
    return this.#table;
  }

  get tableStride(): number {
    return this.#maxBlocks * 4;
  }

  /** Bytes that the cache holds. */
  get bytes(): number {
    return this.#blocks.length * this.#layerBytes * this.#shape.layers + this.#shape.layers * this.#maxBlocks * 4;
  }

  /**
   * Makes room for `positions` positions.
   *
   * @throws LorikeetError `context/full` beyond the context, `memory/exhausted`; what was there stays as it was
   */
  reserve(positions: number): void {
    const wanted = Math.ceil(positions / KV_BLOCK);
    if (wanted > this.#maxBlocks) throw new LorikeetError('context/full', `The cache ends after ${this.#maxBlocks * KV_BLOCK} positions, asked for ${positions}.`, { expected: this.#maxBlocks * KV_BLOCK, found: positions });
    const before = this.#blocks.length;
    const { kv, views } = this.#runtime;
    try {
      while (this.#blocks.length < wanted) this.#blocks.push(kv.alloc(this.#layerBytes * this.#shape.layers));
    } catch (error) {
      for (const block of this.#blocks.splice(before)) kv.free(block);
      throw error;
    }
    for (let i = before; i < wanted; i++) {
      for (let layer = 0; layer < this.#shape.layers; layer++) views.u32[this.#table / 4 + layer * this.#maxBlocks + i] = this.#blocks[i]! + layer * this.#layerBytes;
    }
  }

  /** Gives everything back. */
  dispose(): void {
    if (this.#table === 0) return;
    for (const block of this.#blocks.splice(0)) this.#runtime.kv.free(block);
    this.#runtime.kv.free(this.#table);
    this.#table = 0;
  }
}
