import { LorikeetError } from '../errors.js';

/** How far speculation goes; `true` takes the defaults. */
export interface SpeculateOptions {
  /** The most tokens that are drafted at a time (default 7, 1 to 15). */
  maxDraft?: number;
  /** A draft is made where at least this many of the last tokens stood in the sequence before (default 2, 1 to 12). */
  minMatch?: number;
}

/** Rows with logits that one frame ever has, less the one that is no draft. */
const MAX_DRAFT = 15;
/** A longer match says no more, and text that repeats itself would be compared with itself at every place. */
const MAX_MATCH = 12;

/** A draft gets longer with every one that held to its end, and as short as what held otherwise: a wrong token costs a row. */
const GROWTH = 2;

/**
 * Checks the option; null: no speculation.
 *
 * @throws LorikeetError `session/speculate`
 */
export function speculateOptions(given: boolean | SpeculateOptions | undefined): Required<SpeculateOptions> | null {
  if (given === undefined || given === false) return null;
  const { maxDraft = 7, minMatch = 2 } = given === true ? {} : typeof given === 'object' && given !== null ? given : { maxDraft: NaN };
  for (const [name, value, most] of [['maxDraft', maxDraft, MAX_DRAFT], ['minMatch', minMatch, MAX_MATCH]] as const) {
    if (!Number.isInteger(value) || value < 1 || value > most) throw new LorikeetError('session/speculate', `"speculate" expected true, false or { maxDraft: 1 to ${MAX_DRAFT}, minMatch: 1 to ${MAX_MATCH} }, got ${name} ${String(value)}.`, { expected: most, found: given });
  }
  return { maxDraft, minMatch };
}

/**
 * Speculation by prompt lookup (A. Saxena, 2023): where the last tokens stood in the sequence before, what followed them then is drafted, worked in the same frame as the last
 * token, and each position's own logits choose its token, in order and with the one generator. As long as the choices are the drafted ones they hold: the text is that without
 * speculation, to the bit.
 *
 *     rows of the frame    last token | draft 0 | draft 1 | draft 2
 *     chosen from them     draft 0      draft 1   another    –          → three tokens, of which the first is handed out and two are ahead
 *
 * What is ahead is handed out a token at a step, so that a session looks at each token as it does without speculation: a blend set meanwhile applies from the next token on, and an answer
 * that ends (a stop text, an end token, a break) leaves its generator where it would be. Made once for an answer; a step makes no arrays.
 */
export class Speculation {
  /** The draft in the frame at work: its ids, and how many. */
  readonly draft: Int32Array;
  rows = 0;
  /** In this answer: tokens drafted, and tokens handed out that took no frame of their own, since the drafts before them held. */
  drafted = 0;
  accepted = 0;
  readonly #minMatch: number;
  /** Chosen tokens, and the generator's state after each. */
  readonly #ids: Int32Array;
  readonly #states: Uint32Array;
  #chosen = 0;
  #next = 0;
  #length: number;

  constructor({ maxDraft, minMatch }: Required<SpeculateOptions>) {
    this.draft = new Int32Array(maxDraft);
    this.#ids = new Int32Array(maxDraft + 1);
    this.#states = new Uint32Array(2 * (maxDraft + 1));
    this.#length = maxDraft;
    this.#minMatch = minMatch;
  }

  /** Tokens that are chosen and not handed out yet. */
  get ahead(): number {
    return this.#chosen - this.#next;
  }

  /** Drafts at most `room` tokens behind `tokens`, into {@link draft}. */
  propose(tokens: readonly number[], room: number): void {
    this.drop();
    const count = tokens.length;
    let from = 0;
    let longest = this.#minMatch - 1;
    for (let end = count - 1; end > 0 && longest < MAX_MATCH; end--) {
      let length = 0;
      while (length < MAX_MATCH && length < end && tokens[end - 1 - length] === tokens[count - 1 - length]) length++;
      if (length > longest) {
        longest = length;
        from = end;
      }
    }
    this.rows = from === 0 ? 0 : Math.max(0, Math.min(this.#length, room));
    // What followed, and where that reaches the end, the draft itself: a text of one period goes on with it.
    for (let i = 0; i < this.rows; i++) this.draft[i] = from + i < count ? tokens[from + i]! : this.draft[from + i - count]!;
  }

  /** Takes note of the token chosen at the next row of the frame, and of the generator's state then. True where it is the drafted one, so that the next row holds. */
  choose(id: number, low: number, high: number): boolean {
    const at = this.#chosen++;
    this.#ids[at] = id;
    this.#states[2 * at] = low;
    this.#states[2 * at + 1] = high;
    return at < this.rows && id === this.draft[at];
  }

  /** Ends the choosing: what was drafted is told by what held. */
  settle(): void {
    const held = this.#chosen - 1;
    this.drafted += this.rows;
    if (this.rows > 0) this.#length = held === this.rows ? Math.min(this.draft.length, GROWTH * this.#length) : held + 1;
    this.rows = 0;
  }

  /** Hands the next token out; {@link low} and {@link high} are the generator's state after it. */
  take(): number {
    const at = this.#next++;
    if (at > 0) this.accepted++;
    return this.#ids[at]!;
  }

  get low(): number {
    return this.#states[2 * this.#next - 2]!;
  }

  get high(): number {
    return this.#states[2 * this.#next - 1]!;
  }

  /** Forgets what is ahead. */
  drop(): void {
    this.#chosen = this.#next = 0;
  }
}
