import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createEngine, type Blend, type Engine, type EngineOptions, type GenerateOptions, type SessionOptions } from '../../src/index.js';
import { goldenAdapter, goldenModel } from '../adapters/folders.js';
import { collect, tavern } from './tavern.js';

// Sessions of every kind at once: each says what it says alone, to the bit of its generator, whatever shares its frames.

interface Role {
  readonly prompt: readonly number[];
  readonly options: SessionOptions;
  readonly generate: GenerateOptions;
  /** A second answer, under another blend. */
  readonly then?: Blend;
}

async function play(engine: Engine, { prompt, options, generate, then }: Role, speculate = options.speculate): Promise<unknown> {
  const session = engine.session({ ...options, speculate });
  const tokens: number[] = [];
  const onToken = (id: number): void => { tokens.push(id); };
  await collect(session.complete(prompt, { ...generate, onToken }));
  const ended = [session.stats.ended];
  if (then) {
    session.adapters = then;
    await collect(session.complete([...session.tokens, ...prompt.slice(0, 3)], { ...generate, onToken }));
    ended.push(session.stats.ended);
  }
  const { sampler } = session.save();
  session.dispose();
  return { tokens, sampler, ended };
}

/** Alone, all at once, and all at once in the opposite order, some beginning while others are in the midst. */
async function heldAlike(engine: Engine, roles: readonly Role[]): Promise<void> {
  const { kv } = engine.memory();
  const alone: unknown[] = [];
  for (const role of roles) alone.push(await play(engine, role, false));
  assert.equal(await Promise.all(roles.map((role) => play(engine, role))), alone, 'all at once');
  const reversed = await Promise.all([...roles].reverse().map(async (role, i) => {
    for (let turns = 0; turns < 7 * i; turns++) await new Promise((resolve) => { setImmediate(resolve); });
    return play(engine, role);
  }));
  assert.equal(reversed.reverse(), alone, 'one after another joining in');
  assert.is(engine.memory().kv.used, kv.used);
}

const ids = (length: number, seed: number, vocab: number): number[] => Array.from({ length }, (_, i) => 8 + ((seed * 31 + i * i * 7 + i * 13) % (vocab - 8)));
/** A text that was there before: what a draft is made of. */
const twice = (length: number, seed: number, vocab: number): number[] => [...ids(length, seed, vocab), ...ids(length, seed, vocab)];

const LLAMA: readonly Role[] = [
  { prompt: ids(5, 1, 66), options: {}, generate: { maxTokens: 30 } },
  { prompt: twice(12, 2, 66), options: { adapters: { dora: 1 }, speculate: { minMatch: 1 } }, generate: { maxTokens: 24 } },
  { prompt: ids(3, 3, 66), options: { adapters: { qv: 2 }, temperature: 1, topK: 20, seed: 5 }, generate: { maxTokens: 40 }, then: { dora: 1 } },
  { prompt: [...ids(4, 4, 66), 11, 12, ...ids(5, 5, 66)], options: { adapters: { alora: 3 }, temperature: 0.7, seed: 9, speculate: { minMatch: 1 } }, generate: { maxTokens: 30 } }, // 11, 12 invoke it
  { prompt: [11, 12, ...ids(20, 6, 66)], options: { adapters: { alora: 2, dora: 0.5 }, repetitionPenalty: 1.3 }, generate: { maxTokens: 20 }, then: { alora: 1 } },
  { prompt: ids(50, 7, 66), options: { adapters: { dora: 0.5, all: -1 }, temperature: 1.5, topP: 0.9, minP: 0.02, seed: 1 }, generate: { maxTokens: 12 } },
  { prompt: ids(1, 8, 66), options: { adapters: { save_head: 1, lora_bias: 1 }, speculate: true }, generate: { maxTokens: 40 } },
  { prompt: ids(60, 9, 66), options: { adapters: { tokens: 1 } }, generate: { maxTokens: 30 } }, // the context ends it
  { prompt: twice(6, 10, 66), options: { adapters: { embed: 1, qv: -1 }, kv: 'keep', temperature: 0.5, speculate: true }, generate: { maxTokens: 20 }, then: { qv: 1 } },
  { prompt: ids(30, 11, 66), options: { contextLength: 34, whenFull: 'shift', adapters: { all: 1 }, speculate: true }, generate: { maxTokens: 40 } },
];

const VOICES: readonly Blend[] = [{}, { pirate: 1 }, { ghost: 1 }, { goblin: 0.5, herald: 0.5 }, { automaton: -0.3 }];
/** A room full of characters. */
const ROOM: readonly Role[] = Array.from({ length: 20 }, (_, i): Role => ({
  prompt: i % 3 === 0 ? twice(20, i, 900) : ids(4 + 9 * (i % 7), i, 900),
  options: { adapters: VOICES[i % VOICES.length]!, seed: i, temperature: (i % 3) * 0.4, repetitionPenalty: i % 4 === 3 ? 1.2 : 1, speculate: i % 2 === 0, contextLength: i % 5 === 0 ? 90 : 512, whenFull: i % 10 === 0 ? 'shift' : 'stop' },
  generate: { maxTokens: 12 + (i % 6) * 5 },
}));

const batch = suite('batches');
const llama = async (options: Partial<EngineOptions> = {}): Promise<Engine> => {
  const engine = await createEngine({ model: goldenModel('llama'), ...options });
  for (const name of new Set(LLAMA.flatMap(({ options: { adapters }, then }) => Object.keys({ ...adapters, ...then })))) await engine.adapters.load(name, goldenAdapter('llama', name));
  return engine;
};
batch('LoRA, DoRA, aLoRA, replaced weights and none; greedy, sampled and speculated; long prompts and short', async () => {
  const engine = await llama();
  await heldAlike(engine, LLAMA);
  engine.dispose();
});
for (const kvDtype of ['f16', 'q8'] as const) {
  batch(`the same over a cache in ${kvDtype}, shared or not`, async () => {
    for (const prefixCache of [undefined, false] as const) {
      const engine = await llama({ kvDtype, prefixCache });
      await heldAlike(engine, LLAMA);
      engine.dispose();
    }
  });
}
for (const dtype of ['q8_0', 'q4_1'] as const) {
  batch(`the same over a base in ${dtype}`, async () => {
    const engine = await llama({ dtype });
    await heldAlike(engine, LLAMA);
    engine.dispose();
  });
}
batch('twenty characters in a room', async () => {
  const engine = await tavern();
  await heldAlike(engine, ROOM);
  engine.dispose();
});
batch('twenty characters in a room over a quantised base', async () => {
  const engine = await tavern({ dtype: 'q8_0' });
  await heldAlike(engine, ROOM);
  engine.dispose();
});
batch('more sessions than a frame has logits for: in turn, nobody more than a token ahead', async () => {
  const engine = await tavern({ loop: 'manual' });
  const sessions = Array.from({ length: 40 }, (_, i) => engine.session({ adapters: VOICES[i % VOICES.length]!, speculate: i % 2 === 0 }));
  const ends = sessions.map((session, i) => collect(session.complete(twice(4, i, 900), { maxTokens: 30, endTokens: [] })));
  await new Promise((resolve) => { setImmediate(resolve); });
  const counts = (): number[] => sessions.map(({ stats: { tokens } }) => tokens);
  while (Math.min(...counts()) === 0) engine.step(1e-9);
  const first = counts();
  for (let frames = 0; Math.max(...counts()) < 30; frames++) {
    engine.step(1e-9);
    const gained = counts().map((count, i) => count - first[i]!);
    assert.ok(Math.max(...gained) - Math.min(...gained) <= 1, `${gained.join(' ')}`);
  }
  while (engine.step(1000));
  await Promise.all(ends);
  engine.dispose();
});
batch.run();
