import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createEngine, isLorikeetError, type Blend, type Engine, type EngineOptions, type GenerateOptions, type Session } from '../../src/index.js';
import type { FolderFiles } from '../../src/store/source.js';
import { goldenAdapter, goldenModel } from '../adapters/folders.js';

// Blocks of 32 positions that sessions share: hits where they are right, none where they are not, and the same tokens as without them.

/** A tiny model with room for long prompts. */
const longer = (model: string, changes: Record<string, unknown> = {}): FolderFiles => {
  const files = goldenModel(model);
  const config = JSON.parse(new TextDecoder().decode(files['config.json'] as Uint8Array)) as Record<string, unknown>;
  return { ...files, 'config.json': JSON.stringify({ ...config, max_position_embeddings: 1024, ...changes }) };
};
const MODEL = longer('llama');
const VOCABULARY = 67;

/** xorshift32: an integer in [0, n). */
const randoms = (seed: number) => (n: number): number => {
  seed ^= seed << 13;
  seed ^= seed >>> 17;
  seed ^= seed << 5;
  return (seed >>> 0) % n;
};
const ids = (count: number, seed: number): number[] => {
  const random = randoms(seed);
  return Array.from({ length: count }, () => 3 + random(VOCABULARY - 3));
};

/** Runs with an engine of its own, which must hold nothing when it is disposed. */
async function withEngine(work: (engine: Engine) => Promise<void>, options: Partial<EngineOptions> = {}, adapters: readonly string[] = ['qv', 'alora']): Promise<void> {
  const engine = await createEngine({ model: MODEL, ...options });
  for (const name of adapters) await engine.adapters.load(name, goldenAdapter('llama', name));
  try {
    await work(engine);
  } finally {
    engine.dispose();
  }
  const { kv, adapters: held } = engine.memory();
  assert.equal([kv.used, kv.findable, kv.blocks, held.used], [0, 0, 0, 0]);
}

async function answer(session: Session, prompt: readonly number[], maxTokens = 6, options: GenerateOptions = {}): Promise<number[]> {
  for await (const _ of session.complete(prompt, { maxTokens, endTokens: [], ...options }));
  return session.tokens.slice(prompt.length);
}

/** The answer to a prompt in a session of its own, and how many tokens of the prompt were found and worked. */
async function once(engine: Engine, prompt: readonly number[], adapters: Blend = {}): Promise<{ tokens: number[]; cached: number; worked: number }> {
  const session = engine.session({ adapters });
  const tokens = await answer(session, prompt);
  const { cachedTokens, promptTokens } = session.stats;
  session.dispose();
  return { tokens, cached: cachedTokens, worked: promptTokens };
}

const SYSTEM = ids(100, 7);

const hits = suite('shared prefixes');

hits('a second session works only what is not there, and answers the same', () => withEngine(async (engine) => {
  const first = engine.session();
  const alone = await answer(first, [...SYSTEM, 5, 6]);
  assert.equal([first.stats.promptTokens, first.stats.cachedTokens], [102, 0]);
  const second = engine.session();
  assert.equal(await answer(second, [...SYSTEM, 5, 6]), alone);
  assert.equal([second.stats.promptTokens, second.stats.cachedTokens], [6, 96]);
  const third = engine.session();
  await answer(third, [...SYSTEM, 9, 9, 9]);
  assert.equal([third.stats.promptTokens, third.stats.cachedTokens], [7, 96]);
}));

hits('what an answer added is found, too: the whole conversation, but for the last token', () => withEngine(async (engine) => {
  const first = engine.session();
  await answer(first, SYSTEM, 60);
  const told = [...first.tokens];
  first.dispose();
  const { cached, worked } = await once(engine, told);
  assert.equal([cached, worked], [Math.floor((told.length - 1) / 32) * 32, told.length - Math.floor((told.length - 1) / 32) * 32]);
  // Of a prompt that is whole blocks the last token is worked again, so with it its block.
  assert.equal((await once(engine, SYSTEM.slice(0, 96))).cached, 64);
}));

hits('hold after the session that worked them is gone, within `prefixCache`', async () => {
  await withEngine(async (engine) => {
    const { tokens } = await once(engine, SYSTEM);
    assert.is(engine.memory().kv.used, 0);
    assert.ok(engine.memory().kv.findable > 0);
    const again = await once(engine, SYSTEM);
    assert.equal([again.tokens, again.cached], [tokens, 96]);
  });
  await withEngine(async (engine) => {
    await once(engine, SYSTEM);
    assert.is(engine.memory().kv.findable, 0);
    assert.is((await once(engine, SYSTEM)).cached, 0);
    const living = engine.session();
    await answer(living, SYSTEM);
    assert.is((await once(engine, SYSTEM)).cached, 96, 'living sessions share');
  }, { prefixCache: 0 });
  await withEngine(async (engine) => {
    const living = engine.session();
    await answer(living, SYSTEM);
    assert.is((await once(engine, SYSTEM)).cached, 0);
  }, { prefixCache: false });
});

hits('only under the same blend, scale, generation and base', () => withEngine(async (engine) => {
  const cached = async (adapters: Blend): Promise<number> => (await once(engine, SYSTEM, adapters)).cached;
  assert.equal([await cached({}), await cached({})], [0, 96]);
  assert.equal([await cached({ qv: 1 }), await cached({ qv: 1 })], [0, 96]);
  assert.equal([await cached({ qv: 0.5 }), await cached({ qv: 0.5 })], [0, 96]);
  assert.is(await cached({ qv: 0 }), 96, 'a weight of 0 is the base');
  engine.adapters.rescale('qv', 0.5);
  assert.is(await cached({ qv: 1 }), 96, 'half of the scale, as before');
  assert.is(await cached({ qv: 0.25 }), 0);
  engine.adapters.rescale('qv', 1);
  await engine.adapters.load('qv', goldenAdapter('llama', 'qv'));
  assert.equal([await cached({ qv: 1 }), await cached({ qv: 1 })], [0, 96]);
  engine.adapters.merge({ qv: 1 });
  assert.equal([await cached({}), await cached({})], [0, 96]);
  engine.adapters.unmerge();
  assert.is(await cached({}), 0);
}));

hits('the order of a blend shows in its bits, so in its key', () => withEngine(async (engine) => {
  await once(engine, SYSTEM, { qv: 1, all: 0.5 });
  assert.is((await once(engine, SYSTEM, { all: 0.5, qv: 1 })).cached, 0);
  assert.is((await once(engine, SYSTEM, { qv: 1, all: 0.5 })).cached, 96);
}, {}, ['qv', 'all']));

hits('blocks of an adapter that is gone are given back', () => withEngine(async (engine) => {
  await once(engine, SYSTEM, {});
  const { findable } = engine.memory().kv;
  await once(engine, SYSTEM, { qv: 1 });
  assert.is(engine.memory().kv.findable, 2 * findable);
  engine.adapters.unload('qv');
  assert.is(engine.memory().kv.findable, findable);
  engine.adapters.merge({ all: 1 });
  assert.is(engine.memory().kv.findable, 0);
}, {}, ['qv', 'all']));

hits('a shared prefix lies in memory once', () => withEngine(async (engine) => {
  const used = (): number => engine.memory().kv.used;
  const { layers, kvHeads, headDim } = engine.model.kv!;
  const block = 4 * 32 * layers * kvHeads * (headDim + Math.ceil(headDim / 8) * 8); // values stand in panels of 8
  const first = engine.session();
  await answer(first, [...SYSTEM, 5], 4);
  const one = used();
  const crowd = Array.from({ length: 8 }, () => engine.session());
  const resting = used() - one;
  for (const [i, session] of crowd.entries()) await answer(session, [...SYSTEM, 6 + i], 4);
  // 105 positions are four blocks, of which three are shared.
  assert.is(used() - one - resting, 8 * block);
  assert.ok(crowd.every(({ kvBytes }) => kvBytes >= 4 * block));
}));

hits('sessions that begin at the same time end up sharing', () => withEngine(async (engine) => {
  const reference = (await once(engine, SYSTEM, { qv: 1 })).tokens;
  const crowd = Array.from({ length: 4 }, () => engine.session());
  const answers = await Promise.all(crowd.map((session) => answer(session, SYSTEM)));
  const { tokens } = await once(engine, SYSTEM);
  for (const one of answers) assert.equal(one, tokens);
  assert.not.equal(reference, tokens);
  const { layers, kvHeads, headDim } = engine.model.kv!;
  const block = layers * kvHeads * headDim * 2 * 4 * 32;
  const tables = 4 * crowd[0]!.kvBytes - 4 * 4 * block;
  assert.ok(engine.memory().kv.used < 3 * block + 4 * block + tables + 4 * (1024 * 4 + 128), 'three blocks once, one of its own for each');
}));

hits('a conversation that turns off within a shared block leaves the block to the others', () => withEngine(async (engine) => {
  const first = engine.session();
  const long = await answer(first, [...SYSTEM, 5], 40);
  const second = engine.session();
  await answer(second, [...SYSTEM, 5]);
  // Back to position 50, then elsewhere: block 1 of three users is left in the middle.
  const turned = [...SYSTEM.slice(0, 50), ...ids(60, 3)];
  assert.equal(await answer(second, turned), (await once(engine, turned)).tokens);
  assert.is(second.stats.cachedTokens, 0);
  assert.is(second.stats.promptTokens, 60);
  const whole = [...SYSTEM, 5, ...long];
  const third = engine.session();
  assert.equal(await answer(third, whole), await answer(first, whole));
  assert.is(third.stats.cachedTokens, 128);
}));

hits('a change of blend takes other blocks, and back again finds the first', () => withEngine(async (engine) => {
  const reference = { base: (await once(engine, SYSTEM)).tokens, qv: (await once(engine, SYSTEM, { qv: 1 })).tokens };
  const session = engine.session({ adapters: { qv: 1 } });
  for (const [blend, tokens] of [[{ qv: 1 }, reference.qv], [{}, reference.base], [{ qv: 1 }, reference.qv]] as const) {
    session.adapters = blend;
    assert.equal(await answer(session, SYSTEM), tokens);
    assert.ok(session.stats.recomputed <= 4, 'what was found was not worked again');
  }
}));

hits('a cache that was kept over a change of blend is nobody else\'s', () => withEngine(async (engine) => {
  const keeping = engine.session({ adapters: { qv: 1 }, kv: 'keep' });
  await answer(keeping, SYSTEM);
  keeping.adapters = {};
  const mixed = [...keeping.tokens, ...ids(80, 11)];
  const kept = await answer(keeping, mixed);
  const { tokens, cached } = await once(engine, mixed);
  assert.is(cached, 0);
  assert.not.equal(tokens, kept);
  assert.is((await once(engine, mixed, { qv: 1 })).cached, 96, 'what it worked before the change is pure');
  assert.equal((await once(engine, mixed)).tokens, tokens);
}));

hits('what stands before an aLoRA\'s invocation is the base\'s', () => withEngine(async (engine) => {
  const { invocation } = engine.adapters.get('alora');
  const plain = SYSTEM.filter((id) => !invocation!.includes(id)).slice(0, 80);
  const prompt = [...plain, ...invocation!, ...ids(60, 5)];
  await once(engine, [...plain, 7]);
  const { tokens, cached } = await once(engine, prompt, { alora: 1 });
  assert.is(cached, 64);
  assert.is((await once(engine, prompt, { alora: 1 })).cached, Math.floor((prompt.length - 1) / 32) * 32);
  assert.is((await once(engine, prompt)).cached, 64, 'the block with the invocation is not the base\'s');
  assert.equal((await once(engine, prompt, { alora: 1 })).tokens, tokens);
}));

hits('options are checked', async () => {
  for (const [options, code] of [[{ kvDtype: 'q4' }, 'kv/dtype'], [{ prefixCache: -1 }, 'kv/prefix-cache'], [{ prefixCache: true }, 'kv/prefix-cache'], [{ prefixCache: NaN }, 'kv/prefix-cache']] as const) {
    const error: unknown = await createEngine({ model: MODEL, ...(options as Partial<EngineOptions>) }).then(() => null, (e: unknown) => e);
    assert.ok(isLorikeetError(error, code), String(error));
  }
});

const pressure = suite('shared prefixes under memory pressure');

pressure('what nobody uses is given up before anything fails, oldest first, and nothing is lost', async () => {
  const prompts = Array.from({ length: 60 }, (_, i) => ids(200, i + 1));
  const free = await createEngine({ model: MODEL, prefixCache: false });
  const expected: number[][] = [];
  for (const prompt of prompts) expected.push((await once(free, prompt)).tokens);
  const { bytes } = free.memory();
  free.dispose();
  await withEngine(async (engine) => {
    for (let round = 0; round < 2; round++) {
      for (const [i, prompt] of prompts.entries()) assert.equal((await once(engine, prompt)).tokens, expected[i]);
    }
    assert.is(engine.memory().kv.used, 0);
    // The last ones are there, the first ones are not.
    assert.is((await once(engine, prompts.at(-1)!)).cached, 192);
    assert.is((await once(engine, prompts[0]!)).cached, 0);
    const { findable } = engine.memory().kv;
    // Adapters get the memory of blocks, too: a load fails only when there are none left.
    for (let i = 0; engine.memory().kv.findable === findable; i++) await engine.adapters.load(`a${i}`, goldenAdapter('llama', 'all'));
  }, { memoryLimit: bytes + 12 * 65536, prefixCache: 1e9 });
});

pressure('`prefixCache` bounds what is kept', () => withEngine(async (engine) => {
  for (let i = 0; i < 20; i++) {
    await once(engine, ids(200, i + 1));
    assert.ok(engine.memory().kv.findable <= 100_000);
  }
  assert.ok(engine.memory().kv.findable > 50_000);
  assert.is((await once(engine, ids(200, 20))).cached, 192);
}, { prefixCache: 100_000 }));

pressure('a change of blend that finds no memory ends that answer with an error, and nobody else\'s', async () => {
  await withEngine(async (engine) => {
    const shared = Array.from({ length: 2 }, () => engine.session());
    for (const session of shared) await answer(session, SYSTEM);
    const filled: Session[] = [];
    for (;;) {
      try {
        const filler = engine.session({ contextLength: 64 });
        filled.push(filler);
        await answer(filler, [3 + (filled.length % 60), 4 + Math.floor(filled.length / 60)], 2);
      } catch (error) {
        assert.ok(isLorikeetError(error, 'memory/exhausted'), String(error));
        break;
      }
    }
    shared[0]!.adapters = { qv: 1 };
    const error: unknown = await answer(shared[0]!, [...shared[0]!.tokens, 5]).then(() => null, (e: unknown) => e);
    assert.ok(isLorikeetError(error, 'memory/exhausted'), String(error));
    for (const filler of filled) filler.dispose();
    const prompt = [...SYSTEM, 8];
    const { tokens } = await once(engine, prompt, { qv: 1 });
    assert.equal(await answer(shared[0]!, prompt), tokens);
    assert.equal(await answer(shared[1]!, prompt), (await once(engine, prompt)).tokens);
  }, { memoryLimit: 40 * 65536 });
});

const fuzz = suite('shared prefixes at random');

for (const [title, kvDtype, model] of [['f32', 'f32', MODEL], ['f16', 'f16', MODEL], ['q8', 'q8', MODEL], ['a sliding window', 'f32', longer('mistral', { sliding_window: 45 })]] as const) {
  fuzz(`the same tokens with the pool and without, ${title}`, async () => {
    const engines = [await createEngine({ model, kvDtype, prefixCache: 300_000 }), await createEngine({ model, kvDtype, prefixCache: false })] as const;
    const adapted = model === MODEL;
    const both = async <T>(work: (engine: Engine, side: 0 | 1) => Promise<T> | T): Promise<T> => {
      const [a, b] = [await work(engines[0], 0), await work(engines[1], 1)];
      assert.equal(a, b);
      return a;
    };
    for (const engine of engines) for (const name of adapted ? ['qv', 'all', 'alora'] : []) await engine.adapters.load(name, goldenAdapter('llama', name));
    const invocation = adapted ? engines[0].adapters.get('alora').invocation! : [];
    const random = randoms(title.length * 7919 + 5);
    const prefixes = [SYSTEM, [...SYSTEM.slice(0, 40), ...ids(70, 9)], [...SYSTEM.slice(0, 64), ...invocation, ...ids(40, 2)], ids(33, 4)];
    const blends: readonly Blend[] = !adapted ? [{}] : [{}, {}, { qv: 1 }, { qv: 0.5, all: 1 }, { alora: 1 }, { alora: 0.5, qv: 1 }];
    const sessions: [Session, Session][] = [];
    let cached = 0;
    let merged = false;
    for (let step = 0; step < 160; step++) {
      const at = random(sessions.length || 1);
      const pair = sessions[at];
      const action = random(20);
      if (!pair || (action < 4 && sessions.length < 6)) {
        const options = { adapters: merged ? {} : blends[random(blends.length)]!, kv: random(5) === 0 ? 'keep' as const : 'recompute' as const };
        sessions.push([engines[0].session(options), engines[1].session(options)]);
      } else if (action < 6) {
        pair.forEach((session) => session.dispose());
        sessions.splice(at, 1);
      } else if (action < 8 && !merged) {
        const blend = blends[random(blends.length)]!;
        for (const session of pair) session.adapters = blend;
      } else if (!adapted && action >= 8 && action <= 10) {
        continue;
      } else if (action === 8 && !merged) {
        const scale = 0.5 + random(3) / 2;
        await both((engine) => engine.adapters.rescale('qv', scale));
      } else if (action === 9) {
        if (merged) await both((engine) => engine.adapters.unmerge());
        else if (sessions.every(([{ adapters }]) => Object.keys(adapters).length === 0)) await both((engine) => engine.adapters.merge({ all: 1 }));
        else continue;
        merged = !merged;
      } else if (action === 10 && !merged) {
        await both(async (engine) => { await engine.adapters.load('qv', goldenAdapter('llama', 'qv')); });
      } else {
        const tail = ids(random(40), step + 1);
        const prompt = random(3) > 0 && pair[0].tokens.length > 0 && pair[0].tokens.length < 400 ? [...pair[0].tokens.slice(0, pair[0].tokens.length - random(3) * 20), ...tail, 5] : [...prefixes[random(prefixes.length)]!, ...tail, 5];
        const count = 1 + random(40);
        const other = sessions[random(sessions.length)]!;
        await both(async (_, side) => {
          const answers = [answer(pair[side], prompt, count, { speculate: step % 3 === 0 })];
          if (other !== pair) answers.push(answer(other[side], prefixes[step % prefixes.length]!, count)); // two at the same time
          return Promise.all(answers);
        });
        cached += pair[0].stats.cachedTokens;
      }
    }
    assert.ok(cached > 1000, `${cached} tokens were found`);
    for (const engine of engines) {
      engine.dispose();
      const { kv } = engine.memory();
      assert.equal([kv.used, kv.findable, kv.blocks], [0, 0, 0]);
    }
  });
}

hits.run();
pressure.run();
fuzz.run();
