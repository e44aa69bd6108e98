import type { AdapterBank } from '../adapters/bank.js';
import { EMPTY_BLEND, type Blend, type ResolvedBlend } from '../adapters/adapter.js';
import { LorikeetError } from '../errors.js';
import { checkTokens } from '../models/evaluate.js';
import { checkSeed, samplingOptions, type SamplingOptions } from '../sample/options.js';
import type { ChatMessage } from '../text/chat-template.js';
import { TextStream } from '../text/stream.js';
import type { EngineCore } from './engine-core.js';
import type { Job } from './scheduler.js';
import { Sequence, type KvPolicy } from './sequence.js';

/** How one answer is made. */
export interface GenerateOptions extends SamplingOptions {
  /** The most tokens of the answer (default 256, less where the context ends). */
  maxTokens?: number;
  /** Texts that end the answer; they are not part of it. */
  stop?: readonly string[];
  signal?: AbortSignal;
  /** Token ids that end the answer; default: the model's own. */
  endTokens?: readonly number[];
  /** Told each token's id as it is chosen, the one that ends the answer too; it may not throw. */
  onToken?: (id: number) => void;
}

/** Options of a session; sampling options are the default of its answers. */
export interface SessionOptions extends SamplingOptions {
  /** The system message, where the chat template has one. */
  system?: string;
  /** The blend; default: the one that is active when the session is made. */
  adapters?: Blend;
  /** Starts the sampler: same seed, same text. */
  seed?: number;
  /** The longest that this session's sequence may get (default: the model's context). */
  contextLength?: number;
  /** What becomes of the cache when the blend changes within the conversation. */
  kv?: KvPolicy;
}

/** Measured facts of the last answer. */
export interface AnswerStats {
  /** Tokens of the prompt that were worked, and how many of these only because the blend had changed. */
  promptTokens: number;
  /** Tokens that were taken over from blocks of other sessions, or of former ones, instead. */
  cachedTokens: number;
  recomputed: number;
  /** Milliseconds that these took. */
  recomputeMs: number;
  tokens: number;
  /** Milliseconds to the first token, and from there to the last. */
  firstTokenMs: number;
  decodeMs: number;
  /** Why it ended. */
  ended: 'end token' | 'stop' | 'length' | 'context' | 'broken off' | '';
}

const MAX_TOKENS = 256;

/**
 * One character's conversation: its messages, tokens, cache, blend and sampler. Many sessions share one model.
 *
 * @example
 * const mara = engine.session({ system: 'You are Mara.', adapters: { pirate: 0.8 }, seed: 7 });
 * for await (const piece of mara.say('Where is the treasure?')) show(piece);
 * mara.adapters = { herald: 1 };
 */
export class Session {
  readonly messages: ChatMessage[] = [];
  /** Facts of the last answer. */
  stats: AnswerStats = { promptTokens: 0, cachedTokens: 0, recomputed: 0, recomputeMs: 0, tokens: 0, firstTokenMs: 0, decodeMs: 0, ended: '' };
  readonly seed: number;
  readonly #core: EngineCore;
  readonly #sequence: Sequence;
  readonly #defaults: SamplingOptions;
  #blend: Blend;
  /** The adapters that the stream at work keeps in memory. */
  #pinned: ResolvedBlend = EMPTY_BLEND;
  #job: Job | null = null;
  #disposed = false;

  constructor(core: EngineCore, options: SessionOptions) {
    const { system, adapters = core.bank.active, seed, contextLength = core.model.contextLength, kv = 'recompute', ...defaults } = options;
    if (!Number.isInteger(contextLength) || contextLength < 1 || contextLength > core.model.contextLength) {
      throw new LorikeetError('session/context', `"contextLength" expected 1 to ${core.model.contextLength}, got ${String(contextLength)}.`, { expected: core.model.contextLength, found: contextLength });
    }
    if (kv !== 'recompute' && kv !== 'keep') throw new LorikeetError('session/kv', `"kv" expected 'recompute' or 'keep', got ${String(kv)}.`, { expected: ['recompute', 'keep'], found: kv });
    samplingOptions(defaults);
    core.bank.resolve(adapters);
    this.#core = core;
    this.#blend = Object.freeze({ ...adapters });
    this.#defaults = defaults;
    this.seed = checkSeed(seed);
    this.#sequence = new Sequence(core.runtime, core.model, core.pool, contextLength, this.seed, kv);
    if (system !== undefined) this.messages.push({ role: 'system', content: system });
    core.sessions.add(this);
  }

  /** The blend. Set, it applies from the next token on, also of an answer under way. */
  get adapters(): Blend {
    return this.#blend;
  }

  set adapters(blend: Blend) {
    const resolved = this.#core.bank.resolve(blend);
    if (this.#job) this.#use(resolved);
    this.#blend = Object.freeze({ ...blend });
  }

  /** Ids of the sequence so far, prompt and answers. */
  get tokens(): readonly number[] {
    return this.#sequence.tokens;
  }

  /** Tokens that are still to be worked before the next one can be chosen: how far a long prompt is. */
  get pending(): number {
    return this.#sequence.pending;
  }

  /** Bytes of this session's cache; blocks that other sessions use, too, count in each. */
  get kvBytes(): number {
    return this.#sequence.cache.bytes;
  }

  /** True while an answer is under way. */
  get busy(): boolean {
    return this.#job !== null;
  }

  /**
   * Says a line and streams the answer. Leaving the loop, aborting and disposing end the stream; what was answered until then stays in the conversation.
   *
   * @throws LorikeetError `text/no-tokenizer`, `text/no-template`, `context/full`, `session/…` (options, busy, disposed), `sample/option`, `adapter/…`, `memory/exhausted`; the signal's reason on abort
   */
  async *say(text: string, options: GenerateOptions = {}): AsyncGenerator<string, void, undefined> {
    const { tokenizer, template } = this.#core.requireChat();
    const messages = [...this.messages, { role: 'user', content: text }];
    const ids = tokenizer.encode(template(messages, true), false);
    let answer = '';
    let begun = false;
    try {
      for await (const piece of this.#stream(ids, options, () => { begun = true; this.messages.push({ role: 'user', content: text }); })) {
        answer += piece;
        yield piece;
      }
    } finally {
      if (begun) this.messages.push({ role: 'assistant', content: answer });
    }
  }

  /**
   * Continues a text, or ids, without a chat template; what the session held before is replaced where it differs.
   *
   * @throws as {@link say}, `tokens/unknown`, `tokens/empty`
   */
  async *complete(prompt: string | readonly number[], options: GenerateOptions = {}): AsyncGenerator<string, void, undefined> {
    yield* this.#stream(typeof prompt === 'string' ? this.#core.requireTokenizer().encode(prompt) : prompt, options, () => {});
  }

  async *#stream(ids: readonly number[], options: GenerateOptions, onBegin: () => void): AsyncGenerator<string, void, undefined> {
    const core = this.#core;
    const { maxTokens = MAX_TOKENS, stop = [], signal, endTokens = core.endTokens, onToken, ...sampling } = options;
    if (!Number.isInteger(maxTokens) || maxTokens < 1) throw new LorikeetError('session/max-tokens', `"maxTokens" expected a whole number of at least 1, got ${String(maxTokens)}.`, { expected: 'at least 1', found: maxTokens });
    if (!Array.isArray(stop) || !stop.every((text) => typeof text === 'string')) throw new LorikeetError('session/stop', `"stop" expected a list of texts, got ${String(stop)}.`, { expected: 'a list of texts', found: stop });
    if (!Array.isArray(endTokens) || !endTokens.every((id) => Number.isInteger(id))) throw new LorikeetError('session/end-tokens', `"endTokens" expected a list of token ids, got ${String(endTokens)}.`, { expected: 'a list of token ids', found: endTokens });
    this.#alive();
    if (this.#job) throw new LorikeetError('session/busy', 'This session is answering already: expected the stream before to be ended or left.', {});
    signal?.throwIfAborted();
    checkTokens(core.model, ids);
    const sequence = this.#sequence;
    if (ids.length >= sequence.contextLength) throw new LorikeetError('context/full', `The prompt has ${ids.length} tokens: expected fewer than the ${sequence.contextLength} of the context; start a new session or shorten it.`, { expected: sequence.contextLength, found: ids.length });
    const left = Math.min(maxTokens, sequence.contextLength - ids.length);
    const resolved = core.bank.resolve(this.#blend);
    core.reserve(resolved);
    const { recomputed, recomputeMs, cachedTokens } = sequence;
    sequence.begin(ids, ids.length + left, resolved, core.scheduler.baseGeneration);

    const pieces: string[] = [];
    const text = core.tokenizer ? new TextStream(core.tokenizer, stop) : null;
    const stats: AnswerStats = (this.stats = { promptTokens: sequence.pending, cachedTokens: sequence.cachedTokens - cachedTokens, recomputed: sequence.recomputed - recomputed, recomputeMs: 0, tokens: 0, firstTokenMs: 0, decodeMs: 0, ended: '' });
    const started = performance.now();
    const job: Job = {
      sequence, left, done: false, rows: 0, sampling: samplingOptions({ ...this.#defaults, ...sampling }),
      onToken: (id) => {
        const now = performance.now();
        onToken?.(id);
        if (stats.tokens++ === 0) stats.firstTokenMs = now - started;
        stats.decodeMs = now - started - stats.firstTokenMs;
        stats.cachedTokens = sequence.cachedTokens - cachedTokens;
        stats.recomputed = sequence.recomputed - recomputed;
        stats.recomputeMs = sequence.recomputeMs - recomputeMs;
        if (endTokens.includes(id)) {
          stats.ended = 'end token';
          return true;
        }
        const piece = text ? text.push(id) : '';
        if (piece) pieces.push(piece);
        if (text?.stopped) stats.ended = 'stop';
        return text?.stopped ?? false;
      },
    };
    this.#job = job;
    this.#use(resolved);
    onBegin();
    core.scheduler.add(job);
    try {
      for (;;) {
        while (pieces.length > 0) yield pieces.shift()!;
        signal?.throwIfAborted();
        this.#alive();
        if (job.failed !== undefined) throw job.failed;
        if (job.done) break;
        await core.advance(job);
      }
      const rest = text && stats.ended !== 'stop' ? text.end() : '';
      if (rest) yield rest;
      if (stats.ended === '') stats.ended = left < maxTokens ? 'context' : 'length';
    } finally {
      if (stats.ended === '') stats.ended = 'broken off';
      core.scheduler.remove(job);
      this.#job = null;
      this.#use(EMPTY_BLEND);
    }
  }

  /** Pins the adapters of a blend for the stream at work, and lets go of those before. */
  #use(blend: ResolvedBlend): void {
    const { bank } = this.#core as { bank: AdapterBank };
    if (blend.adapters.length > 0) this.#core.reserve(blend);
    bank.pin(blend);
    const former = this.#pinned;
    this.#pinned = blend;
    if (this.#job) this.#sequence.blend = blend;
    bank.unpin(former);
  }

  /** Gives the session's memory back. An answer under way ends with `session/disposed`. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#core.sessions.delete(this);
    if (this.#job) {
      this.#core.scheduler.remove(this.#job);
      this.#job = null;
      this.#use(EMPTY_BLEND);
    }
    this.#sequence.dispose();
    this.#core.wake();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #alive(): void {
    if (this.#disposed) throw new LorikeetError('session/disposed', 'The session is disposed: expected a living one; make another.');
  }
}
