import type { ResolvedBlend } from '../adapters/adapter.js';
import type { AdapterBank } from '../adapters/bank.js';
import type { Runtime } from '../arena/runtime.js';
import { LorikeetError } from '../errors.js';
import type { KvPool } from '../models/kv-pool.js';
import type { Model } from '../models/model.js';
import type { ChatTemplate } from '../text/chat-template.js';
import type { Tokenizer } from '../text/tokenizer.js';
import { pause } from './pause.js';
import type { Job, Scheduler } from './scheduler.js';

/** Milliseconds that streams work at a time before they let the host's event loop have its turn. */
const SLICE = 12;

/** Milliseconds of a frame while some sequence waits for its next token: prompts take the rest of it. */
const FRAME = 4 * SLICE;

/** What an engine and its sessions share. */
export class EngineCore {
  /** Sessions that the engine disposes with itself. */
  readonly sessions = new Set<{ dispose(): void }>();
  readonly #waiting: (() => void)[] = [];
  #sliceEnd = 0;
  disposed = false;

  constructor(
    readonly runtime: Runtime,
    readonly model: Model,
    readonly bank: AdapterBank,
    readonly scheduler: Scheduler,
    /** null: the model has no cache. */
    readonly pool: KvPool | null,
    readonly tokenizer: Tokenizer | null,
    readonly template: ChatTemplate | null,
    readonly endTokens: readonly number[],
    readonly manual: boolean,
  ) {}

  /** Scratch for every adapter of a blend, before it is used in a step. */
  reserve(blend: ResolvedBlend): void {
    for (const { rank, temporaries } of blend.adapters) this.scheduler.reserve(rank, temporaries);
  }

  requireTokenizer(): Tokenizer {
    if (!this.tokenizer) throw new LorikeetError('text/no-tokenizer', 'The model has no tokenizer.json: expected one in its folder to take text; give token ids instead.', { expected: 'tokenizer.json' });
    return this.tokenizer;
  }

  requireChat(): { tokenizer: Tokenizer; template: ChatTemplate } {
    const tokenizer = this.requireTokenizer();
    if (!this.template) throw new LorikeetError('text/no-template', 'The model has no chat template: expected chat_template in its tokenizer_config.json; use complete() instead.', { expected: 'chat_template' });
    return { tokenizer, template: this.template };
  }

  /** Brings a job further, by own work or (a manual loop) by waiting for the game to step, until it has a token more or its signal says stop. */
  async advance(job: Job, signal?: AbortSignal): Promise<void> {
    if (this.manual) {
      await new Promise<void>((resolve) => { this.#waiting.push(resolve); });
      return;
    }
    const tokens = job.sequence.tokens.length;
    for (;;) {
      const now = performance.now();
      if (now >= this.#sliceEnd) {
        await pause();
        this.#sliceEnd = performance.now() + SLICE;
      }
      if (job.done || this.disposed || signal?.aborted) return;
      this.scheduler.step(this.#sliceEnd, FRAME);
      if (job.done || job.sequence.tokens.length !== tokens) return;
    }
  }

  /** Lets streams that wait look again. */
  wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
