import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createEngine, LorikeetError, type Blend, type Engine, type Session } from '../../src/index.js';
import { TOKENS, ANSWER, qv, all, engineOf, codeOf, answer, alone } from './answers.js';
import { goldenAdapter } from './folders.js';
import { spiedOn } from './spies.js';

// What happens when a stream meets loads, unloads, rescales, merges and disposals: defined here.

const streams = suite('streams that meet changes');

streams('a reload while a stream is under way: the stream keeps its generation, the next one has the new', async () => {
  const before = await alone([['a', qv]], { adapters: { a: 2 } });
  const after = await alone([['a', all]], { adapters: { a: 2 } });
  assert.not.equal(before, after);
  const engine = await engineOf('llama', 'manual');
  const first = await engine.adapters.load('a', qv);
  const session = engine.session({ adapters: { a: 2 } });
  const found = await answer(engine, session, TOKENS, ANSWER, 5, () => engine.adapters.load('a', all));
  assert.equal(found, before);
  assert.is(engine.adapters.get('a').generation, first.generation + 1);
  assert.is(engine.memory().adapters.blocks, 1);
  assert.equal(await answer(engine, session, TOKENS), after);
  engine.dispose();
});

streams('an unload during a stream: the bytes come back when the stream ends', async () => {
  const expected = await alone([['a', qv]], { adapters: { a: 2 } });
  const engine = await engineOf('llama', 'manual');
  const { bytes } = await engine.adapters.load('a', qv);
  const session = engine.session({ adapters: { a: 2 } });
  const { used } = engine.memory().adapters;
  const found = await answer(engine, session, TOKENS, ANSWER, 5, () => {
    assert.equal(engine.adapters.unload('a'), { returned: 0, pending: bytes });
    assert.is(engine.adapters.has('a'), false);
    assert.is(engine.memory().adapters.used, used);
  });
  assert.equal(found, expected);
  assert.is(engine.memory().adapters.used, 0);
  assert.is(await codeOf(answer(engine, session, TOKENS)), 'adapter/unknown');
  await engine.adapters.load('a', qv);
  assert.equal(engine.adapters.unload('a'), { returned: bytes, pending: 0 });
  engine.dispose();
});

/** Greedy continuation by whole evaluations: the oracle of a change within a sequence. `scaleAt` gives the blend under which the n-th token is chosen. */
function byHand(engine: Engine, prompt: readonly number[], count: number, blendAt: (n: number) => Blend): number[] {
  const tokens = [...prompt];
  const { vocabSize } = engine.model;
  for (let n = 0; n < count; n++) {
    const last = engine.logits(tokens, { adapters: blendAt(n) }).subarray(-vocabSize);
    tokens.push(last.indexOf(last.reduce((a, b) => Math.max(a, b))));
  }
  return tokens.slice(prompt.length);
}

for (const [title, change, blendAfter] of [
  ['rescale', (engine: Engine) => engine.adapters.rescale('a', -3), { a: -6 }],
  ['rescale to 0', (engine: Engine) => engine.adapters.rescale('a', 0), {}],
  ['another blend', (_: Engine, session: Session) => { session.adapters = { b: 2, a: 0.5 }; }, { b: 2, a: 0.5 }],
  ['the base', (_: Engine, session: Session) => { session.adapters = {}; }, {}],
] as readonly (readonly [string, (engine: Engine, session: Session) => void, Blend])[]) {
  streams(`${title} during a stream, recomputed: as if all before had been under the new blend`, async () => {
    const engine = await engineOf('llama', 'manual');
    await engine.adapters.load('a', qv);
    await engine.adapters.load('b', all);
    const session = engine.session({ adapters: { a: 2 }, kv: 'recompute' });
    let changedAt = 0;
    const found = await answer(engine, session, TOKENS, ANSWER, 7, () => {
      changedAt = session.tokens.length - TOKENS.length;
      change(engine, session);
    });
    engine.adapters.rescale('a', 1);
    assert.equal(found, byHand(engine, TOKENS, found.length, (n) => (n < changedAt ? { a: 2 } : blendAfter)));
    assert.is(found.length, ANSWER.maxTokens);
    assert.is(session.stats.recomputed, TOKENS.length + changedAt - 1);
    engine.dispose();
  });

  streams(`${title} during a stream, kept: the cache stays what it was`, async () => {
    const engine = await engineOf('llama', 'manual');
    await engine.adapters.load('a', qv);
    await engine.adapters.load('b', all);
    const session = engine.session({ adapters: { a: 2 }, kv: 'keep' });
    let changedAt = 0;
    const found = await answer(engine, session, TOKENS, ANSWER, 7, () => {
      changedAt = session.tokens.length - TOKENS.length;
      change(engine, session);
    });
    assert.is(session.stats.recomputed, 0);
    engine.adapters.rescale('a', 1);
    // The same by two answers: the first under the old blend, the second goes on from its cache.
    const split = engine.session({ adapters: { a: 2 }, kv: 'keep' });
    const begun = await answer(engine, split, TOKENS, { ...ANSWER, maxTokens: changedAt });
    split.adapters = blendAfter;
    const rest = await answer(engine, split, [...TOKENS, ...begun], { ...ANSWER, maxTokens: ANSWER.maxTokens! - changedAt });
    assert.equal(found, [...begun, ...rest]);
    engine.dispose();
  });
}

streams('a merge while a stream is at work is refused, and the stream goes on', async () => {
  const expected = await alone([['a', qv]], { adapters: { a: 1 } });
  const engine = await engineOf('llama', 'manual');
  await engine.adapters.load('a', qv);
  const session = engine.session({ adapters: { a: 1 } });
  const refused: string[] = [];
  const found = await answer(engine, session, TOKENS, ANSWER, 3, async () => { refused.push(await codeOf((async () => engine.adapters.merge({ a: 1 }))())); });
  assert.equal(refused, ['adapter/merge']);
  assert.equal(found, expected);
  engine.adapters.merge({ a: 1 });
  const merged = await answer(engine, session, TOKENS, ANSWER, 3, async () => { refused.push(await codeOf((async () => engine.adapters.unmerge())())); });
  assert.equal(refused, ['adapter/merge', 'adapter/merge']);
  assert.equal(merged, expected); // the cache of before the merge isn't used: it would still give this, but for the next line
  assert.is(session.stats.recomputed > 0, true);
  engine.adapters.unmerge();
  assert.equal(await answer(engine, session, TOKENS), expected);
  engine.dispose();
});

streams('leaving a loop, an abort and a disposal end a stream and leave the others alone', async () => {
  const expected = await alone([['a', qv]], { adapters: { a: 1 } });
  const engine = await engineOf('llama', 'manual');
  await engine.adapters.load('a', qv);
  const { used: kvBefore } = engine.memory().kv;
  const survivor = engine.session({ adapters: { a: 1 } });
  const reason = new Error('the player turned away');
  const controller = new AbortController();
  const aborted = engine.session({ adapters: { a: 1 } });
  const disposed = engine.session({ adapters: { a: 1 } });
  const unused = engine.session({ adapters: { a: 1 } });
  const ends = Promise.allSettled([
    answer(engine, aborted, TOKENS, { ...ANSWER, signal: controller.signal }, 4, () => controller.abort(reason)),
    answer(engine, disposed, TOKENS, ANSWER, 6, () => { disposed.dispose(); disposed.dispose(); }),
  ]);
  assert.equal(await answer(engine, survivor, TOKENS), expected);
  const [one, two] = await ends;
  assert.ok(one.status === 'rejected' && one.reason === reason);
  assert.ok(two.status === 'rejected' && two.reason instanceof LorikeetError && two.reason.code === 'session/disposed');
  assert.is(aborted.busy, false);
  assert.is(engine.adapters.get('a').pins, 0);
  // What was aborted can go on, from the start again.
  assert.equal(await answer(engine, aborted, TOKENS), expected);
  await answer(engine, aborted, TOKENS, { ...ANSWER, signal: AbortSignal.abort(reason) }).then(() => assert.unreachable(), (error: unknown) => assert.is(error, reason));
  // A generator that nobody began, or that is returned at once, holds nothing.
  await unused.complete(TOKENS, ANSWER).return();
  assert.is(engine.adapters.get('a').pins, 0);
  for (const session of [survivor, aborted, unused]) session.dispose();
  assert.is(engine.memory().kv.used, kvBefore);
  assert.is(await codeOf(answer(engine, survivor, TOKENS)), 'session/disposed');
  engine.dispose();
});

streams('breaking out of for await ends the stream', async () => {
  const engine = await createEngine({ model: 'models/tavern' });
  await engine.adapters.load('pirate', 'adapters/pirate');
  const session = engine.session({ adapters: { pirate: 1 } });
  for await (const _ of session.say('Where is the treasure?')) break;
  assert.is(session.busy, false);
  assert.is(session.stats.ended, 'broken off');
  assert.is(engine.adapters.get('pirate').pins, 0);
  assert.is(engine.adapters.unload('pirate').pending, 0);
  assert.is(engine.memory().adapters.used, 0);
  engine.dispose();
});

streams('disposing of the engine ends its streams and leaves no byte', async () => {
  const engine = await engineOf('llama', 'manual');
  await engine.adapters.load('a', qv);
  const sessions = [1, 2, 3].map(() => engine.session({ adapters: { a: 1 } }));
  const codes = await Promise.all(sessions.map((session, i) => codeOf(answer(engine, session, TOKENS, ANSWER, i === 0 ? 5 : Infinity, () => engine.dispose()))));
  assert.equal(codes, ['session/disposed', 'session/disposed', 'session/disposed']);
  const { weights, adapters, kv, activations, scratch } = engine.memory();
  assert.equal([weights.used, adapters.used, kv.used, activations.used, scratch.used], [0, 0, 0, 0, 0]);
  engine.dispose();
});

streams('a disposal, an unload, a load and an evaluation at any op of a frame leave the other stream its bits', async () => {
  const expected = await alone([['a', goldenAdapter('llama', 'dora')]], { adapters: { a: 1 } });
  const engine = await engineOf('llama', 'manual');
  const base = engine.logits(TOKENS);
  const { adapters: { used }, kv } = engine.memory();
  for (let ops = 0; ops < 400; ops += 13) {
    await engine.adapters.load('a', goldenAdapter('llama', 'dora'));
    await engine.adapters.load('b', qv);
    const survivor = engine.session({ adapters: { a: 1 } });
    const victim = engine.session({ adapters: { b: 1 } });
    const streams = [survivor, victim].map((session) => (async () => { for await (const _ of session.complete(TOKENS, ANSWER)); })());
    streams[1]!.catch(() => {});
    await new Promise((resolve) => { setImmediate(resolve); });
    for (let i = 0; i < ops; i++) engine.step(1e-9);
    if (ops % 2 === 0) victim.dispose();
    engine.adapters.unload('b');
    engine.adapters.unload('a');
    await engine.adapters.load('c', all); // into the bytes that came back
    assert.equal(engine.logits(TOKENS), base);
    if (ops % 2 === 1) victim.dispose();
    while (engine.step(1000)) await new Promise((resolve) => { setImmediate(resolve); });
    await streams[0];
    assert.equal(survivor.tokens.slice(TOKENS.length), expected, `after ${ops} ops`);
    survivor.dispose();
    engine.adapters.unload('c');
    const now = engine.memory();
    assert.is(now.adapters.used, used);
    assert.is(now.kv.used, kv.used);
  }
  engine.dispose();
});

streams('a stream that leaves an unloaded adapter within a frame works that frame with it', async () => {
  const { made: engine, spy: { heap } } = await spiedOn(() => engineOf('llama', 'manual'));
  await answer(engine, engine.session(), TOKENS); // what a row costs is known now, so that every frame of a step without a budget has one
  for (let ops = 1; ops < 400; ops += 17) {
    const run = async (unload: boolean): Promise<number[]> => {
      await engine.adapters.load('a', all);
      const { block, report } = engine.adapters.get('a');
      const session = engine.session({ adapters: { a: 2 } });
      const stream = (async () => { for await (const _ of session.complete(TOKENS, ANSWER)); })();
      await new Promise((resolve) => { setImmediate(resolve); });
      for (let i = 0; i < ops; i++) engine.step(1e-9);
      if (unload) assert.is(engine.adapters.unload('a').pending, report.bytes);
      session.adapters = {};
      if (unload) {
        assert.is(engine.memory().adapters.used, 0);
        new Uint8Array(heap.memory.buffer, block, report.bytes).fill(0xff);
      }
      // No evaluation and no load before the frame's end: they would finish it.
      for (let i = 0; i < 60; i++) engine.step(1e-9);
      while (engine.step(1000)) await new Promise((resolve) => { setImmediate(resolve); });
      await stream;
      const { tokens } = session;
      session.dispose();
      return [...tokens];
    };
    const expected = await run(false);
    assert.equal(await run(true), expected, `after ${ops} ops`);
  }
  engine.dispose();
});

streams('sessions that answer at once under different blends: each gives what it gives alone', async () => {
  const blends: readonly Blend[] = [{}, { qv: 2 }, { dora: 1 }, { dora: 0.5, all: -1 }, { save_head: 1 }, { save_embed: 1, qv: 1 }, { tokens: 1 }, { alora: 3 }, { alora: 2, dora: 1 }, { embed: 1, lora_bias: 1 }];
  const names = [...new Set(blends.flatMap((blend) => Object.keys(blend)))];
  const engine = await engineOf();
  for (const name of names) await engine.adapters.load(name, goldenAdapter('llama', name));
  const prompt = (i: number): number[] => [...TOKENS.slice(0, 2 + (i % 5)), 11, 12, 20 + i]; // 11, 12 invoke the aLoRA
  const run = async (i: number): Promise<number[]> => {
    const session = engine.session({ adapters: blends[i]!, seed: i, temperature: i % 2, topK: 30 });
    for await (const _ of session.complete(prompt(i), { maxTokens: 20 + i, endTokens: [] }));
    const { tokens } = session;
    session.dispose();
    return [...tokens];
  };
  const alone: number[][] = [];
  for (let i = 0; i < blends.length; i++) alone.push(await run(i));
  assert.equal(await Promise.all(blends.map((_, i) => run(i))), alone);
  assert.equal((await Promise.all(blends.map((_, i) => run(blends.length - 1 - i)))).reverse(), alone);
  assert.is(new Set(alone.map(String)).size, blends.length);
  engine.dispose();
});

streams('a second stream on one session is refused', async () => {
  const engine = await engineOf('llama', 'manual');
  const session = engine.session();
  const codes: string[] = [];
  await answer(engine, session, TOKENS, ANSWER, 3, async () => { codes.push(await codeOf(session.complete(TOKENS).next())); });
  assert.equal(codes, ['session/busy']);
  engine.dispose();
});
streams.run();
