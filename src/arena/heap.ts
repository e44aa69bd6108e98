// The heap of one linear memory: runs of whole pages, handed out as offsets.
//
//   0            base          span        free       span     next            byteLength        limit
//   ├─ the kernels' own data ─┼───────────┼──────────┼────────┼── untouched ──┼─ guard ─┤ … grow … ┤
//
// Everything below `next` was reserved at some time: it belongs to a span or lies in `free` (sorted, coalesced, never touching `next`).
// Everything from `next` to the end of memory was never handed out, or came back. Kernels may read up to 64 bytes past an operand,
// so the last page of the memory is never handed out. Wasm memory can't shrink: pages come back to `free`, never to the system.
// Offsets are plain JS numbers up to 2³², hence no bit operators here.
import { LorikeetError } from '../errors.js';

export const PAGE = 65536;
/** 4 GiB: all that a 32-bit memory can have. */
export const MOST_BYTES = 65536 * PAGE;
const GUARD = PAGE;
/**
 * A memory that has to grow grows by a share of itself beyond what is asked: the engine counts its whole size anew each time, and collects garbage for it (5 ms of V8 at 100 MB), while pages that
 * nobody touches cost nothing.
 */
const SPARE = 12;
/** Every offset and size of a block is a multiple of this: a cache line, and room for any SIMD load. */
const ALIGNMENT = 64;

/** A run of pages: byte offsets, both multiples of 65536. `end` moves when the heap extends or trims the span. */
export interface Span {
  readonly begin: number;
  end: number;
}

/** Bytes of one arena, or of the heap. `blocks` counts allocations, `freeBlocks` the pieces that the free bytes lie in. */
export interface ArenaReport {
  used: number;
  free: number;
  largestFree: number;
  highWater: number;
  blocks: number;
  freeBlocks: number;
}

/** The heap's own numbers: `used` is what the arenas hold; `byteLength` is the memory's size, `limit` the most that it may grow to. */
export interface HeapReport extends ArenaReport {
  byteLength: number;
  limit: number;
}

export class Heap {
  readonly memory: WebAssembly.Memory;
  /** The most bytes that the memory may have. */
  readonly limit: number;
  /** Called by every arena before it allocates, with its name and the bytes asked; what it throws fails the allocation, and nothing changes. */
  onAlloc: ((arena: string, bytes: number) => void) | undefined;
  /** Called when there is no run of pages for an arena, as often as it returns true: that something was given up, in whichever arena. */
  onPressure: (() => boolean) | undefined;
  readonly #base: number;
  readonly #spans = new Set<Span>();
  readonly #free: Span[] = [];
  #next: number;
  #used = 0;
  #highWater = 0;

  /** Hands out `memory` from byte `base` on (rounded up to a page) and lets it grow to `maximumBytes` (4 GiB at most, rounded down to pages). */
  constructor(memory: WebAssembly.Memory, base: number, maximumBytes = MOST_BYTES) {
    this.memory = memory;
    this.limit = Math.min(MOST_BYTES, Math.floor(maximumBytes / PAGE) * PAGE);
    this.#base = this.#next = wholePages(base);
  }

  /**
   * Reserves at least `bytes` bytes in one run: the smallest free run that fits, else untouched pages, growing the memory once if need be.
   * @throws `memory/exhausted` with the bytes asked and the largest run that can be had; nothing has changed then.
   */
  reserve(bytes: number): Span {
    const span = this.tryReserve(bytes);
    if (span === null) throw this.exhausted('the heap', bytes);
    return span;
  }

  /** As {@link reserve}, with null where that throws. */
  tryReserve(bytes: number): Span | null {
    const size = wholePages(Math.max(bytes, 1));
    let best = -1;
    for (let i = 0; i < this.#free.length; i++) {
      const length = sizeOf(this.#free[i]!);
      if (length >= size && (best < 0 || length < sizeOf(this.#free[best]!))) best = i;
    }
    let begin: number;
    if (best >= 0) {
      begin = this.#free[best]!.begin;
      this.#cut(best, size);
    } else {
      begin = this.#next;
      if (!this.#takeTail(size)) return null;
    }
    const span = { begin, end: begin + size };
    this.#spans.add(span);
    this.#count(size);
    return span;
  }

  /** Lengthens a span by at least `bytes` bytes where it lies. False, and nothing changed, if the pages behind it are taken or the memory is full. */
  extend(span: Span, bytes: number): boolean {
    this.#check(span);
    const size = wholePages(bytes);
    if (span.end === this.#next) {
      if (!this.#takeTail(size)) return false;
    } else {
      const i = this.#free.findIndex((run) => run.begin === span.end);
      if (i < 0 || sizeOf(this.#free[i]!) < size) return false;
      this.#cut(i, size);
    }
    span.end += size;
    this.#count(size);
    return true;
  }

  /** Gives the pages from `end` (a multiple of 65536 within the span, behind its begin) to the end of the span back. */
  trim(span: Span, end: number): void {
    this.#check(span);
    const old = span.end;
    if (end >= old) return;
    span.end = end;
    this.#giveBack(end, old);
  }

  /** Gives a whole span back. */
  release(span: Span): void {
    this.#check(span);
    this.#spans.delete(span);
    this.#giveBack(span.begin, span.end);
  }

  report(): HeapReport {
    const { byteLength } = this.memory.buffer;
    const tail = Math.max(0, Math.min(byteLength, this.limit) - GUARD - this.#next);
    let free = tail;
    let largestFree = tail;
    for (const run of this.#free) {
      free += sizeOf(run);
      largestFree = Math.max(largestFree, sizeOf(run));
    }
    return {
      used: this.#used, free, largestFree, highWater: this.#highWater, blocks: this.#spans.size,
      freeBlocks: this.#free.length + (tail > 0 ? 1 : 0), byteLength, limit: this.limit,
    };
  }

  /** The error for `bytes` bytes that `who` could not get, neither here nor in the `within` bytes of its own largest free block. */
  exhausted(who: string, bytes: number, within = 0): LorikeetError {
    const { largestFree, byteLength } = this.report();
    const growable = this.limit - GUARD - this.#next; // true of the limit; the memory's own maximum shows only when it refuses
    const found = Math.max(largestFree, within, growable < bytes ? growable : 0);
    return new LorikeetError('memory/exhausted',
      `Memory is exhausted: ${who} asked for ${bytes} bytes, the largest free run has ${found} (memory ${byteLength} bytes, limit ${this.limit}); unload something, or raise the limit.`,
      { expected: bytes, found });
  }

  #takeTail(size: number): boolean {
    const end = this.#next + size;
    if (end + GUARD > this.limit) return false;
    const { byteLength } = this.memory.buffer;
    const missing = end + GUARD - byteLength;
    if (missing > 0) {
      const spare = Math.floor(end / SPARE / PAGE) * PAGE;
      // The memory's own maximum may be below the limit, and the system may say no.
      if (!this.#grow(Math.min(missing + spare, this.limit - byteLength)) && !this.#grow(missing)) return false;
    }
    this.#next = end;
    return true;
  }

  #grow(bytes: number): boolean {
    try {
      this.memory.grow(Math.ceil(bytes / PAGE));
      return true;
    } catch {
      return false;
    }
  }

  #cut(index: number, size: number): void {
    const run = this.#free[index]!;
    if (sizeOf(run) === size) this.#free.splice(index, 1);
    else this.#free[index] = { begin: run.begin + size, end: run.end };
  }

  #giveBack(begin: number, end: number): void {
    this.#used -= end - begin;
    let i = 0;
    while (i < this.#free.length && this.#free[i]!.begin < begin) i++;
    const before = this.#free[i - 1];
    const after = this.#free[i];
    const joinsBefore = before !== undefined && before.end === begin;
    const joinsAfter = after !== undefined && after.begin === end;
    const run = { begin: joinsBefore ? before.begin : begin, end: joinsAfter ? after.end : end };
    const at = joinsBefore ? i - 1 : i;
    this.#free.splice(at, Number(joinsBefore) + Number(joinsAfter), run);
    if (run.end === this.#next) {
      this.#free.splice(at, 1);
      this.#next = run.begin;
    }
  }

  #count(size: number): void {
    this.#used += size;
    this.#highWater = Math.max(this.#highWater, this.#used);
  }

  #check(span: Span): void {
    if (!this.#spans.has(span)) {
      throw new LorikeetError('memory/not-allocated', `The span ${span.begin}–${span.end} is not one of this heap (base ${this.#base}), or was released already.`,
        { expected: 'a reserved span', found: span.begin });
    }
  }
}

/** `bytes` rounded up to whole pages. */
export function wholePages(bytes: number): number {
  return Math.ceil(bytes / PAGE) * PAGE;
}

/**
 * What a block for `bytes` bytes takes of `arena`: a multiple of 64, at least 64.
 *
 * @throws LorikeetError `memory/bad-size`
 */
export function blockBytes(arena: string, bytes: number): number {
  if (!Number.isSafeInteger(bytes) || bytes < 0) {
    throw new LorikeetError('memory/bad-size', `Arena ${arena} was asked for ${bytes} bytes; expected an integer of 0 or more.`, { expected: 'an integer >= 0', found: bytes });
  }
  return Math.max(ALIGNMENT, Math.ceil(bytes / ALIGNMENT) * ALIGNMENT);
}

function sizeOf(span: Span): number {
  return span.end - span.begin;
}
