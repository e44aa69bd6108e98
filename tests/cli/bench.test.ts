import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { GOLDEN, ROOT } from '../models/golden.js';
import { failedPlainly, lorikeet, succeeded } from './run.js';

const TAVERN = `${ROOT}models/tavern`;

const test = suite('lorikeet bench');
test('--json: one object with every figure, each of its kind', async () => {
  const ran = await lorikeet(['bench', TAVERN, '--prompt', '40', '--generate', '12', '--repeat', '2', '--adapter', `${ROOT}adapters/pirate=0.5`, '--json']);
  succeeded(ran);
  const told = JSON.parse(ran.stdout) as Record<string, number> & { samples: Record<string, number[]>; adapters: object };
  for (const key of ['promptTokensPerSecond', 'decodeTokensPerSecond', 'p50', 'p95', 'loadMs', 'coldStartMs', 'firstTokenMs', 'residentBytes', 'memoryBytes', 'modelBytes', 'adapterBytes', 'kvBytes']) assert.ok(Number.isFinite(told[key]) && told[key]! > 0, `${key}: ${told[key]}`);
  assert.equal([told.backend, told.threads, told.prompt, told.generate, told.repeat, told.adapters], ['simd', 1, 40, 12, 2, { pirate: 0.5 }]);
  assert.ok(told.p50! <= told.p95!);
  assert.ok(told.coldStartMs! > told.loadMs!);
  assert.ok(told.residentBytes! >= told.modelBytes! + told.adapterBytes! && told.residentBytes! < told.memoryBytes!);
  assert.equal(Object.values(told.samples).map((list) => list.length), [2, 2]);
  assert.ok(Math.abs(told.promptTokensPerSecond! * (told.firstTokenMs! / 1000) - 40) < 1e-6);
});
test('a table for people; what wasn\'t asked for fits into the context', async () => {
  const ran = await lorikeet(['bench', `${GOLDEN}models/llama`, '--repeat', '1']);
  succeeded(ran);
  for (const row of ['model', 'backend', 'load', 'prompt', 'decode', 'memory']) assert.match(ran.stdout, new RegExp(`^${row} +\\S`, 'm'));
});
test('a single token has no decode speed', async () => {
  const ran = await lorikeet(['bench', TAVERN, '--prompt', '4', '--generate', '1', '--repeat', '1', '--json']);
  succeeded(ran);
  const told = JSON.parse(ran.stdout) as Record<string, unknown>;
  assert.equal([told.decodeTokensPerSecond, told.p50, told.p95], [null, null, null]);
});
test('threads that aren\'t there are told, not claimed', async () => {
  const ran = await lorikeet(['bench', TAVERN, '--prompt', '4', '--generate', '2', '--repeat', '1', '--threads', '3', '--json']);
  assert.is(ran.code, 0);
  assert.is((JSON.parse(ran.stdout) as { threads: number }).threads, 1);
  assert.match(ran.stderr, /^lorikeet: --threads 3: this build computes on one thread\.\n$/);
});
test('refusals', async () => {
  failedPlainly(await lorikeet(['bench', TAVERN, '--prompt', '0']), 'cli/usage');
  failedPlainly(await lorikeet(['bench', TAVERN, '--repeat', '1.5']), 'cli/usage');
  failedPlainly(await lorikeet(['bench', TAVERN, '--threads', '0']), 'cli/usage');
  failedPlainly(await lorikeet(['bench', TAVERN, '--prompt', '500', '--generate', '100']), 'cli/usage');
  failedPlainly(await lorikeet(['bench', `${GOLDEN}models/kitchen_sink`, '--prompt', '4']), 'model/no-cache');
});
test.run();
