import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createRuntime } from '../../src/arena/runtime.js';
import { EMPTY_BLEND } from '../../src/adapters/adapter.js';
import { createEngine, isLorikeetError, type Engine, type EngineOptions, type Session } from '../../src/index.js';
import { KvCache } from '../../src/models/kv-cache.js';
import { KvPool } from '../../src/models/kv-pool.js';
import { KvSignature } from '../../src/models/kv-signature.js';
import type { FolderFiles } from '../../src/store/source.js';
import { goldenModel } from '../adapters/folders.js';
import { difference, ROOT } from './golden.js';

// Caches in f32, f16 and q8; sliding windows; the pool's blocks by themselves.

const TAVERN = `${ROOT}models/tavern`;
const TEXT = Array.from({ length: 180 }, (_, i) => 3 + ((i * i * 31 + i * 7) % 1200));

async function withEngine<T>(options: Partial<EngineOptions>, work: (engine: Engine) => Promise<T> | T): Promise<T> {
  const engine = await createEngine({ model: TAVERN, ...options });
  try {
    return await work(engine);
  } finally {
    engine.dispose();
    assert.is(engine.memory().kv.used, 0);
  }
}

async function answer(session: Session, prompt: readonly number[], maxTokens: number): Promise<number[]> {
  for await (const _ of session.complete(prompt, { maxTokens, endTokens: [] }));
  return session.tokens.slice(prompt.length);
}

const largest = (row: Float32Array): number => row.reduce((best, value, id) => (value > row[best]! ? id : best), 0);

const dtypes = suite('dtypes of the cache');

dtypes('f16 and q8 move the logits little', async () => {
  const exact = await withEngine({}, (engine) => engine.logits(TEXT));
  // Logits of size 20. An element within 2^-11, or 1/254 of its neighbours' largest, in six layers: measured 5e-4 and 6e-3.
  for (const [kvDtype, tolerance] of [['f16', 2e-3], ['q8', 2e-2]] as const) {
    const found = await withEngine({ kvDtype }, (engine) => engine.logits(TEXT));
    const off = difference(found, exact);
    assert.ok(off < tolerance && off > 0, `${kvDtype}: ${off}`);
  }
});

dtypes('take fewer bytes', async () => {
  const bytes = async (kvDtype: 'f32' | 'f16' | 'q8'): Promise<number> => withEngine({ kvDtype }, async (engine) => {
    const session = engine.session();
    const empty = session.kvBytes;
    await answer(session, TEXT, 4);
    return session.kvBytes - empty;
  });
  const [f32, f16, q8] = [await bytes('f32'), await bytes('f16'), await bytes('q8')];
  // Heads of 32: scales of 4 bytes for 32 elements.
  assert.is(f16 / f32, (2 + 4 / 32) / 4);
  assert.is(q8 / f32, (1 + 4 / 32) / 4);
});

for (const kvDtype of ['f32', 'f16', 'q8'] as const) {
  dtypes(`${kvDtype}: a sequence's tokens depend neither on how its prompt is cut nor on its neighbours`, () => withEngine({ kvDtype, prefixCache: false, loop: 'manual' }, async (engine) => {
    const prompts = [TEXT.slice(0, 97), TEXT.slice(50, 120), TEXT.slice(20, 53)];
    const expected = prompts.map((prompt) => {
      // One row more at a time, whole sequences in one piece.
      const ids = [...prompt];
      for (let i = 0; i < 8; i++) ids.push(largest(engine.logits(ids).subarray(-engine.model.outputSize)));
      return ids.slice(prompt.length);
    });
    const sessions = prompts.map(() => engine.session());
    const answers = Promise.all(sessions.map((session, i) => answer(session, prompts[i]!, 8)));
    for (let busy = true; busy;) {
      await new Promise((resolve) => { setImmediate(resolve); });
      busy = engine.step(0.5);
    }
    assert.equal(await answers, expected);
  }));
}

dtypes('others are refused', async () => {
  const error: unknown = await createEngine({ model: TAVERN, kvDtype: 'q4' as never }).then(() => null, (e: unknown) => e);
  assert.ok(isLorikeetError(error, 'kv/dtype'), String(error));
});

/** Mistral's golden with room for long sequences and a window that a few blocks hold. */
const WINDOW = 40;
const sliding = (): FolderFiles => {
  const files = goldenModel('mistral');
  const config = JSON.parse(new TextDecoder().decode(files['config.json'] as Uint8Array)) as Record<string, unknown>;
  return { ...files, 'config.json': JSON.stringify({ ...config, max_position_embeddings: 512, sliding_window: WINDOW }) };
};
const PROMPT = Array.from({ length: 150 }, (_, i) => 3 + ((i * i * 5 + i) % 60));

const windows = suite('sliding windows');

for (const prefixCache of [false, undefined] as const) {
  windows(`blocks that no layer sees any more are given back, and nothing changes, ${prefixCache === false ? 'alone' : 'with shared prefixes'}`, () => withEngine({ model: sliding(), prefixCache }, async (engine) => {
    assert.is(engine.model.kv!.window, WINDOW);
    const greedy = (prompt: readonly number[], count: number): number[] => {
      const ids = [...prompt];
      for (let i = 0; i < count; i++) ids.push(largest(engine.logits(ids).subarray(-engine.model.outputSize)));
      return ids.slice(prompt.length);
    };
    const session = engine.session();
    const table = session.kvBytes;
    const block = 2 * 2 * (6 + 8) * 32 * 4; // values stand in panels of 8
    const long = await answer(session, PROMPT, 100);
    assert.equal(long, greedy(PROMPT, 100));
    // Of 249 positions those from 249 - 40 + 1 on are seen by the next, and the blocks that hold them.
    assert.is(session.kvBytes - table, 2 * block);
    // On from there, and back to where everything that would be seen is gone.
    const onward = [...PROMPT, ...long, 7, 8];
    assert.equal(await answer(session, onward, 20), greedy(onward, 20));
    const back = PROMPT.slice(0, 100);
    assert.equal(await answer(session, back, 20), greedy(back, 20));
    const other = engine.session();
    assert.equal(await answer(other, onward, 20), greedy(onward, 20));
    assert.is(other.stats.cachedTokens, prefixCache === false ? 0 : 224);
  }));
}

windows('a model with a layer that sees everything keeps everything', async () => {
  for (const name of ['llama', 'gemma3', 'gpt2']) await withEngine({ model: goldenModel(name) }, (engine) => { assert.is(engine.model.kv!.window, 0); });
});

const pools = suite('the pool of blocks');
const SHAPE = { layers: 2, kvHeads: 1, headDim: 8, window: 0 };

pools('equal blocks become one, a cut copies what others read, and nothing is left', async () => {
  const runtime = await createRuntime();
  const pool = new KvPool(runtime, SHAPE, 256);
  const tokens = Array.from({ length: 100 }, (_, i) => i);
  const signature = new KvSignature();
  signature.follow(EMPTY_BLEND, tokens, tokens.length, 0);
  const [a, b] = [new KvCache(pool, 256), new KvCache(pool, 256)];
  const entry = (cache: KvCache, index: number): number => runtime.views.u32[cache.table / 4 + index]!;
  const fill = (cache: KvCache, index: number, value: number): void => { runtime.views.u8.fill(value, entry(cache, index), entry(cache, index) + pool.blockBytes); };
  for (const cache of [a, b]) {
    cache.reserve(100);
    for (let i = 0; i < 4; i++) fill(cache, i, i + 1);
  }
  const { used } = runtime.kv.report();
  a.register(tokens, 96, signature);
  b.register(tokens, 96, signature);
  assert.is(used - runtime.kv.report().used, 3 * pool.blockBytes);
  for (let i = 0; i < 3; i++) assert.is(entry(a, i), entry(b, i));
  assert.is.not(entry(a, 3), entry(b, 3));
  // b goes another way from position 40 on.
  b.cut(40);
  assert.is(entry(a, 0), entry(b, 0));
  assert.is.not(entry(a, 1), entry(b, 1));
  assert.is(runtime.views.u8[entry(b, 1)], 2);
  assert.is(b.room, 96);
  fill(b, 1, 9);
  assert.is(runtime.views.u8[entry(a, 1)], 2);
  // What a later cache finds: all of the first way, one block of another.
  const c = new KvCache(pool, 256);
  assert.is(c.adopt(tokens, 0, signature), 96);
  assert.is(entry(c, 2), entry(a, 2));
  const d = new KvCache(pool, 256);
  assert.is(d.adopt([...tokens.slice(0, 40), ...tokens], 0, signature), 32);
  for (const cache of [a, b, c, d]) cache.dispose();
  assert.is(pool.idleBlocks, 3);
  pool.dropAll();
  assert.is(pool.idleBlocks, 0);
  assert.is(runtime.kv.report().used, 0);
  pool.dispose();
});

pools('what nobody uses goes, the oldest first, a child before its parent', async () => {
  const runtime = await createRuntime();
  const pool = new KvPool(runtime, SHAPE, 256, { prefixCache: 4 * 2 * 8 * 2 * 32 * 4 });
  const signature = new KvSignature();
  const told = (from: number): number[] => Array.from({ length: 97 }, (_, i) => from + i);
  const work = (tokens: readonly number[]): number => {
    const cache = new KvCache(pool, 256);
    const found = cache.adopt(tokens, 0, signature);
    cache.cut(found);
    cache.reserve(97);
    cache.register(tokens, 96, signature);
    cache.dispose();
    return found;
  };
  assert.equal([work(told(0)), work(told(0))], [0, 96]);
  assert.is(work(told(1000)), 0);
  assert.is(pool.idleBlocks, 4);
  // Of the first only the block at its root is left.
  assert.equal([work(told(1000)), work(told(0))], [96, 32]);
  assert.is(pool.idleBytes, 4 * pool.blockBytes);
  pool.dispose();
  assert.is(runtime.kv.report().used, 0);
});

pools('every arena gets the memory of what nobody uses', async () => {
  for (const name of ['adapters', 'activations', 'scratch'] as const) {
    const runtime = await createRuntime({ memoryLimit: 64 * 65536 });
    const pool = new KvPool(runtime, SHAPE, 256, { prefixCache: 1e9 });
    const signature = new KvSignature();
    // Fills the memory with blocks; the oldest go when there is no more.
    for (let from = 0; from < 400; from++) {
      const cache = new KvCache(pool, 256);
      cache.reserve(97);
      cache.register(Array.from({ length: 97 }, (_, i) => 100 * from + i), 96, signature);
      cache.dispose();
    }
    const before = pool.idleBlocks;
    assert.ok(before < 1200, 'the memory is full');
    const bytes = runtime.heap.report().free + runtime[name].report().free + 40 * pool.blockBytes;
    if (name === 'scratch') {
      const mark = runtime.scratch.mark();
      runtime.scratch.alloc(bytes);
      runtime.scratch.release(mark);
    } else runtime[name].free(runtime[name].alloc(bytes));
    assert.ok(pool.idleBlocks < before, name);
    // More than there is stays an error, and nothing is kept then.
    assert.throws(() => runtime.activations.alloc(2 ** 30), (error: unknown) => isLorikeetError(error, 'memory/exhausted'));
    assert.is(pool.idleBlocks, 0);
    pool.dispose();
  }
});

dtypes.run();
windows.run();
pools.run();
