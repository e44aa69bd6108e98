import { AdapterBank } from '../adapters/bank.js';
import type { Blend } from '../adapters/adapter.js';
import { createRuntime, memoryReport, type MemoryReport, type Runtime, type RuntimeOptions } from '../arena/runtime.js';
import { LorikeetError } from '../errors.js';
import { openCheckpoint, type Checkpoint } from '../models/checkpoint.js';
import { KvPool, type KvDtype, type KvPoolOptions } from '../models/kv-pool.js';
import { disposeModel, loadModel, type Model } from '../models/model.js';
import { choosePanelsAtOnce } from '../models/panels-at-once.js';
import { checkTokens, evaluate } from '../models/evaluate.js';
import type { PlanReport } from '../ops/plan.js';
import type { ModelOrigin } from '../store/open.js';
import type { ChatMessage } from '../text/chat-template.js';
import type { Tokenizer } from '../text/tokenizer.js';
import type { WeightDtype } from '../tensor/matrix.js';
import type { Backend } from '../wasm/build.js';
import { EngineCore } from './engine-core.js';
import { readText, type ModelText } from './model-text.js';
import { Scheduler } from './scheduler.js';
import type { SavedSession } from './saved-session.js';
import { Session } from './session.js';
import type { GenerateOptions, SessionOptions } from './session-options.js';

/** Steps that a frame of prompts alone may last: its ops, between which a step ends, stay short beside the step. */
const STEPS_ALONE = 8;

/** Options of {@link createEngine}. */
export interface EngineOptions extends RuntimeOptions {
  /** A Hugging Face folder (path, URL, files, bytes by name), or a GGUF file (path or URL that ends with .gguf, bytes, Blob, File). */
  model: ModelOrigin;
  /** Sent with every request, where the model is a URL. */
  headers?: Readonly<Record<string, string>>;
  /** false: a model of ids alone; no tokenizer is read, and one that can't be used doesn't matter. */
  text?: boolean;
  /** Rounds the matrices of linear layers and embeddings while loading: `q8_0`, `q4_0`, `q4_1`, `q5_0`, `q5_1`, `f16`, `bf16`, `f32`. Those whose rows are no multiple of 32 stay. Default: the file's own. */
  dtype?: WeightDtype;
  /** What keys and values are kept in: `f32` (default), `f16` in half the bytes, `q8` in little more than a quarter. */
  kvDtype?: KvDtype;
  /** Most bytes of cached blocks that no session uses and that a later one with the same beginning may find (default: one conversation of the model's length, at most 64 MiB); false: sessions share nothing. */
  prefixCache?: number | false;
  signal?: AbortSignal;
  /** Called with the bytes of weights placed so far and the bytes in all. */
  onProgress?: (done: number, total: number) => void;
  /** `manual`: streams get further only by {@link Engine.step}, in a game's loop. Default: they work by themselves and let the event loop breathe. */
  loop?: 'auto' | 'manual';
}

/** One model in memory, adapters around it, sessions on it, until {@link dispose}. Made by {@link createEngine}. */
export class Engine {
  readonly adapters: AdapterBank;
  readonly model: Model;
  readonly #core: EngineCore;

  constructor(core: EngineCore) {
    this.#core = core;
    this.adapters = core.bank;
    this.model = core.model;
  }

  /** Which build of the kernels runs, on how many threads, and why no other. */
  get backend(): Backend {
    return this.#core.runtime.backend;
  }

  /** Text to ids and back. @throws LorikeetError `text/no-tokenizer` where the model's folder has none */
  get tokenizer(): Tokenizer {
    return this.#core.requireTokenizer();
  }

  /**
   * A conversation of its own.
   *
   * @throws LorikeetError `session/…`, `sample/…`, `adapter/…`, `model/no-cache`, `memory/exhausted`, `engine/disposed`
   */
  session(options: SessionOptions = {}): Session {
    this.#alive();
    return new Session(this.#core, options);
  }

  /**
   * A session that goes on where a saved one stood, on this engine or another with the same model and adapters of the same names. What the saved one says is all there is to say: to change
   * something, set it on the session that comes back, or in the JSON.
   *
   * @throws LorikeetError `session/saved-version`, `session/saved-invalid`, `session/saved-model`, `session/saved-tokens`, `session/saved-adapter`, `memory/exhausted`, `engine/disposed`
   */
  restore(saved: SavedSession): Session {
    this.#alive();
    return Session.restore(this.#core, saved);
  }

  /**
   * Answers one line, or a conversation whose last message is the user's, in a session of its own.
   *
   * @throws as {@link session} and {@link Session.say}; LorikeetError `session/messages`
   * @example
   * for await (const piece of engine.chat('Where is the treasure?', { adapters: { pirate: 1 } })) process.stdout.write(piece);
   */
  async *chat(prompt: string | readonly ChatMessage[], options: SessionOptions & GenerateOptions = {}): AsyncGenerator<string, void, undefined> {
    const session = this.session(options);
    try {
      if (typeof prompt === 'string') yield* session.say(prompt, options);
      else {
        const last = prompt.at(-1);
        if (last?.role !== 'user') throw new LorikeetError('session/messages', `The last message expected the role "user", got ${JSON.stringify(last?.role)}.`, { expected: 'user', found: last?.role });
        session.messages.push(...prompt.slice(0, -1));
        yield* session.say(last.content, options);
      }
    } finally {
      session.dispose();
    }
  }

  /** Continues a text or token ids, without a chat template, in a session of its own. */
  async *complete(prompt: string | readonly number[], options: SessionOptions & GenerateOptions = {}): AsyncGenerator<string, void, undefined> {
    const session = this.session({ ...options, system: undefined });
    try {
      yield* session.complete(prompt, options);
    } finally {
      session.dispose();
    }
  }

  /**
   * Logits of a whole sequence.
   *
   * @param options.onProgress called with the tokens worked so far and the tokens in all
   * @returns [tokens.length, outputSize] floats, row-major, for `adapters` or the active blend
   * @throws LorikeetError `tokens/…`, `adapter/…`, `context/full`, `memory/exhausted`, `engine/disposed`; the signal's reason on abort
   */
  logits(tokens: readonly number[], options: { adapters?: Blend; signal?: AbortSignal; onProgress?: (done: number, total: number) => void } = {}): Float32Array {
    const { outputSize } = this.model;
    const result = new Float32Array(tokens.length * outputSize);
    this.#evaluate(tokens, options, (position, ptr) => {
      const { f32 } = this.#core.runtime.views;
      result.set(f32.subarray(ptr / 4, ptr / 4 + outputSize), position * outputSize);
      options.onProgress?.(position + 1, tokens.length);
    });
    return result;
  }

  /**
   * log p(token | those before it), natural, for every token after the first.
   *
   * @returns tokens.length − 1 numbers
   * @throws as {@link logits}
   */
  logProbabilities(tokens: readonly number[], options: { adapters?: Blend; signal?: AbortSignal } = {}): Float64Array {
    const result = new Float64Array(Math.max(0, tokens.length - 1));
    const { kernels } = this.#core.runtime;
    this.#evaluate(tokens, options, (position, ptr) => {
      if (position + 1 < tokens.length) result[position] = kernels.logProbability(ptr, this.model.outputSize, tokens[position + 1]!);
    });
    return result;
  }

  #evaluate(tokens: readonly number[], { adapters = this.adapters.active, signal }: { adapters?: Blend; signal?: AbortSignal }, onRow: (position: number, ptr: number) => void): void {
    this.#alive();
    const { runtime, model, scheduler } = this.#core;
    checkTokens(model, tokens);
    const blend = this.adapters.resolve(adapters);
    scheduler.drain();
    this.#core.reserve(blend);
    evaluate(runtime, model, scheduler.programFor(tokens.length), tokens, blend, onRow, this.#core.pool, signal);
  }

  /**
   * Works for about `budgetMs` milliseconds on whatever streams wait, then hands the frame back: for a game's loop.
   *
   * @returns true while there is more to do
   * @throws LorikeetError `engine/budget`, `engine/disposed`
   */
  step(budgetMs: number): boolean {
    this.#alive();
    if (typeof budgetMs !== 'number' || !(budgetMs > 0)) throw new LorikeetError('engine/budget', `"budgetMs" expected a number above 0, got ${String(budgetMs)}.`, { expected: 'above 0', found: budgetMs });
    const { scheduler } = this.#core;
    const deadline = performance.now() + budgetMs;
    do {
      if (!scheduler.step(deadline, budgetMs, STEPS_ALONE * budgetMs)) break;
    } while (performance.now() < deadline);
    this.#core.wake();
    return scheduler.busy;
  }

  /** Bytes used, free and largest free block of every arena, and the size of the linear memory. */
  memory(): MemoryReport {
    const { runtime, pool } = this.#core;
    return memoryReport(runtime, pool?.idleBytes, pool?.idleBlocks);
  }

  /** How the scratch of a forward pass is planned: {@link memory} counts it among the activations. */
  plan(): PlanReport {
    return this.#core.scheduler.plan;
  }

  /** Ends every stream, session and load, and gives everything back. */
  dispose(): void {
    const core = this.#core;
    if (core.disposed) return;
    core.disposed = true;
    for (const session of [...core.sessions]) session.dispose();
    core.bank.dispose();
    core.scheduler.dispose();
    core.pool?.dispose();
    disposeModel(core.runtime, core.model);
    core.runtime.dispose();
    core.wake();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #alive(): void {
    if (this.#core.disposed) throw new LorikeetError('engine/disposed', 'The engine is disposed: expected a living one; create another.');
  }
}

/**
 * Loads a model and makes an engine for it.
 *
 * @throws LorikeetError `model/…`, `config/…`, `safetensors/…`, `gguf/…`, `store/…`, `text/…`, `kv/…`, `memory/…`, `wasm/…`; the signal's reason on abort
 * @example
 * const engine = await createEngine({ model: 'models/tavern' });
 * await engine.adapters.load('pirate', 'adapters/pirate');
 * for await (const piece of engine.chat('Where is the treasure?', { adapters: { pirate: 1 } })) process.stdout.write(piece);
 */
export async function createEngine({ model: from, headers, text: withText = true, loop = 'auto', dtype, kvDtype, prefixCache, signal, onProgress, ...runtimeOptions }: EngineOptions): Promise<Engine> {
  let checkpoint: Checkpoint | null = null;
  let runtime: Runtime | null = null;
  // The kernels are read and compiled while the model is opened.
  const [opened, started] = await Promise.allSettled([openCheckpoint(from, { signal, headers }), createRuntime(runtimeOptions)]);
  try {
    if (started.status === 'fulfilled') runtime = started.value;
    if (opened.status === 'rejected') throw opened.reason;
    checkpoint = opened.value;
    if (runtime === null) throw (started as PromiseRejectedResult).reason;
    const text = withText ? await readText(checkpoint, signal) : NO_TEXT;
    const model = await loadModel(runtime, checkpoint, { dtype, signal, onProgress, alone: true });
    await choosePanelsAtOnce(runtime, model);
    return new Engine(makeCore(runtime, model, text, loop === 'manual', { dtype: kvDtype, prefixCache }));
  } catch (error) {
    runtime?.dispose();
    throw signal?.aborted ? signal.reason : error; // however the source worded it
  } finally {
    await checkpoint?.close();
  }
}

const NO_TEXT: ModelText = { tokenizer: null, template: null, endTokens: [] };

function makeCore(runtime: Runtime, model: Model, text: ModelText, manual: boolean, kv: KvPoolOptions): EngineCore {
  const pool = model.kv && new KvPool(runtime, model.kv, model.contextLength, kv);
  const scheduler = new Scheduler(runtime, model);
  const bank = new AdapterBank(runtime, model.modules, model.modelType, {
    settle: () => scheduler.drain(),
    othersInUse: () => scheduler.busy,
    onBaseChanged: () => {
      scheduler.baseGeneration++;
      pool?.dropAll();
    },
    onGone: ({ id }) => pool?.dropAdapter(id),
  });
  const endTokens = text.endTokens.filter((id) => id < model.vocabSize);
  return new EngineCore(runtime, model, bank, scheduler, pool, text.tokenizer, text.template, endTokens, manual);
}
