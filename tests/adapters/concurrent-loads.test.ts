import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { LorikeetError } from '../../src/index.js';
import { TOKENS, qv, all, engineOf, codeOf, held } from './answers.js';
import { goldenAdapter } from './folders.js';

// What happens when loads, unloads and disposals meet each other: defined here.

const loads = suite('loads that meet');

for (const finishes of ['first', 'last'] as const) {
  loads(`of two loads of one name the one started last wins, also if it finishes ${finishes}`, async () => {
    const engine = await engineOf();
    const early = held(all);
    const late = held(qv);
    const one = codeOf(engine.adapters.load('a', early.folder));
    await early.waiting();
    const two = engine.adapters.load('a', late.folder);
    await late.waiting();
    if (finishes === 'first') {
      late.go();
      await two;
      early.go();
    } else {
      early.go();
      assert.is(await one, 'adapter/superseded');
      late.go();
    }
    assert.is(await one, 'adapter/superseded');
    const report = await two;
    await engine.adapters.load('b', qv);
    assert.equal(engine.logits(TOKENS, { adapters: { a: 1 } }), engine.logits(TOKENS, { adapters: { b: 1 } }));
    assert.is(engine.memory().adapters.blocks, 2);
    assert.is(engine.adapters.get('a').generation, report.generation);
    engine.dispose();
  });
}

loads('an unload calls off a load of that name, and takes the former adapter', async () => {
  const engine = await engineOf();
  const first = held(qv);
  const called = codeOf(engine.adapters.load('a', first.folder));
  await first.waiting();
  assert.equal(engine.adapters.unload('a'), { returned: 0, pending: 0 });
  first.go();
  assert.is(await called, 'adapter/superseded');
  assert.is(engine.adapters.has('a'), false);
  assert.is(engine.memory().adapters.used, 0);

  await engine.adapters.load('a', qv);
  const again = held(all);
  const calledToo = codeOf(engine.adapters.load('a', again.folder));
  await again.waiting();
  assert.ok(engine.adapters.unload('a').returned > 0);
  again.go();
  assert.is(await calledToo, 'adapter/superseded');
  assert.is(engine.memory().adapters.used, 0);
  engine.dispose();
});

loads('many loads at once, of many names', async () => {
  const engine = await engineOf();
  const names = ['qv', 'all', 'dora', 'embed', 'tokens', 'save_head', 'patterns', 'lora_bias'];
  const reports = await Promise.all([...names, ...names].map((name, i) => engine.adapters.load(name, goldenAdapter('llama', name)).then(() => i, (error: LorikeetError) => error.code)));
  assert.equal(reports, [...names.map(() => 'adapter/superseded'), ...names.map((_, i) => names.length + i)]);
  assert.is(engine.memory().adapters.blocks, names.length);
  for (const name of names) {
    const other = await engineOf();
    await other.adapters.load(name, goldenAdapter('llama', name));
    assert.equal(engine.logits(TOKENS, { adapters: { [name]: 1 } }), other.logits(TOKENS, { adapters: { [name]: 1 } }), name);
    other.dispose();
  }
  for (const name of names) engine.adapters.unload(name);
  assert.is(engine.memory().adapters.used, 0);
  engine.dispose();
});

loads('an abort before and during a load tells its reason', async () => {
  const engine = await engineOf();
  const reason = new Error('the level ended');
  await engine.adapters.load('a', qv, { signal: AbortSignal.abort(reason) }).then(() => assert.unreachable(), (error: unknown) => assert.is(error, reason));
  const source = held(qv);
  const controller = new AbortController();
  const load = engine.adapters.load('a', source.folder, { signal: controller.signal });
  await source.waiting();
  controller.abort(reason);
  source.go();
  await load.then(() => assert.unreachable(), (error: unknown) => assert.is(error, reason));
  assert.is(engine.memory().adapters.used, 0);
  await engine.adapters.load('a', qv);
  engine.dispose();
});

loads('disposing of the engine ends a load, leaves no byte, and is done once', async () => {
  const engine = await engineOf();
  await engine.adapters.load('b', all);
  const source = held(qv);
  const load = codeOf(engine.adapters.load('a', source.folder));
  await source.waiting();
  engine.dispose();
  engine.dispose();
  source.go();
  assert.is(await load, 'engine/disposed');
  const { weights, adapters, kv, activations, scratch } = engine.memory();
  assert.equal([weights.used, adapters.used, kv.used, activations.used, scratch.used], [0, 0, 0, 0, 0]);
  assert.is(await codeOf(engine.adapters.load('a', qv)), 'engine/disposed');
});
loads.run();
