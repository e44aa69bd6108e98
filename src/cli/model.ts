/** MODEL, wherever a command takes one. */
import type { KvDtype } from '../models/kv-pool.js';
import { createEngine, type Engine, type EngineOptions } from '../runtime/engine.js';
import type { WeightDtype } from '../tensor/matrix.js';
import { numbersOf } from './arguments.js';
import { usage, type Given, type OptionSpec } from './command.js';
import { about } from './explain.js';
import { warn } from './output.js';
import { resolvePlace } from './place.js';
import type { Progress } from './progress.js';

export const MODEL_NOTE = 'MODEL is a folder of Hugging Face (config.json, safetensors, tokenizer.json), a .gguf file, a URL of either, or a repository that `lorikeet pull` brought (owner/repo).';

/** How a model is put into memory. */
export const MODEL_OPTIONS = {
  dtype: { value: 'TYPE', help: 'Round the matrices while loading: q8_0, q4_0, q4_1, q5_0, q5_1, f16, bf16, f32. Default: as the file has them.' },
  'kv-dtype': { value: 'TYPE', help: 'Keep keys and values in f32 (default), f16 (half the bytes) or q8 (little more than a quarter).' },
  threads: { value: 'N', help: 'Threads to compute on: a number, or auto for half of the cores, at most 4. Default: 1.' },
} as const satisfies Readonly<Record<string, OptionSpec>>;

/** An engine, and the milliseconds that it took. */
export interface Opened {
  readonly engine: Engine;
  readonly loadMs: number;
}

/**
 * Loads the model of a command line, with a bar on stderr where it takes long.
 *
 * @throws LorikeetError as createEngine; `pull/not-pulled`
 */
export async function openModel(given: Given, progress: Progress, signal?: AbortSignal, more: Partial<EngineOptions> = {}): Promise<Opened> {
  const named = given.positionals[0]!;
  const threads = given.value('threads') === 'auto' ? 'auto' : numbersOf(given, { threads: 'threads' }).threads;
  const dtype = given.value('dtype')?.toLowerCase() as WeightDtype | undefined; // the engine checks it
  const kvDtype = given.value('kv-dtype')?.toLowerCase() as KvDtype | undefined;
  if (threads !== undefined && threads !== 'auto' && (!Number.isInteger(threads) || threads < 1)) throw usage(`--threads expected a whole number of at least 1, or auto, found ${threads}.`, 'at least 1', threads);
  const place = await resolvePlace(named);
  const started = performance.now();
  try {
    const engine = await about(named, createEngine({ model: place, ...(signal ? { signal } : {}), ...(dtype === undefined ? {} : { dtype }), ...(kvDtype === undefined ? {} : { kvDtype }), ...(threads === undefined ? {} : { threads }), ...more, onProgress: progress.bytes('loading the model') }));
    const { threads: why } = engine.backend.why;
    if (why !== undefined) warn(`--threads ${threads}: computing on ${engine.backend.threads === 1 ? 'one thread' : `${engine.backend.threads} threads`}: ${why}.`);
    return { engine, loadMs: performance.now() - started };
  } finally {
    progress.clear();
  }
}
