// An arena whose blocks come and go in any order: weights, adapters, KV blocks, activations.
//
//   span      ┌──────┬───────────┬────┬─────────────┐
//             │ used │   free    │used│    free     │   blocks in order of offset, doubly linked; two free ones never touch
//             └──────┴───────────┴────┴─────────────┘
//             begin                   last used end   end
//
// All bookkeeping lies on the JS side: a kernel that runs wild can't break it, and freed bytes may be poisoned. Blocks don't move.
// A span grows where it lies when the heap's next pages are free. On the way down a span remembers the ends it had: once nothing in use lies
// beyond a former end, the pages behind it go back to the heap, and a span without use goes back whole. So what an arena holds is decided by the
// blocks that live, not by those that were: a load that fails, or an unload, leaves the report of before. `keepBytes` of the first span never go back.
//
// First fit is the default. Measured beside best fit (node scripts/bench/free-list.mjs; 8 traces of 20,000 loads and unloads, casts of 8 / 24 / 96
// adapters; held at most ÷ used at most, then evictions at 1.1 times the peak): first fit 1.157 / 1.169 / 1.148 and 4 / 6 / 42, best fit 1.188 / 1.187 / 1.140
// and 6 / 11 / 42. The largest free block is a little larger under best fit, the time the same: first fit keeps to low offsets, so tops go back sooner.
import { LorikeetError } from '../errors.js';
import { createBlock, FreeIndex, type Block, type FitPolicy } from './free-index.js';
import { blockBytes, wholePages, type ArenaReport, type Heap, type Span } from './heap.js';

export interface FreeListOptions {
  /** The least that the arena grows by, but for the last pages below the limit. Default 1 MiB. */
  spanBytes?: number;
  /** Bytes that are reserved at once (if they can be had) and kept until {@link FreeListArena.dispose}, so that other arenas don't take them. Default none. */
  keepBytes?: number;
  /** Default `first-fit`. */
  policy?: FitPolicy;
}

interface Region {
  readonly span: Span;
  /** The ends that the span had, ascending; the last is the present one. */
  readonly ends: number[];
  /** The block at the end of the span. */
  last: Block;
}

export class FreeListArena {
  readonly name: string;
  readonly #heap: Heap;
  readonly #spanBytes: number;
  readonly #index: FreeIndex;
  readonly #used = new Map<number, Block>(); // by offset
  readonly #regions: Region[] = [];
  #kept: Region | null = null;
  #usedBytes = 0;
  #heldBytes = 0;
  #highWater = 0;

  constructor(heap: Heap, name: string, { spanBytes = 1 << 20, keepBytes = 0, policy = 'first-fit' }: FreeListOptions = {}) {
    this.name = name;
    this.#heap = heap;
    this.#spanBytes = wholePages(spanBytes);
    this.#index = new FreeIndex(policy);
    const span = keepBytes > 0 ? heap.tryReserve(keepBytes) : null;
    if (span !== null) {
      this.#addRegion(span);
      this.#kept = this.#regions[0]!;
    }
  }

  /**
   * Takes `bytes` bytes (rounded up to a multiple of 64) and returns their offset, a multiple of 64. The bytes are as they were left.
   * @throws `memory/exhausted`, `memory/bad-size`; nothing has changed then
   */
  alloc(bytes: number): number {
    const size = blockBytes(this.name, bytes);
    this.#heap.onAlloc?.(this.name, bytes);
    const block = this.#grow(size);
    this.#index.remove(block);
    if (block.size > size) {
      const rest = createBlock(block.offset + size, block.size - size, block, block.after);
      if (block.after !== null) block.after.before = rest;
      else this.#regionOf(block).last = rest;
      block.after = rest;
      block.size = size;
      this.#index.insert(rest);
    }
    this.#used.set(block.offset, block);
    this.#usedBytes += size;
    this.#highWater = Math.max(this.#highWater, this.#usedBytes);
    return block.offset;
  }

  /**
   * Gives a block back, to be handed out again, and returns its bytes.
   * @throws `memory/not-allocated` for an offset that {@link alloc} did not return, or that was freed already
   */
  free(offset: number): number {
    const block = this.#blockAt(offset);
    const { size } = block;
    this.#used.delete(offset);
    this.#usedBytes -= size;
    let joined = block;
    if (block.after?.free) {
      this.#index.remove(block.after);
      joined = this.#absorb(joined, block.after);
    }
    if (block.before?.free) {
      this.#index.remove(block.before);
      joined = this.#absorb(block.before, joined);
    }
    this.#index.insert(joined);
    if (joined.after === null) this.#shrink(this.#regionOf(joined));
    return size;
  }

  /** The bytes of the block at `offset`: those asked, rounded up to a multiple of 64. */
  sizeOf(offset: number): number {
    return this.#blockAt(offset).size;
  }

  report(): ArenaReport {
    return {
      used: this.#usedBytes, free: this.#heldBytes - this.#usedBytes, largestFree: this.#index.largest,
      highWater: this.#highWater, blocks: this.#used.size, freeBlocks: this.#index.count,
    };
  }

  /** Gives everything back to the heap: blocks, free bytes, the first span. */
  dispose(): void {
    for (const region of this.#regions.splice(0)) {
      for (let block: Block | null = region.last; block !== null; block = block.before) {
        if (block.free) this.#index.remove(block);
      }
      this.#heap.release(region.span);
    }
    this.#kept = null;
    this.#used.clear();
    this.#usedBytes = this.#heldBytes = 0;
  }

  /** A free block of at least `size` bytes, when need be once enough is given up elsewhere. */
  #grow(size: number): Block {
    do {
      const found = this.#index.find(size) ?? this.#lengthened(size);
      if (found) return found;
    } while (this.#heap.onPressure?.());
    throw this.#heap.exhausted(`arena ${this.name}`, size, this.#index.largest);
  }

  /** One from pages that the arena did not have: behind the youngest span that can grow, else in a new one; null if there are none. */
  #lengthened(size: number): Block | null {
    for (const least of [this.#spanBytes, 0]) { // near the limit: only what is needed
      for (let i = this.#regions.length - 1; i >= 0; i--) {
        const region = this.#regions[i]!;
        const missing = region.last.free ? size - region.last.size : size;
        if (this.#heap.extend(region.span, Math.max(missing, least))) return this.#lengthen(region);
      }
      const span = this.#heap.tryReserve(Math.max(size, least));
      if (span !== null) return this.#addRegion(span);
    }
    return null;
  }

  #addRegion(span: Span): Block {
    const block = createBlock(span.begin, span.end - span.begin, null, null);
    this.#regions.push({ span, ends: [span.end], last: block });
    this.#heldBytes += block.size;
    this.#index.insert(block);
    return block;
  }

  #lengthen(region: Region): Block {
    const { last, span, ends } = region;
    const end = ends[ends.length - 1]!;
    ends.push(span.end);
    this.#heldBytes += span.end - end;
    let block = last;
    if (last.free) {
      this.#index.remove(last);
      last.size = span.end - last.offset;
    } else {
      block = createBlock(end, span.end - end, last, null);
      last.after = region.last = block;
    }
    this.#index.insert(block);
    return block;
  }

  /** Gives back the pages behind the lowest former end that holds all that is in use. The region's last block is free. */
  #shrink(region: Region): void {
    const { span, ends, last } = region;
    if (last.before === null && region !== this.#kept) {
      this.#index.remove(last);
      this.#heldBytes -= last.size;
      this.#regions.splice(this.#regions.indexOf(region), 1);
      this.#heap.release(span);
      return;
    }
    while (ends.length > 1 && ends[ends.length - 2]! >= last.offset) ends.pop();
    const end = ends[ends.length - 1]!;
    if (end === span.end) return;
    this.#heldBytes -= span.end - end;
    this.#heap.trim(span, end);
    this.#index.remove(last);
    if (end > last.offset) {
      last.size = end - last.offset;
      this.#index.insert(last);
    } else {
      region.last = last.before!; // not null: the span keeps at least its first end
      region.last.after = null;
    }
  }

  /** Joins `upper` to its neighbour `lower`; neither may be in the index. */
  #absorb(lower: Block, upper: Block): Block {
    lower.size += upper.size;
    lower.after = upper.after;
    if (upper.after !== null) upper.after.before = lower;
    else this.#regionOf(upper).last = lower;
    return lower;
  }

  #regionOf({ offset }: Block): Region {
    return this.#regions.find(({ span }) => offset >= span.begin && offset < span.end)!; // few: they are as long as the heap allows
  }

  #blockAt(offset: number): Block {
    const block = this.#used.get(offset);
    if (block === undefined) {
      throw new LorikeetError('memory/not-allocated', `Nothing is allocated at offset ${offset} of arena ${this.name}: it was freed already, or never handed out.`,
        { expected: 'the offset of a block in use', found: offset });
    }
    return block;
  }
}
