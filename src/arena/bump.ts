import { LorikeetError } from '../errors.js';
import { PAGE, type ArenaReport, type Heap } from './heap.js';
import { SpanStack } from './span-stack.js';

/** A state of a {@link BumpArena} to go back to. */
export interface BumpMark {
  readonly arena: BumpArena;
  readonly current: number;
  readonly top: number;
  readonly end: number;
  readonly used: number;
  readonly blocks: number;
}

/** An arena for what stays as long as the model does: its weights. Nothing is freed alone; a load that fails rewinds to the mark it began with. */
export class BumpArena {
  readonly name: string;
  readonly #stack: SpanStack;
  readonly #spanBytes: number;

  /** `spanBytes`: the least that the arena grows by; without it, pages come as needed. */
  constructor(heap: Heap, name: string, { spanBytes = PAGE }: { spanBytes?: number } = {}) {
    this.name = name;
    this.#stack = new SpanStack(heap, name);
    this.#spanBytes = spanBytes;
  }

  /** Takes `bytes` bytes, rounded up to a multiple of 64, at an offset that is one, too. @throws `memory/exhausted`; nothing has changed then */
  alloc(bytes: number): number {
    return this.#stack.push(bytes, this.#spanBytes);
  }

  /** Gets room for `bytes` more bytes in one run, so that the memory grows once for a whole model. @throws `memory/exhausted`; nothing has changed then */
  reserve(bytes: number): void {
    this.#stack.ensure(bytes, bytes);
  }

  mark(): BumpMark {
    const { current, top, end, used, blocks } = this.#stack;
    return { arena: this, current, top, end, used, blocks };
  }

  /** Forgets all that was taken since `mark` and gives its pages back. @throws `memory/bad-mark` for a mark of another arena or of a state that was rewound */
  rewind(mark: BumpMark): void {
    const { current, top, used } = this.#stack;
    if (mark.arena !== this || mark.current > current || (mark.current === current && mark.top > top) || mark.used > used) {
      throw new LorikeetError('memory/bad-mark', `Arena ${this.name} can't rewind to a mark of ${mark.used} used bytes: it has ${used}, or the mark is another arena's.`,
        { expected: `a mark of at most ${used} bytes`, found: mark.used });
    }
    this.#stack.cut(mark.current, mark.top, mark.used, mark.blocks);
    this.#stack.giveBack(mark.end);
  }

  report(): ArenaReport {
    return this.#stack.report();
  }

  dispose(): void {
    this.#stack.cut(-1, 0, 0, 0);
    this.#stack.giveBack(0);
  }
}
