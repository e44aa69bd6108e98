// Spans filled from bottom to top: what the scratch arena (marks.ts) is made of.
//
//   span 0 [██████████░]   span 1 [████░░░░░]   span 2 [░░░░]       █ used   ░ free or left over
//                           current ─┘ top              kept for later, or none
//
// A block that does not fit behind `top` goes to the next span; what is left over below it is lost until the stack is cut back.
import { blockBytes, type ArenaReport, type Heap, type Span } from './heap.js';

export class SpanStack {
  readonly name: string;
  readonly #heap: Heap;
  readonly #spans: Span[] = [];
  readonly #tops: number[] = []; // of each span: the end of its last block
  #current = -1; // the span that blocks are taken from; those after it are empty
  #used = 0;
  #highWater = 0;
  #blocks = 0;

  constructor(heap: Heap, name: string) {
    this.#heap = heap;
    this.name = name;
  }

  /** The index of the current span, −1 before the first. */
  get current(): number { return this.#current; }
  /** The end of the last block of the current span. */
  get top(): number { return this.#current < 0 ? 0 : this.#tops[this.#current]!; }
  /** The end of the current span. */
  get #end(): number { return this.#current < 0 ? 0 : this.#spans[this.#current]!.end; }
  get used(): number { return this.#used; }
  get blocks(): number { return this.#blocks; }
  get highWater(): number { return this.#highWater; }
  get spans(): number { return this.#spans.length; }

  /**
   * Takes `bytes` bytes, rounded up to a multiple of 64; pages that are missing come in runs of at least `wish` bytes, if they can be had.
   * @throws `memory/exhausted`, `memory/bad-size`; nothing has changed then
   */
  push(bytes: number, wish: number): number {
    const size = blockBytes(this.name, bytes);
    this.#heap.onAlloc?.(this.name, bytes);
    this.#ensure(size, wish);
    const offset = this.#tops[this.#current]!;
    this.#tops[this.#current] = offset + size;
    this.#used += size;
    this.#blocks++;
    if (this.#used > this.#highWater) this.#highWater = this.#used;
    return offset;
  }

  /** Sees to it that `size` bytes lie free in one run behind the top. @throws `memory/exhausted`; nothing has changed then */
  #ensure(size: number, wish: number): void {
    const { current } = this;
    if (current >= 0 && this.#end - this.top >= size) return;
    const next = this.#spans[current + 1];
    if (next !== undefined && next.end - next.begin >= size) {
      this.#current++;
      return;
    }
    const kept = this.#spans.length - (current + 1); // too small, but the heap may need their pages
    for (const want of [Math.max(size, wish), size]) {
      if (kept === 0 && current >= 0 && this.#heap.extend(this.#spans[current]!, want - (this.#end - this.top))) return;
      const span = this.#heap.tryReserve(want);
      if (span !== null) {
        this.#spans.splice(current + 1, 0, span);
        this.#tops.splice(current + 1, 0, span.begin);
        this.#current++;
        return;
      }
    }
    if (this.#heap.onPressure?.()) return this.#ensure(size, wish);
    throw this.#heap.exhausted(`arena ${this.name}`, size, this.#end - this.top);
  }

  /** Cuts the stack back to a former `current`, `top`, `used` and `blocks`. Spans stay. */
  cut(current: number, top: number, used: number, blocks: number): void {
    for (let i = current + 1; i <= this.#current; i++) this.#tops[i] = this.#spans[i]!.begin;
    if (current >= 0) this.#tops[current] = top;
    this.#current = current;
    this.#used = used;
    this.#blocks = blocks;
  }

  /** Gives the spans after the current one back. */
  giveBack(): void {
    while (this.#spans.length > this.#current + 1) {
      this.#heap.release(this.#spans.pop()!);
      this.#tops.pop();
    }
  }

  report(): ArenaReport {
    let held = 0;
    let largestFree = 0;
    let freeBlocks = 0;
    this.#spans.forEach((span, i) => {
      held += span.end - span.begin;
      const left = span.end - this.#tops[i]!;
      if (left > 0) freeBlocks++;
      if (i >= this.#current && left > largestFree) largestFree = left;
    });
    return { used: this.#used, free: held - this.#used, largestFree, highWater: this.#highWater, blocks: this.#blocks, freeBlocks };
  }
}
