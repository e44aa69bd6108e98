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
  const ran = await lorikeet(['bench', TAVERN, '--prompt', '4', '--generate', '2', '--repeat', '1', '--threads', '1000', '--json']);
  assert.is(ran.code, 0);
  assert.ok((JSON.parse(ran.stdout) as { threads: number }).threads < 1000);
  assert.match(ran.stderr, /^lorikeet: --threads 1000: computing on (one thread|\d+ threads): 1000 were asked for, this machine has (one core|\d+ cores)\.\n$/);
});
test('--memory: what the memory is for, and the plan within 1.1 times its lower bound', async () => {
  for (const [model, adapter] of [[TAVERN, `${ROOT}adapters/pirate`], [`${GOLDEN}models/kitchen_sink`, `${GOLDEN}models/kitchen_sink/adapters/everything`], [`${GOLDEN}gguf/phi3.gguf`, null]] as const) {
    const ran = await lorikeet(['bench', '--memory', model, '--json', ...(adapter === null ? [] : ['--adapter', adapter])]);
    succeeded(ran);
    const told = JSON.parse(ran.stdout) as Record<string, number> & { plan: Record<string, number> & { buffers: { bytes: number; from: number; to: number; op: string; lastOp: string }[] } };
    const { plan } = told;
    assert.ok(plan.lowerBound! > 0 && plan.plannedBytes! >= plan.lowerBound! && plan.plannedBytes! <= 1.1 * plan.lowerBound!);
    assert.is(plan.ratio, plan.plannedBytes! / plan.lowerBound!);
    assert.ok(told.modelBytes! > 0 && told.adapterBytes! > 0 === (adapter !== null) && told.kvBytes! > 0 === !model.includes('kitchen_sink'));
    assert.ok(told.activationBytes! >= plan.plannedBytes! + plan.workspaceBytes! && told.residentBytes! >= told.modelBytes! + told.adapterBytes! + told.activationBytes!);
    // The lower bound is what the told buffers say themselves.
    let alive = 0;
    for (let at = -1; at <= plan.ops!; at++) alive = Math.max(alive, plan.buffers.reduce((sum, { bytes, from, to }) => sum + (from <= at && at <= to ? bytes : 0), 0));
    assert.is(alive, plan.lowerBound);
    assert.equal(plan.buffers.map(({ bytes }) => bytes), plan.buffers.map(({ bytes }) => bytes).sort((a, b) => b - a));
    assert.equal(plan.buffers.filter(({ lastOp }) => lastOp === 'result').length, 1);
  }
  const ran = await lorikeet(['bench', '--memory', TAVERN]);
  succeeded(ran);
  for (const row of ['model', 'weights', 'adapters', 'KV cache', 'activations', 'scratch', 'linear memory', 'planned', 'lower bound']) assert.match(ran.stdout, new RegExp(`^${row} +\\S`, 'm'));
  assert.match(ran.stdout, /ops \d+–\d+ +linear lm_head → result/);
});
test('refusals', async () => {
  failedPlainly(await lorikeet(['bench', TAVERN, '--prompt', '0']), 'cli/usage');
  failedPlainly(await lorikeet(['bench', TAVERN, '--repeat', '1.5']), 'cli/usage');
  failedPlainly(await lorikeet(['bench', TAVERN, '--threads', '0']), 'cli/usage');
  failedPlainly(await lorikeet(['bench', TAVERN, '--prompt', '500', '--generate', '100']), 'cli/usage');
  failedPlainly(await lorikeet(['bench', `${GOLDEN}models/kitchen_sink`, '--prompt', '4']), 'model/no-cache');
});
test.run();
