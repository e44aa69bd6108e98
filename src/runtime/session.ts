import { EMPTY_BLEND, type Blend, type ResolvedBlend } from '../adapters/adapter.js';
import { LorikeetError } from '../errors.js';
import { checkIds } from '../models/evaluate.js';
import { checkSeed } from '../sample/options.js';
import type { ChatMessage } from '../text/chat-template.js';
import { Answer, noStats, promptTooLong, type AnswerStats, type Asked } from './answer.js';
import { shiftMessages, shiftTokens, type Shift, type Shifted } from './context-policy.js';
import type { EngineCore } from './engine-core.js';
import { checkSaved, fingerprint, savedError, savedSession, type SavedSession } from './saved-session.js';
import { Sequence } from './sequence.js';
import { generateSettings, sessionSettings, type GenerateOptions, type SessionOptions, type SessionSettings } from './session-options.js';

export type { AnswerStats } from './answer.js';
export type { GenerateOptions, SessionOptions } from './session-options.js';

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
  stats: AnswerStats = noStats();
  readonly seed: number;
  readonly #core: EngineCore;
  readonly #sequence: Sequence;
  readonly #settings: SessionSettings;
  #blend: Blend;
  /** The adapters that the stream at work keeps in memory. */
  #pinned: ResolvedBlend = EMPTY_BLEND;
  #answer: Answer | null = null;
  #disposed = false;

  constructor(core: EngineCore, options: SessionOptions) {
    const { system, adapters = core.bank.active, seed } = options;
    this.#settings = sessionSettings(options, core.model.contextLength);
    core.bank.resolve(adapters);
    this.#core = core;
    this.#blend = Object.freeze({ ...adapters });
    this.seed = checkSeed(seed);
    this.#sequence = new Sequence(core.runtime, core.model, core.pool, this.#settings.contextLength, this.seed, this.#settings.kv);
    if (system !== undefined) this.messages.push({ role: 'system', content: system });
    core.sessions.add(this);
  }

  /**
   * What {@link save} gave, living again on an engine with the same model and adapters of the same names.
   *
   * @throws LorikeetError `session/saved-…`, `memory/exhausted`; nothing remains in memory then
   */
  static restore(core: EngineCore, given: unknown): Session {
    const { tokens, messages, adapters, seed, sampler, options } = checkSaved(given, core.model);
    let session: Session;
    try {
      session = new Session(core, { ...options, system: undefined, adapters, seed });
    } catch (error) {
      throw savedError(error);
    }
    session.#sequence.setTokens(tokens);
    session.messages.push(...messages);
    core.runtime.views.u32.set(sampler, session.#sequence.samplerState / 4);
    return session;
  }

  /** The blend. Set, it applies from the next token on, also of an answer under way. */
  get adapters(): Blend {
    return this.#blend;
  }

  set adapters(blend: Blend) {
    const resolved = this.#core.bank.resolve(blend);
    if (this.#answer) this.#use(resolved);
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

  /** Bytes of this session's cache. */
  get kvBytes(): number {
    return this.#sequence.cache.bytes;
  }

  /** True while an answer is under way. */
  get busy(): boolean {
    return this.#answer !== null;
  }

  /**
   * The conversation as it stands, as small plain JSON: tokens, messages, blend, seed, the sampler's state and the options. {@link Engine.restore} makes a session of it that goes
   * on as this one would, bit for bit; the cache isn't in it, but computed again (under the present blend, with `kv: 'keep'` too).
   *
   * While an answer is under way it is what leaving the stream now would leave: the tokens chosen so far, and the text told so far as the last message.
   *
   * @throws LorikeetError `session/disposed`
   */
  save(): SavedSession {
    this.#alive();
    const { sampling, ...settings } = this.#settings;
    const state = this.#sequence.samplerState / 4;
    const { u32 } = this.#core.runtime.views;
    return savedSession({
      model: fingerprint(this.#core.model), tokens: this.#sequence.tokens, messages: this.messages, adapters: this.#blend, seed: this.seed,
      sampler: [u32[state]!, u32[state + 1]!], options: { ...settings, ...sampling },
    });
  }

  /**
   * Says a line and streams the answer. Leaving the loop, aborting and disposing end the stream; what was answered until then stays in the conversation.
   *
   * @throws LorikeetError `text/no-tokenizer`, `text/no-template`, `context/full`, `session/…` (options, busy, disposed), `sample/option`, `adapter/…`, `memory/exhausted`; the signal's reason on abort
   */
  async *say(text: string, options: GenerateOptions = {}): AsyncGenerator<string, void, undefined> {
    const { tokenizer, template } = this.#core.requireChat();
    const { contextLength, templateOptions } = this.#settings;
    const encode = (messages: readonly ChatMessage[]): readonly number[] => tokenizer.encode(template(messages, true, templateOptions), false);
    const line: ChatMessage = { role: 'user', content: text };
    const said = { role: 'assistant', content: '' };
    let turns: readonly ChatMessage[] = [...this.messages, line];
    const shift: Shift = (tokens, prompt) => shiftMessages(turns, encode, tokens.slice(prompt), contextLength);
    const onShift = ({ messages }: Shifted): void => {
      turns = turns.filter((message) => !messages.includes(message));
      for (const message of messages) this.messages.splice(this.messages.indexOf(message), 1);
    };
    for await (const piece of this.#stream(encode(turns), options, shift, onShift, () => { this.messages.push(line, said); })) {
      said.content += piece;
      yield piece;
    }
  }

  /**
   * Continues a text, or ids, without a chat template; what the session held before is replaced where it differs.
   *
   * @throws as {@link say}, `tokens/unknown`, `tokens/empty`
   */
  async *complete(prompt: string | readonly number[], options: GenerateOptions = {}): AsyncGenerator<string, void, undefined> {
    const { keepTokens, contextLength } = this.#settings;
    const shift: Shift = (tokens, given) => shiftTokens(tokens, given, keepTokens, contextLength);
    yield* this.#stream(typeof prompt === 'string' ? this.#core.requireTokenizer().encode(prompt) : prompt, options, shift, () => {}, () => {});
  }

  async *#stream(ids: readonly number[], options: GenerateOptions, shift: Shift, onShift: Asked['onShift'], onBegin: () => void): AsyncGenerator<string, void, undefined> {
    const core = this.#core;
    const sequence = this.#sequence;
    const { whenFull, contextLength } = this.#settings;
    const settings = generateSettings(options, this.#settings, core.endTokens);
    const { signal } = options;
    this.#alive();
    if (this.#answer) throw new LorikeetError('session/busy', 'This session is answering already: expected the stream before to be ended or left.', {});
    signal?.throwIfAborted();
    checkIds(core.model, ids);
    const shifted = ids.length < contextLength ? null : whenFull === 'shift' ? shift(ids, ids.length) : null;
    const fitting = shifted?.ids ?? ids;
    if (fitting.length >= contextLength) throw promptTooLong(ids.length, contextLength);
    const resolved = core.bank.resolve(this.#blend);
    core.reserve(resolved);
    const answer = new Answer({ sequence, baseGeneration: core.scheduler.baseGeneration, tokenizer: core.tokenizer, whenFull, shift, onShift }, settings);
    answer.begin(fitting, fitting.length, resolved);
    if (shifted) answer.dropped(ids.length, shifted);
    this.stats = answer.stats;
    this.#answer = answer;
    this.#use(resolved);
    onBegin();
    core.scheduler.add(answer);
    try {
      for (;;) {
        while (answer.pieces.length > 0) yield answer.pieces.shift()!;
        signal?.throwIfAborted();
        this.#alive();
        if (answer.done) break;
        await core.advance(answer, signal);
      }
      const rest = answer.rest();
      if (rest) yield rest;
      if (answer.failed !== undefined) throw answer.failed;
    } finally {
      if (answer.stats.ended === '') answer.stats.ended = 'broken off';
      core.scheduler.remove(answer);
      if (this.#answer === answer) {
        this.#answer = null;
        this.#use(EMPTY_BLEND);
      }
    }
  }

  /** Pins the adapters of a blend for the stream at work, and lets go of those before. */
  #use(blend: ResolvedBlend): void {
    const { bank } = this.#core;
    if (blend.adapters.length > 0) this.#core.reserve(blend);
    bank.pin(blend);
    const former = this.#pinned;
    this.#pinned = blend;
    if (this.#answer) this.#sequence.blend = blend;
    bank.unpin(former);
  }

  /** Gives the session's memory back. An answer under way ends with `session/disposed`. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#core.sessions.delete(this);
    if (this.#answer) {
      this.#core.scheduler.remove(this.#answer);
      this.#answer = null;
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
