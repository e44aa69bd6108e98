import { LorikeetError } from '../errors.js';
import { KV_BLOCK, type KvBlock, type KvPool } from './kv-pool.js';
import type { KvSignature } from './kv-signature.js';

/**
 * Keys and values of one sequence: a table of blocks out of a pool, its own and such as others use, too.
 *
 *     table   [layers][ceil(capacity / 32)] u32: where the block of 32 positions lies, for each layer
 *     blocks  [ given back | keyed: shared, or may become so; never written | its own ]
 */
export class KvCache {
  readonly #pool: KvPool;
  readonly #blocks: KvBlock[] = [];
  readonly #maxBlocks: number;
  #table: number;
  /** Blocks at the front that a sliding window has let go of, and those at the front that were keyed or found. */
  #given = 0;
  #keyed = 0;

  /** @throws LorikeetError `memory/exhausted` */
  constructor(pool: KvPool, contextLength: number) {
    this.#pool = pool;
    this.#maxBlocks = Math.ceil(contextLength / KV_BLOCK);
    this.#table = pool.runtime.kv.alloc(pool.layers * this.#maxBlocks * 4);
  }

  /** Address of layer 0's table, and bytes to the next layer's. */
  get table(): number {
    return this.#table;
  }

  get tableStride(): number {
    return this.#maxBlocks * 4;
  }

  /** The dtype's code in the kernels' ABI. */
  get dtype(): number {
    return this.#pool.code;
  }

  /** Bytes of the blocks that the cache uses, shared ones too, and of its table. */
  get bytes(): number {
    return (this.#blocks.length - this.#given) * this.#pool.blockBytes + this.#pool.layers * this.tableStride;
  }

  /** Positions that there is room for. */
  get room(): number {
    return this.#blocks.length * KV_BLOCK;
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
    try {
      while (this.#blocks.length < wanted) this.#put(this.#blocks.length, this.#pool.take());
    } catch (error) {
      for (const block of this.#blocks.splice(before)) this.#pool.release(block);
      throw error;
    }
  }

  #put(index: number, block: KvBlock): void {
    this.#blocks[index] = block;
    const { u32 } = this.#pool.runtime.views;
    for (let layer = 0, at = this.#table / 4 + index; layer < this.#pool.layers; layer++, at += this.#maxBlocks) u32[at] = block.ptr + layer * this.#pool.layerBytes;
  }

  /** The block behind which that of `index` stands. */
  #parentOf(index: number): KvBlock {
    return index === 0 ? this.#pool.root : this.#blocks[index - 1]!;
  }

  /** Keys the blocks that are full and pure: those below `positions`. */
  register(tokens: readonly number[], positions: number, signature: KvSignature): void {
    if (!this.#pool.shares || this.#keyed < this.#given) return;
    while ((this.#keyed + 1) * KV_BLOCK <= positions) {
      const index = this.#keyed;
      const parent = this.#parentOf(index);
      const blend = this.#pool.isKeyed(parent) ? signature.blendOf(index) : null;
      if (!blend) return;
      const own = this.#blocks[index]!;
      const kept = this.#pool.register(own, parent, tokens, index * KV_BLOCK, blend);
      if (kept !== own) this.#put(index, kept);
      this.#keyed++;
    }
  }

  /**
   * Takes over the longest chain of blocks that hold the tokens from `done` on, but for the last one, which is always worked.
   *
   * @returns the positions that the cache holds then: at least `done`
   */
  adopt(tokens: readonly number[], done: number, signature: KvSignature): number {
    const most = Math.floor((tokens.length - 1) / KV_BLOCK);
    let index = Math.floor(done / KV_BLOCK);
    // Before a block is replaced those in front of it must be keyed: register has seen to that, where it can be.
    while (index < most && this.#keyed >= index) {
      const parent = this.#parentOf(index);
      const blend = this.#pool.isKeyed(parent) ? signature.blendOf(index) : null;
      const found = blend && this.#pool.find(parent, tokens, index * KV_BLOCK, blend);
      if (!found) break;
      this.#pool.share(found);
      const former = this.#blocks[index];
      this.#put(index++, found);
      if (former) this.#pool.release(former);
      this.#keyed = Math.max(this.#keyed, index);
    }
    return Math.max(done, index * KV_BLOCK);
  }

  /**
   * Sees to it that nothing from `positions` on is shared, so that it can be written: whole blocks that are keyed are let go of (there is less room then), one that is kept in part is copied.
   *
   * @throws LorikeetError `memory/exhausted`; what was there stays as it was
   */
  cut(positions: number): void {
    const whole = Math.floor(positions / KV_BLOCK);
    if (this.#keyed <= whole) return;
    let from = whole;
    if (positions % KV_BLOCK !== 0) {
      const partial = this.#blocks[whole]!;
      if (partial.parent !== null || partial.users > 1) {
        this.#put(whole, this.#pool.copyOf(partial));
        this.#pool.release(partial);
      }
      from++;
    }
    // From the end, so that among the idle children are older than their parents.
    for (let i = Math.max(this.#keyed, from) - 1; i >= from; i--) this.#pool.release(this.#blocks[i]!);
    const own = this.#blocks.splice(from).slice(Math.max(0, this.#keyed - from));
    for (const block of own) this.#put(this.#blocks.length, block);
    this.#keyed = whole;
  }

  /** Lets go of the blocks that no position from `done` on sees, where every layer has a window. */
  giveBack(done: number): void {
    const { window } = this.#pool;
    if (window === 0) return;
    while ((this.#given + 1) * KV_BLOCK <= done - window + 1) this.#pool.release(this.#blocks[this.#given++]!);
  }

  /** The positions that can be gone on from, of the first `positions`: all, or none where {@link giveBack} has let go of what the next one would see. */
  keep(positions: number): number {
    if (this.#given * KV_BLOCK <= Math.max(0, positions - this.#pool.window + 1)) return positions;
    this.#restart();
    return 0;
  }

  /** Holds no position any more; its own blocks stay as room. */
  #restart(): void {
    const keyed = Math.max(this.#keyed, this.#given);
    for (let i = keyed - 1; i >= this.#given; i--) this.#pool.release(this.#blocks[i]!);
    const own = this.#blocks.splice(0).slice(keyed);
    this.#given = this.#keyed = 0;
    for (const block of own) this.#put(this.#blocks.length, block);
  }

  /** Gives everything back. */
  dispose(): void {
    if (this.#table === 0) return;
    for (let i = this.#blocks.length - 1; i >= this.#given; i--) this.#pool.release(this.#blocks[i]!);
    this.#blocks.length = 0;
    this.#pool.runtime.kv.free(this.#table);
    this.#table = 0;
  }
}
