import { cpSync, existsSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { difference, GOLDEN, goldenCases, readTensors, type GoldenCase } from '../models/golden.js';
import { lorikeet, SOURCES, succeeded, temporaryFolder } from './run.js';

const TOLERANCE = 1e-4; // of the values' size, as tests/models/golden.test.ts
const folder = temporaryFolder();
const modelOf = (name: string): string => `${GOLDEN}models/${name}`;

const findCase = (model: string, name: string): GoldenCase => goldenCases(model).find((c) => c.name === name)!;

async function checkCase(model: string, { name, tokens, adapters, logits, selective }: GoldenCase, extra: readonly string[] = [], cli?: string): Promise<void> {
  const out = join(folder, `${model}-${name.replace(/[^a-z0-9_]/gi, '_')}.safetensors`);
  const given = Object.entries(adapters).flatMap(([adapter, scale]) => ['--adapter', `${modelOf(model)}/adapters/${adapter}${scale === 1 ? '' : `=${scale}`}`]);
  const ran = await lorikeet(['logits', modelOf(model), '--tokens', tokens.join(','), ...given, ...(selective ? ['--selective'] : []), ...extra, '--out', out], cli ? { cli } : {});
  assert.is(ran.code, 0, ran.stderr);
  assert.is(ran.stdout, '');
  const found = readTensors(out).get('logits')!;
  const expected = readTensors(`${modelOf(model)}/golden.safetensors`).get(logits)!;
  assert.equal(found.shape, expected.shape);
  const off = difference(found.data, expected.data);
  assert.ok(off <= TOLERANCE, `largest difference ${off}`);
}

const golden = suite('lorikeet logits, against the goldens');
// Shards, tied heads, sliding windows, Conv1D, no cache: one case of each kind of model; an adapter, a scale, two adapters.
const CASES: readonly (readonly [string, string])[] = [
  ['llama', 'base'], ['llama', 'qv'], ['llama', 'dora'], ['llama', 'alora'], ['llama3', 'base'], ['mistral', 'base'], ['gemma3', 'base'], ['gpt2', 'base'], ['qwen3', 'base'],
  ['kitchen_sink', 'base'], ['kitchen_sink', 'everything'], ['kitchen_sink', 'everything*0.5'], ['kitchen_sink_even', 'everything*0.5+conv1d*-0.7'],
  // One file of tensors under three configurations.
  ['kitchen_sink', 'only_embedding'], ['kitchen_sink', 'only_conv1d'], ['kitchen_sink', 'only_linear'],
];
for (const [model, name] of CASES) golden(`${model} ${name}`, () => checkCase(model, findCase(model, name)));
golden('a GGUF model and a GGUF adapter', async () => {
  const out = join(folder, 'gguf.safetensors');
  const { tokens } = findCase('qwen3', 'all');
  succeeded(await lorikeet(['logits', `${GOLDEN}gguf/qwen3.gguf`, '--tokens', tokens.join(','), '--adapter', `${GOLDEN}gguf/adapters/qwen3-all.gguf=0.5`, '--out', out]));
  const off = difference(readTensors(out).get('logits')!.data, readTensors(`${modelOf('qwen3')}/golden.safetensors`).get('all*0.5')!.data);
  assert.ok(off <= TOLERANCE, `largest difference ${off}`);
});
golden('one adapter, narrowed on the command line to each module of its three', async () => {
  const { tokens } = findCase('kitchen_sink', 'only_conv1d');
  for (const module of ['embedding', 'conv1d', 'linear']) {
    const { logits } = findCase('kitchen_sink', `only_${module}`);
    await checkCase('kitchen_sink', { name: `narrowed_${module}`, tokens, logits, adapters: { everything: 1 } }, ['--target-modules', module]);
  }
});
golden('from the sources, file by file', () => checkCase('kitchen_sink', findCase('kitchen_sink', 'everything'), [], SOURCES));
golden.run();

const files = suite('lorikeet logits, files');
const tokens = ['--tokens', '3, 17,40'];
const logitsOf = (path: string): Float32Array => readTensors(path).get('logits')!.data;

files('DIR holds "=" and the scale follows the last one', async () => {
  const odd = join(folder, 'a=b=c');
  cpSync(`${modelOf('kitchen_sink')}/adapters/everything`, odd, { recursive: true });
  const plain = join(folder, 'plain.safetensors');
  succeeded(await lorikeet(['logits', modelOf('kitchen_sink'), ...tokens, '--adapter', `${modelOf('kitchen_sink')}/adapters/everything=.5`, '--out', plain]));
  for (const [i, given] of [`${odd}=5e-1`, `${odd}/=+0.5`].entries()) {
    const out = join(folder, `odd${i}.safetensors`);
    succeeded(await lorikeet(['logits', modelOf('kitchen_sink'), ...tokens, `--adapter=${given}`, '--out', out]));
    assert.equal(readFileSync(out), readFileSync(plain));
  }
  const whole = join(folder, 'whole.safetensors');
  succeeded(await lorikeet(['logits', modelOf('kitchen_sink'), ...tokens, '--adapter', odd, '--out', whole]));
  assert.not.equal(logitsOf(whole), logitsOf(plain));
});
files('the same folder twice is two adapters; scale 0 is the base', async () => {
  const adapter = `${modelOf('llama')}/adapters/qv`;
  const run = async (name: string, ...adapters: string[]): Promise<Float32Array> => {
    const out = join(folder, `${name}.safetensors`);
    succeeded(await lorikeet(['logits', modelOf('llama'), ...tokens, ...adapters.flatMap((a) => ['--adapter', a]), '--out', out]));
    return logitsOf(out);
  };
  const [twice, once, base, none] = [await run('twice', `${adapter}=0.25`, `${adapter}=0.5`), await run('once', `${adapter}=0.75`), await run('base'), await run('none', `${adapter}=0`)];
  assert.ok(difference(twice, once) <= TOLERANCE);
  assert.ok(difference(twice, base) > 100 * TOLERANCE);
  assert.equal(none, base);
});
files('--json: one object', async () => {
  const out = join(folder, 'told.safetensors');
  const ran = await lorikeet(['logits', modelOf('llama'), ...tokens, '--adapter', `${modelOf('llama')}/adapters/qv=0.5`, '--out', out, '--json']);
  succeeded(ran);
  const { shape } = readTensors(out).get('logits')!;
  assert.equal(JSON.parse(ran.stdout), { out, tokens: shape[0], outputs: shape[1], adapters: { qv: 0.5 } });
});
files('a tokenizer that cannot be used does not matter', async () => {
  const model = join(folder, 'broken-tokenizer');
  cpSync(modelOf('kitchen_sink'), model, { recursive: true });
  writeFileSync(join(model, 'tokenizer.json'), '{');
  succeeded(await lorikeet(['logits', model, ...tokens, '--out', join(folder, 'ids.safetensors')]));
});
files('an output that exists is replaced, also through a link; nothing else appears', async () => {
  const place = temporaryFolder();
  writeFileSync(join(place, 'real.safetensors'), 'before');
  symlinkSync('real.safetensors', join(place, 'link.safetensors'));
  succeeded(await lorikeet(['logits', modelOf('kitchen_sink'), ...tokens, '--out', 'link.safetensors'], { cwd: place }));
  assert.equal(readdirSync(place).sort(), ['link.safetensors', 'real.safetensors']);
  assert.is(logitsOf(join(place, 'real.safetensors')).length, 3 * 11);
});
files('a device is written to, not replaced', async () => {
  if (!existsSync('/dev/null')) return;
  succeeded(await lorikeet(['logits', modelOf('kitchen_sink'), ...tokens, '--out', '/dev/null']));
  assert.is(readFileSync('/dev/null').length, 0);
});
files.run();
