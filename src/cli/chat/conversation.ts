import type { Blend } from '../../adapters/adapter.js';
import type { Engine } from '../../runtime/engine.js';
import type { SavedSession } from '../../runtime/saved-session.js';
import type { AnswerStats, Session } from '../../runtime/session.js';
import type { ChatMessage } from '../../text/chat-template.js';
import type { GivenSampling } from '../sampling.js';

/** One answer, as `--json` tells it. */
export interface Answer {
  readonly prompt: string;
  readonly text: string;
  /** Ids as they were chosen; an end token that ended the answer is the last. */
  readonly tokens: readonly number[];
  readonly adapters: Blend;
  readonly seed: number;
  readonly promptTokens: number;
  readonly ended: AnswerStats['ended'];
  readonly firstTokenMs: number;
  readonly decodeMs: number;
  /** Tokens, and messages, that went because the context was full. */
  readonly dropped: number;
  readonly droppedMessages: number;
}

/** The conversation of `lorikeet chat`: one session, and what it is begun anew with where a setting can't change within one. */
export class Conversation {
  #session: Session;
  readonly engine: Engine;
  readonly #options: GivenSampling;

  constructor(engine: Engine, options: GivenSampling, system: string | undefined, adapters: Blend) {
    this.engine = engine;
    this.#options = options;
    this.#session = this.#begin(options.seed, adapters, system === undefined ? [] : [{ role: 'system', content: system }]);
  }

  get session(): Session {
    return this.#session;
  }

  #begin(seed: number | undefined, adapters: Blend, messages: readonly ChatMessage[]): Session {
    const session = this.engine.session({ ...this.#options.session, adapters, ...(seed === undefined ? {} : { seed }) });
    session.messages.push(...messages);
    return session;
  }

  /** Says a line; hands on the answer as it comes, and returns it whole. */
  async say(text: string, signal: AbortSignal, onPiece: (piece: string) => void | Promise<void>): Promise<Answer> {
    const { maxTokens, stop } = this.#options;
    const session = this.#session;
    const tokens: number[] = [];
    const { adapters } = session;
    let answer = '';
    for await (const piece of session.say(text, { stop, signal, ...(maxTokens === undefined ? {} : { maxTokens }), onToken: (id) => { tokens.push(id); } })) {
      answer += piece;
      await onPiece(piece);
    }
    const { promptTokens, ended, firstTokenMs, decodeMs, dropped, droppedMessages } = session.stats;
    return { prompt: text, text: answer, tokens, adapters, seed: session.seed, promptTokens, ended, firstTokenMs, decodeMs, dropped, droppedMessages };
  }

  get system(): string | null {
    const [first] = this.#session.messages;
    return first?.role === 'system' ? first.content : null;
  }

  /** Another system message: the conversation so far is read anew under it. */
  set system(text: string | null) {
    const { messages } = this.#session;
    if (this.system !== null) messages.shift();
    if (text !== null) messages.unshift({ role: 'system', content: text });
  }

  /** The draws begin anew from another seed; what was said stays. */
  reseed(seed: number): void {
    this.#replace(this.#begin(seed, this.#session.adapters, this.#session.messages));
  }

  /** Forgets what was said, but the system message. */
  reset(): void {
    this.#replace(this.#begin(this.#session.seed, this.#session.adapters, this.#session.messages.filter(({ role }, i) => i === 0 && role === 'system')));
  }

  save(): SavedSession {
    return this.#session.save();
  }

  /** Goes on with a conversation that was saved. @throws LorikeetError `session/saved-…` */
  restore(saved: unknown): void {
    this.#replace(this.engine.restore(saved as SavedSession)); // checked there
  }

  #replace(session: Session): void {
    this.#session.dispose();
    this.#session = session;
  }
}
