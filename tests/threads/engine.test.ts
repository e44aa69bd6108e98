import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as lorikeet from '../../src/index.js';
import { spiedOn } from '../adapters/spies.js';
import { runAnswers, runGolden } from '../browser/goldens.js';
import { ROOT } from '../models/golden.js';
import { said, tavern, VOICES } from '../runtime/tavern.js';
import { Control } from './control.js';
import { pretendCores } from './cores.js';
import { workers } from './workers.js';

const test = suite('threads/engine');
pretendCores(4);

const root = pathToFileURL(ROOT);
const onThreads = (threads: number): typeof lorikeet => ({ ...lorikeet, createEngine: (options) => lorikeet.createEngine({ ...options, threads }) });

test('golden models with their adapters: the same bits on 1, 2, 3 and 4 threads', async () => {
  for (const name of readdirSync(`${ROOT}tests/golden/models`)) {
    const alone = await runGolden(onThreads(1), root, name, 'simd');
    assert.equal(alone.failures, []);
    for (const threads of [2, 3, 4]) assert.equal(await runGolden(onThreads(threads), root, name, 'simd'), alone, `${name} on ${threads} threads`);
  }
});

test('answers of every voice, greedy and sampled, weights and cache as they are and quantised: the same tokens', async () => {
  const alone = await runAnswers(onThreads(1), root, 'tavern', [...VOICES], 12, 'simd');
  for (const threads of [2, 3]) assert.is(await runAnswers(onThreads(threads), root, 'tavern', [...VOICES], 12, 'simd'), alone, `${threads} threads`);
});

/** Five conversations at once, each with a voice of its own, in an engine of so many threads. */
async function conversations(engine: lorikeet.Engine) {
  return Promise.all(VOICES.map((voice, i) => said(engine, 'Where is the treasure?', { adapters: { [voice]: 1, [VOICES[(i + 1) % 5]!]: 0.25 }, seed: i }, { maxTokens: 24, temperature: 0.8 })));
}

const without = (answers: Awaited<ReturnType<typeof conversations>>) => answers.map(({ stats, ...rest }) => ({ ...rest, ended: stats.ended }));

test('a batch of five voices, and two engines at once: the same tokens', async () => {
  const engines = [await tavern(), await tavern({ threads: 2 }), await tavern({ threads: 3 })];
  assert.equal(engines.map(({ backend }) => backend.threads), [1, 2, 3]);
  const [alone, ...shared] = await Promise.all(engines.map(conversations));
  for (const answers of shared) assert.equal(without(answers), without(alone!));
  for (const engine of engines) engine.dispose();
});

test('an engine of many threads does share its work', async () => {
  const heapBase = (await lorikeet.createRuntime()).kernels.heapBase();
  const { made: engine, spy } = await spiedOn(() => tavern({ threads: 2 }));
  const control = new Control({ kernels: { heapBase: () => heapBase }, memory: spy.heap.memory });
  const before = control.regions;
  engine.logits([1, 2, 3, 4, 5, 6, 7, 8]);
  assert.ok(control.regions > before + 6, String(control.regions - before));
  engine.dispose();
});

test('engines come and go: no thread is left', async () => {
  const before = workers.length;
  for (let i = 0; i < 12; i++) {
    const engine = await lorikeet.createEngine({ model: `${ROOT}tests/golden/models/llama`, threads: 1 + (i % 4) });
    engine.logits([1, 2, 3]);
    engine.dispose();
    engine.dispose();
  }
  const started = workers.slice(before);
  assert.is(started.length, 3 * (0 + 1 + 2 + 3));
  await Promise.all(started.map(({ ended }) => ended));
});

test('what fails to load leaves no thread, either', async () => {
  const before = workers.length;
  const error: unknown = await lorikeet.createEngine({ model: `${ROOT}tests/golden/models/llama`, threads: 2, dtype: 'q3_z' as 'q8_0' }).then(() => null, (found: unknown) => found);
  assert.instance(error, lorikeet.LorikeetError);
  await Promise.all(workers.slice(before).map(({ ended }) => ended));
});

for (const [title, asked, cores, expected] of [
  ['a number', 3, 4, 3], ['more than there are cores', 9, 4, 4], ['half of them', 'auto', 4, 2], ['at most four of many', 'auto', 64, 4], ['the only one', 'auto', 1, 1], ['two on the only one', 2, 1, 1],
] as const) {
  test(`threads: ${title}: ${asked} on ${cores} cores are ${expected}`, async () => {
    pretendCores(cores);
    const runtime = await lorikeet.createRuntime({ threads: asked });
    pretendCores(4);
    assert.is(runtime.backend.threads, expected);
    assert.is('threads' in runtime.backend.why, typeof asked === 'number' && asked > cores);
    runtime.dispose();
  });
}

for (const threads of [0, -1, 1.5, NaN, '2', 'all', null]) {
  test(`threads: ${JSON.stringify(threads)} is refused`, async () => {
    const error: unknown = await lorikeet.createRuntime({ threads: threads as number }).then(() => null, (found: unknown) => found);
    assert.ok(lorikeet.isLorikeetError(error, 'threads/count'), String(error));
  });
}

test('an engine that was forgotten keeps no process alive', () => {
  const code = `const { createEngine } = await import(${JSON.stringify(new URL('../../src/index.js', import.meta.url).href)});
    const engine = await createEngine({ model: ${JSON.stringify(`${ROOT}tests/golden/models/llama`)}, threads: 2 });
    console.log(engine.backend.threads, engine.logits([1, 2, 3]).length > 0);`;
  const { status, stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', `import os from 'node:os'; import { syncBuiltinESMExports } from 'node:module'; os.availableParallelism = () => 2; syncBuiltinESMExports(); ${code}`], { encoding: 'utf8', timeout: 60_000 });
  assert.is(status, 0);
  assert.is(stdout, '2 true\n');
});

test.run();
