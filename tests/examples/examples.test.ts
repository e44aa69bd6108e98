import { tmpdir } from 'node:os';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { difference, GOLDEN, goldenCases, readTensors } from '../models/golden.js';
import { numbersOf, runScript, type Outcome } from './run-script.js';

const examples = suite('examples');

/** Printed with five decimals; the goldens' own tolerance is 1e-4. */
const TOLERANCE = 1.1e-4;

/** The first numbers of the last row of the logits that transformers and PEFT gave for a case. */
function expected(model: string, name: string, count = 4): { tokens: string; row: Float32Array; adapters: string[] } {
  const found = goldenCases(model).find((c) => c.name === name)!;
  const { shape, data } = readTensors(`${GOLDEN}models/${model}/golden.safetensors`).get(found.logits)!;
  const width = shape[1]!;
  const row = data.slice(data.length - width, data.length - width + count);
  const adapters = Object.entries(found.adapters).map(([adapter, scale]) => `${GOLDEN}models/${model}/adapters/${adapter}=${scale}`);
  return { tokens: found.tokens.join(','), row, adapters };
}

function succeeded({ code, stdout, stderr }: Outcome): string {
  assert.is(code, 0, `${stdout}\n${stderr}`);
  assert.is(stderr, '');
  return stdout;
}

function near(found: readonly number[], row: Float32Array): void {
  assert.ok(difference(found, row) < TOLERANCE, `printed ${found.join(' ')}, expected ${row.join(' ')}`);
}

examples('1 says what the machine offers, and the demo model answers', async () => {
  const stdout = succeeded(await runScript('examples/1_load_base_model.js'));
  for (const start of ['engine   Node ', 'kernels  ', 'model    llama', 'memory   ', 'logits   after 1,2,3: ']) assert.ok(stdout.split('\n').some((line) => line.startsWith(start)), start);
  assert.match(stdout, /\n→ \S/);
  assert.match(stdout, /\n\d+ tokens: the first after /);
});

examples('1 gives the logits of transformers for other models', async () => {
  for (const model of ['llama', 'gpt2', 'gemma3', 'qwen3']) {
    const { tokens, row } = expected(model, 'base');
    near(numbersOf(succeeded(await runScript('examples/1_load_base_model.js', [`${GOLDEN}models/${model}`, '--tokens', tokens])), 'logits '), row);
  }
});

examples('1 works from any folder', async () => {
  succeeded(await runScript('examples/1_load_base_model.js', [], { cwd: tmpdir() }));
});

examples('2 gives the logits of PEFT', async () => {
  for (const adapter of ['qv', 'dora', 'rslora', 'save_head']) {
    const { tokens, row } = expected('llama', adapter);
    const stdout = succeeded(await runScript('examples/2_single_lora.js', [`${GOLDEN}models/llama`, `${GOLDEN}models/llama/adapters/${adapter}`, '--tokens', tokens]));
    near(numbersOf(stdout, 'base '), expected('llama', 'base').row);
    near(numbersOf(stdout, 'adapter '), row);
  }
});

examples('2 lets the demo model speak with, without and with half an adapter', async () => {
  const stdout = succeeded(await runScript('examples/2_single_lora.js'));
  const said = stdout.split('\n').filter((line) => /^(base|adapter|half) /.test(line) && !line.includes('logits'));
  assert.is(said.length, 3);
  assert.is(new Set(said.map((line) => line.slice(9))).size > 1, true, 'the adapter changes what is said');
});

examples('3 blends as PEFT does, and returns every byte', async () => {
  for (const name of ['qv*0.8+rslora*0.5+regex*-0.7', 'all*0.3+patterns*1.5', 'dora*0.5+all*-0.7+lora_bias']) {
    const { tokens, row, adapters } = expected('llama', name);
    const stdout = succeeded(await runScript('examples/3_dynamic_adapters.js', [`${GOLDEN}models/llama`, ...adapters, '--tokens', tokens]));
    near(numbersOf(stdout, 'blend '), row);
    returnsEverything(stdout, adapters.length);
  }
});

examples('3 runs on the demo model', async () => {
  const stdout = succeeded(await runScript('examples/3_dynamic_adapters.js'));
  returnsEverything(stdout, 3);
  assert.match(stdout, /^rescale .* µs$/m);
  assert.match(stdout, /\([1-9]\d* tokens of the cache anew, [\d.]+ ms\)/);
});

function returnsEverything(stdout: string, adapters: number): void {
  const loaded = [...stdout.matchAll(/^load .*: (\d+) bytes; arena/gm)].map((m) => Number(m[1]));
  const returned = [...stdout.matchAll(/^unload .*: (\d+) bytes returned; arena (\d+) bytes used/gm)];
  assert.is(loaded.length, adapters);
  assert.equal(returned.map((m) => Number(m[1])), loaded);
  assert.is(Number(returned.at(-1)![2]), 0);
}

examples('4 puts one file of tensors under three target_modules, as PEFT does', async () => {
  const folder = `${GOLDEN}models/kitchen_sink`;
  const { tokens } = expected('kitchen_sink', 'base');
  const lines = succeeded(await runScript('examples/4_kitchen_sink.js', [folder, `${folder}/adapters/everything`, '--tokens', tokens])).split('\n');
  const after = (start: string): number[] => lines[lines.findIndex((line) => line.startsWith(start)) + 1]!.match(/-?\d+\.\d+/g)!.map(Number);
  near(after('the base'), expected('kitchen_sink', 'base', 6).row);
  near(after('style: '), expected('kitchen_sink', 'everything', 6).row);
  for (const target of ['embedding', 'conv1d', 'linear']) near(after(`target_modules: ["${target}"]`), expected('kitchen_sink', `only_${target}`, 6).row);
});

examples('4 paints the map in every style', async () => {
  const stdout = succeeded(await runScript('examples/4_kitchen_sink.js'));
  const pictures = stdout.split(/^(?! {2})/m).filter((part) => /^ {2}[0-9a-f]{6} /m.test(part));
  assert.is(pictures.length, 6);
  assert.is(new Set(pictures.map((part) => part.slice(part.indexOf('\n')))).size, 6, 'six pictures, all different');
  assert.match(stdout, /^disposed: 0 bytes of weights, 0 of adapters in use$/m);
});

examples.run();
