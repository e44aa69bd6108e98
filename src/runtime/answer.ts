import type { ResolvedBlend } from '../adapters/adapter.js';
import { LorikeetError } from '../errors.js';
import type { Sampling } from '../sample/options.js';
import { TextStream } from '../text/stream.js';
import type { Tokenizer } from '../text/tokenizer.js';
import type { Shift, Shifted, WhenFull } from './context-policy.js';
import type { Job } from './scheduler.js';
import type { Sequence } from './sequence.js';
import type { GenerateSettings } from './session-options.js';
import { Speculation } from './speculate.js';

/** Measured facts of the last answer. */
export interface AnswerStats {
  /** Tokens of the prompt that were worked; those after a shift, too. */
  promptTokens: number;
  /** Tokens that were taken over from blocks of other sessions, or of former ones, instead. */
  cachedTokens: number;
  /** Tokens that were worked again because the blend had changed, and the milliseconds that these took. */
  recomputed: number;
  recomputeMs: number;
  tokens: number;
  /** Milliseconds to the first token, and from there to the last. */
  firstTokenMs: number;
  decodeMs: number;
  /** Tokens that speculation drafted, and tokens of the answer that took no pass of their own, since the drafts before them held. */
  drafted: number;
  accepted: number;
  /** Tokens, and messages, that shifts of the context dropped from the conversation. */
  dropped: number;
  droppedMessages: number;
  /** Why it ended. */
  ended: 'end token' | 'stop' | 'length' | 'context' | 'broken off' | '';
}

export const noStats = (): AnswerStats => ({ promptTokens: 0, cachedTokens: 0, recomputed: 0, recomputeMs: 0, tokens: 0, firstTokenMs: 0, decodeMs: 0, drafted: 0, accepted: 0, dropped: 0, droppedMessages: 0, ended: '' });

/** `context/full` of a prompt that leaves no room for a token. */
export const promptTooLong = (tokens: number, contextLength: number): LorikeetError =>
  new LorikeetError('context/full', `The prompt has ${tokens} tokens: expected fewer than the ${contextLength} of the context; shorten it, start a new session, or let the oldest part go (whenFull: 'shift').`, { expected: contextLength, found: tokens });

/** What an answer is made from: the sequence, how to shorten it, and the prompt that fits. */
export interface Asked {
  readonly sequence: Sequence;
  /** The base's, which stays as long as a stream is at work. */
  readonly baseGeneration: number;
  readonly tokenizer: Tokenizer | null;
  readonly whenFull: WhenFull;
  readonly shift: Shift;
  /** Told of each shift, so that the conversation follows. */
  onShift(shifted: Shifted): void;
}

/** One answer in the making: text from tokens, why it ends, and what happens at the context's end. The scheduler drives it, a stream takes its pieces. */
export class Answer implements Job {
  readonly pieces: string[] = [];
  readonly stats = noStats();
  readonly sequence: Sequence;
  readonly sampling: Sampling;
  readonly speculation: Speculation | null;
  left = 0;
  done = false;
  rows = 0;
  /** What the stream throws when the pieces are told. */
  failed: unknown = undefined;
  readonly #asked: Asked;
  readonly #settings: GenerateSettings;
  readonly #text: TextStream | null;
  readonly #started = performance.now();
  readonly #before: { readonly cachedTokens: number; readonly recomputed: number; readonly recomputeMs: number };
  /** Of the sequence's tokens, those that were given. */
  #prompt = 0;

  constructor(asked: Asked, settings: GenerateSettings) {
    const { sequence, tokenizer } = asked;
    this.#asked = asked;
    this.#settings = settings;
    this.sequence = sequence;
    this.sampling = settings.sampling;
    this.speculation = settings.speculate ? new Speculation(settings.speculate) : null;
    this.#text = tokenizer ? new TextStream(tokenizer, settings.stop) : null;
    this.#before = { cachedTokens: sequence.cachedTokens, recomputed: sequence.recomputed, recomputeMs: sequence.recomputeMs };
  }

  /**
   * Makes `ids`, of which the first `prompt` are given, the sequence's tokens under a blend and takes room for what follows, before the first step.
   *
   * @throws LorikeetError `memory/exhausted`; the sequence stays as it was
   */
  begin(ids: readonly number[], prompt: number, blend: ResolvedBlend): void {
    const { sequence, stats } = this;
    const left = Math.min(this.#settings.maxTokens - stats.tokens, sequence.contextLength - ids.length);
    sequence.begin(ids, prompt, ids.length + left, blend, this.#asked.baseGeneration);
    this.#prompt = prompt;
    this.left = left;
    stats.promptTokens += sequence.pending;
    this.#count();
  }

  /** What the sequence has counted since this answer began. */
  #count(): void {
    const { stats, sequence } = this;
    stats.cachedTokens = sequence.cachedTokens - this.#before.cachedTokens;
    stats.recomputed = sequence.recomputed - this.#before.recomputed;
    stats.recomputeMs = sequence.recomputeMs - this.#before.recomputeMs;
  }

  onToken(id: number): boolean {
    const { stats, speculation } = this;
    const now = performance.now();
    this.#settings.onToken?.(id);
    if (stats.tokens++ === 0) stats.firstTokenMs = now - this.#started;
    stats.decodeMs = now - this.#started - stats.firstTokenMs;
    this.#count();
    if (speculation) {
      stats.drafted = speculation.drafted;
      stats.accepted = speculation.accepted;
    }
    if (this.#settings.endTokens.includes(id)) {
      stats.ended = 'end token';
      return true;
    }
    if (!this.#text) return false;
    const piece = this.#text.push(id);
    if (piece) this.pieces.push(piece);
    if (this.#text.stopped) stats.ended = 'stop';
    return this.#text.stopped;
  }

  refill(): boolean {
    const { stats, sequence } = this;
    const { whenFull, shift } = this.#asked;
    if (stats.tokens >= this.#settings.maxTokens) {
      stats.ended = 'length';
      return false;
    }
    if (whenFull === 'shift') {
      // A template or tokenizer that fails must not take the other sequences of this step with it.
      try {
        const before = sequence.tokens.length;
        const shifted = shift(sequence.tokens, this.#prompt);
        if (shifted) {
          this.begin(shifted.ids, shifted.prompt, sequence.blend);
          this.dropped(before, shifted);
          return true;
        }
      } catch (error) {
        this.failed = error;
      }
    } else if (whenFull === 'error') {
      const { contextLength } = sequence;
      this.failed = new LorikeetError('context/full', `The answer has reached the end of the context after ${stats.tokens} of at most ${this.#settings.maxTokens} tokens: expected it to end within ${contextLength}.`, { expected: contextLength, found: contextLength });
    }
    stats.ended = 'context';
    return false;
  }

  /** Takes note of a shift from `before` tokens. */
  dropped(before: number, shifted: Shifted): void {
    this.stats.dropped += before - shifted.ids.length;
    this.stats.droppedMessages += shifted.messages.length;
    this.#asked.onShift(shifted);
  }

  /** The text still held back when the last token is there. */
  rest(): string {
    return this.#text && this.stats.ended !== 'stop' ? this.#text.end() : '';
  }
}
