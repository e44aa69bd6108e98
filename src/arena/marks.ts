import { LorikeetError } from '../errors.js';
import { PAGE, type ArenaReport, type Heap } from './heap.js';
import { SpanStack } from './span-stack.js';

/**
 * An arena for scratch that lives from a mark to its release, in LIFO order. Its pages stay: after the first round nothing grows,
 * and neither {@link mark}, {@link alloc} nor {@link release} makes an object.
 *
 * @example
 * const mark = scratch.mark();
 * const rows = scratch.alloc(4 * count);
 * …
 * scratch.release(mark);
 */
export class ScratchArena {
  readonly name: string;
  readonly #stack: SpanStack;
  readonly #spanBytes: number;
  // the stack's state at each open mark
  readonly #current: number[] = [];
  readonly #top: number[] = [];
  readonly #used: number[] = [];
  readonly #blocks: number[] = [];

  /** `spanBytes`: the least that the arena grows by; without it, pages come as needed. */
  constructor(heap: Heap, name: string, { spanBytes = PAGE }: { spanBytes?: number } = {}) {
    this.name = name;
    this.#stack = new SpanStack(heap, name);
    this.#spanBytes = spanBytes;
  }

  /** Opens a mark and returns its depth: 0 for the outermost. */
  mark(): number {
    const stack = this.#stack;
    this.#current.push(stack.current);
    this.#top.push(stack.top);
    this.#used.push(stack.used);
    this.#blocks.push(stack.blocks);
    return this.#current.length - 1;
  }

  /**
   * Takes `bytes` bytes (rounded up to a multiple of 64) until the innermost open mark is released.
   * @throws `memory/no-mark` without an open mark, `memory/exhausted`, `memory/bad-size`; nothing has changed then
   */
  alloc(bytes: number): number {
    if (this.#current.length === 0) {
      throw new LorikeetError('memory/no-mark', `Arena ${this.name} was asked for ${bytes} bytes without an open mark: nothing would ever release them.`, { expected: 'an open mark', found: 'none' });
    }
    // A stack that had to go over several spans comes back as one: see release.
    return this.#stack.push(bytes, this.#stack.spans === 0 ? Math.max(this.#spanBytes, this.#stack.highWater) : this.#spanBytes);
  }

  /** Releases the innermost mark, and all that was taken since. @throws `memory/mark-order` for any other */
  release(mark: number): void {
    const depth = this.#current.length - 1;
    if (mark !== depth || depth < 0) {
      throw new LorikeetError('memory/mark-order', `Arena ${this.name} can't release mark ${mark}: marks are released last in, first out, and the innermost is ${depth < 0 ? 'none' : depth}.`,
        { expected: depth, found: mark });
    }
    this.#stack.cut(this.#current.pop()!, this.#top.pop()!, this.#used.pop()!, this.#blocks.pop()!);
    if (depth === 0 && this.#stack.spans > 1) {
      this.#stack.cut(-1, 0, 0, 0);
      this.#stack.giveBack();
    }
  }

  report(): ArenaReport {
    return this.#stack.report();
  }

  /** Releases all marks and gives the pages back. */
  dispose(): void {
    this.#current.length = this.#top.length = this.#used.length = this.#blocks.length = 0;
    this.#stack.cut(-1, 0, 0, 0);
    this.#stack.giveBack();
  }
}
