import { createEngine, LorikeetError, type Engine, type GenerateOptions, type Session, type SessionOptions } from '../../src/index.js';
import { openFolder } from '../../src/store/open.js';
import type { Folder, FolderFiles } from '../../src/store/source.js';
import { goldenAdapter, goldenModel } from './folders.js';

// What the tests of loads and streams that meet share: engines, answers taken step by step, and a folder that can be held.

export const TOKENS = [5, 3, 17, 40, 9, 2, 3, 4];
export const ANSWER: GenerateOptions = { maxTokens: 24, endTokens: [] };
export const qv = goldenAdapter('llama', 'qv');
export const all = goldenAdapter('llama', 'all');

export const engineOf = (model = 'llama', loop: 'auto' | 'manual' = 'auto'): Promise<Engine> => createEngine({ model: goldenModel(model), loop });

export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof LorikeetError) return error.code;
    throw error;
  }
  return 'none';
}

/** A folder whose reads wait until they are let go. */
export function held(files: FolderFiles): { folder: Folder; go: () => void; waiting: () => Promise<void> } {
  let go!: () => void;
  let arrived!: () => void;
  const gate = new Promise<void>((resolve) => { go = resolve; });
  const waiting = new Promise<void>((resolve) => { arrived = resolve; });
  const made = openFolder(files);
  return {
    go, waiting: () => waiting,
    folder: {
      name: 'held',
      has: async (path) => (await made).has(path),
      text: async (path, limit) => (await made).text(path, limit),
      async open(path) {
        const source = await (await made).open(path);
        return { name: source.name, size: source.size, close: () => source.close(), read: async (begin, end) => { arrived(); await gate; return source.read(begin, end); } };
      },
    },
  };
}

/** The ids of one answer, with something done when the n-th is there: between two frames, since a step without a budget is one op long. */
export async function answer(engine: Engine, session: Session, prompt: readonly number[], options: GenerateOptions = ANSWER, at = Infinity, then: () => unknown = () => {}): Promise<number[]> {
  const stream = session.complete(prompt, options);
  let ended = false;
  const reading = (async () => { for await (const _ of stream); })().finally(() => { ended = true; });
  reading.catch(() => {}); // told below
  let done = false;
  while (!ended) {
    await new Promise((resolve) => { setImmediate(resolve); });
    if (!done && session.tokens.length - prompt.length >= at) {
      done = true;
      await then();
    }
    if (!ended && engine.memory().weights.used > 0) engine.step(1e-9);
  }
  await reading;
  return session.tokens.slice(prompt.length);
}

/** The answer that an engine of its own gives under these adapters. */
export async function alone(adapters: readonly (readonly [name: string, files: FolderFiles])[], options: SessionOptions, prompt: readonly number[] = TOKENS, generate: GenerateOptions = ANSWER): Promise<number[]> {
  const engine = await engineOf('llama', 'manual');
  for (const [name, files] of adapters) await engine.adapters.load(name, files);
  const tokens = await answer(engine, engine.session(options), prompt, generate);
  engine.dispose();
  return tokens;
}
