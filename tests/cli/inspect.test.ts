import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { InspectedAdapter } from '../../src/cli/inspect/adapter.js';
import type { InspectedFile } from '../../src/cli/inspect/file.js';
import type { InspectedModel } from '../../src/cli/inspect/model.js';
import { writeSafetensors } from '../../src/formats/safetensors.js';
import { GOLDEN } from '../models/golden.js';
import { lorikeet, succeeded, temporaryFolder } from './run.js';

const MODELS = `${GOLDEN}models`;
const folder = temporaryFolder();
const json = async <T>(...args: string[]): Promise<T> => {
  const ran = await lorikeet(['inspect', ...args, '--json']);
  succeeded(ran);
  return JSON.parse(ran.stdout) as T;
};
const text = async (...args: string[]): Promise<string> => {
  const ran = await lorikeet(['inspect', ...args]);
  succeeded(ran);
  return ran.stdout;
};

const file = suite('lorikeet inspect, a file');
file('tensors and metadata', async () => {
  const path = `${MODELS}/kitchen_sink/model.safetensors`;
  const found = await json<InspectedFile>(path);
  assert.is(found.kind, 'safetensors');
  assert.is(found.parameters, 1800);
  assert.equal(found.tensors.find(({ name }) => name === 'conv1d.weight'), { name: 'conv1d.weight', dtype: 'F32', shape: [18, 13, 3], bytes: 2808 });
  assert.match(await text(path), /F32\s+\[18, 13, 3\]\s+2,808\s+conv1d\.weight/);
});
file('long lists are cut, --all shows them', async () => {
  const path = `${MODELS}/llama/model.safetensors`;
  assert.match(await text(path), /more \(--all shows them\)/);
  const all = await text(path, '--all');
  for (const { name } of (await json<InspectedFile>(path)).tensors) assert.ok(all.includes(name), name);
});
file('names and metadata are shown, not obeyed', async () => {
  const path = join(folder, 'evil.safetensors');
  const name = 'x\u001b[31m\u001b]0;t\u0007\u009b\u202egnp\u2066\n\r\u200b';
  writeFileSync(path, writeSafetensors([{ name, dtype: 'U8', shape: [1], bytes: new Uint8Array(1) }], { 'k\u001b[2J': 'v\u202e' }));
  const shown = await text(path);
  assert.not.match(shown.replaceAll('\n', ''), /[\u0000-\u001f\u007f-\u009f\u200b\u202e\u2066]/);
  assert.ok(shown.includes('x\\u{1b}[31m\\u{1b}]0;t\\u{7}\\u{9b}\\u{202e}gnp\\u{2066}\\u{a}\\u{d}\\u{200b}'));
  const ran = await lorikeet(['inspect', path, '--json']);
  assert.not.match(ran.stdout.trimEnd(), /[\u0000-\u001f\u007f-\u009f\u200b\u202e\u2066]/);
  assert.is((JSON.parse(ran.stdout) as InspectedFile).tensors[0]!.name, name);
});
file.run();

const gguf = suite('lorikeet inspect, GGUF');
gguf('a model: metadata, sizes, tensors by the file\'s names', async () => {
  const found = await json<InspectedModel>(`${GOLDEN}gguf/llama3.gguf`);
  assert.equal([found.kind, found.format, found.modelType, found.refused, found.unused, found.missing], ['model', 'gguf', 'llama', [], [], []]);
  assert.is(found.metadata['llama.embedding_length'], 36);
  assert.equal(found.tensors[0], { name: 'rope_freqs.weight', dtype: 'F32', shape: [6], bytes: 24 });
  const shown = await text(`${GOLDEN}gguf/kquants.gguf`);
  assert.match(shown, /Q6_K\s+\[67, 256\]\s+14,070\s+token_embd\.weight/);
  assert.match(shown, /llama\.embedding_length\s+256/);
});
gguf('a model of another architecture is shown, and why it is refused', async () => {
  const path = join(folder, 'other.gguf');
  const bytes = readFileSync(`${GOLDEN}gguf/qwen2.gguf`);
  writeFileSync(path, Buffer.from(bytes.toString('latin1').replace(/qwen2/g, 'qwenx'), 'latin1'));
  const found = await json<InspectedModel>(path);
  assert.equal([found.modelType, found.refused.map(({ code }) => code)], ['qwenx', ['model/unsupported']]);
  assert.ok(found.tensors.length > 20);
  assert.match(await text(path), /It would be refused:\n.*qwenx.*\[model\/unsupported\]/);
});
gguf('an adapter, alone and beside its model', async () => {
  const path = `${GOLDEN}gguf/adapters/llama-all.gguf`;
  const alone = await json<InspectedAdapter>(path);
  assert.equal([alone.kind, alone.refused, alone.applied.length, alone.applied[0]!.rank, alone.applied[0]!.scale], ['adapter', [], 21, 3, 1.5]);
  const beside = await json<InspectedAdapter>(path, '--model', `${MODELS}/llama`);
  assert.equal([beside.refused, beside.applied.length], [[], 21]);
  const wrong = await json<InspectedAdapter>(path, '--model', `${MODELS}/qwen2`);
  assert.equal(wrong.refused.map(({ code }) => code), ['adapter/architecture']);
  assert.equal((await json<InspectedAdapter>(`${GOLDEN}gguf/adapters/llama_tied-embed.gguf`)).refused, []);
});
gguf.run();

const model = suite('lorikeet inspect, a model');
model('architecture, sizes, shards', async () => {
  const found = await json<InspectedModel>(`${MODELS}/llama3`);
  assert.is(found.kind, 'model');
  assert.is(found.modelType, 'llama');
  assert.is(found.files.length, 3);
  assert.equal([found.refused, found.unused, found.missing], [[], [], []]);
  assert.is(found.modules.filter(({ kind }) => kind === 'linear').length, 22);
  assert.match(await text(`${MODELS}/llama3`), /This model loads\./);
});
model('every golden model loads', async () => {
  for (const name of ['gemma3', 'gpt2', 'qwen3', 'kitchen_sink', 'mistral']) assert.equal((await json<InspectedModel>(`${MODELS}/${name}`)).refused, [], name);
});
model('unused and missing tensors are named, all of them', async () => {
  const place = join(folder, 'holed');
  cpSync(`${MODELS}/kitchen_sink`, place, { recursive: true });
  writeFileSync(join(place, 'model.safetensors'), writeSafetensors([
    { name: 'embedding.weight', dtype: 'F32', shape: [67, 13], bytes: new Uint8Array(67 * 13 * 4) },
    { name: 'linear.bias', dtype: 'F32', shape: [11], bytes: new Uint8Array(44) },
    { name: 'extra', dtype: 'F32', shape: [1], bytes: new Uint8Array(4) },
  ]));
  const found = await json<InspectedModel>(place);
  assert.equal(found.unused, ['extra']);
  assert.equal(found.missing, [{ name: 'conv1d.weight', shape: [18, 13, 3] }, { name: 'conv1d.bias', shape: [18] }, { name: 'linear.weight', shape: [11, 18] }]);
  assert.equal(found.refused.map(({ code }) => code), ['model/missing-tensor']);
  assert.is(found.parameters, 67 * 13 + 11);
  const shown = await text(place);
  assert.match(shown, /It would be refused:/);
  assert.match(shown, /conv1d\.weight \[18, 13, 3\]/);
});
model('an unknown architecture, a wrong shape, a broken tokenizer: shown, with the reason', async () => {
  const place = join(folder, 'other');
  cpSync(`${MODELS}/kitchen_sink`, place, { recursive: true });
  const config = JSON.parse(readFileSync(join(place, 'config.json'), 'utf8')) as Record<string, unknown>;
  writeFileSync(join(place, 'config.json'), JSON.stringify({ ...config, model_type: 'mamba' }));
  const unknown = await json<InspectedModel>(place);
  assert.equal(unknown.refused.map(({ code }) => code), ['model/unsupported']);
  assert.is(unknown.tensors.length, 5);
  writeFileSync(join(place, 'config.json'), JSON.stringify({ ...config, num_outputs: 12 }));
  assert.equal((await json<InspectedModel>(place)).refused.map(({ code }) => code), ['model/shape-mismatch']);
  writeFileSync(join(place, 'config.json'), JSON.stringify(config));
  writeFileSync(join(place, 'tokenizer.json'), '{}');
  assert.equal((await json<InspectedModel>(place)).refused.map(({ code }) => code), ['text/tokenizer-invalid']);
});
model.run();

const adapter = suite('lorikeet inspect, an adapter');
const LLAMA = `${MODELS}/llama`;
adapter('ranks and scales as PEFT placed them, with and without the model', async () => {
  for (const name of ['qv', 'patterns', 'patterns_rslora', 'layers_02', 'dora']) {
    const placed = (JSON.parse(readFileSync(`${LLAMA}/placements.json`, 'utf8')) as Record<string, Record<string, { r: number; scaling: number }>>)[name]!;
    for (const model of [[], ['--model', LLAMA]]) {
      const { applied, refused, memoryBytes } = await json<InspectedAdapter>(`${LLAMA}/adapters/${name}`, ...model);
      assert.equal(refused, []);
      assert.is(memoryBytes === null, model.length === 0);
      const sort = (rows: [string, number, number][]) => rows.sort(([a], [b]) => (a < b ? -1 : 1)).map(([path, rank, scale]) => [path, rank, Number(scale.toPrecision(12))]);
      assert.equal(sort(applied.map(({ module, rank, scale }) => [module, rank, scale])), sort(Object.entries(placed).map(([path, { r, scaling }]) => [path, r, scaling])), name);
    }
  }
});
adapter('what the configuration does not target is refused; --selective takes it', async () => {
  const path = `${MODELS}/kitchen_sink/adapters/only_linear`;
  const alone = await json<InspectedAdapter>(path);
  assert.equal(alone.refused.map(({ code }) => code), ['adapter/unexpected-tensor', 'adapter/unexpected-tensor']);
  const strict = await json<InspectedAdapter>(path, '--model', `${MODELS}/kitchen_sink`);
  assert.equal(strict.refused.map(({ code }) => code), ['adapter/unexpected-tensor']);
  assert.equal(strict.selective, { applied: 1, left: 4 });
  const selective = await json<InspectedAdapter>(path, '--model', `${MODELS}/kitchen_sink`, '--selective');
  assert.equal([selective.refused, selective.applied.length, selective.left.length], [[], 1, 4]);
  assert.match(await text(path, '--model', `${MODELS}/kitchen_sink`), /With --selective it would load: 1 module applied, 4 tensors left out\./);
});
adapter('an adapter of another base, with its reason', async () => {
  const found = await json<InspectedAdapter>(`${LLAMA}/adapters/qv`, '--model', `${MODELS}/kitchen_sink`);
  assert.is(found.refused.length, 1);
  assert.match(found.refused[0]!.code, /^adapter\//);
});
/** A copy of an adapter with changes to its configuration. */
function changed(name: string, changes: Readonly<Record<string, unknown>>): string {
  const place = join(folder, name);
  cpSync(`${LLAMA}/adapters/qv`, place, { recursive: true });
  const config = JSON.parse(readFileSync(join(place, 'adapter_config.json'), 'utf8')) as Record<string, unknown>;
  writeFileSync(join(place, 'adapter_config.json'), JSON.stringify({ ...config, ...changes }));
  return place;
}
adapter('a configuration that is refused is shown with the reason', async () => {
  const CASES: readonly (readonly [string, Record<string, unknown>, string])[] = [
    ['pissa', { init_lora_weights: 'pissa' }, 'adapter/config-unsupported'], ['ia3', { peft_type: 'IA3' }, 'adapter/peft-type'], ['rank', { r: -1 }, 'adapter/config-invalid'],
    ['regex', { target_modules: '(' }, 'adapter/config-regex'], ['wider', { r: 5 }, 'adapter/shape-mismatch'], ['nowhere', { target_modules: ['w'] }, 'adapter/no-target'], ['dora', { use_dora: true }, 'adapter/missing-tensor'],
  ];
  for (const [name, changes, code] of CASES) {
    const { refused, tensors } = await json<InspectedAdapter>(changed(name, changes));
    assert.is(refused[0]?.code, code, name);
    assert.is(tensors.length, 12);
  }
});
adapter('half a pair is refused', async () => {
  const place = changed('half', {});
  writeFileSync(join(place, 'adapter_model.safetensors'), writeSafetensors([{ name: 'base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight', dtype: 'F32', shape: [4, 36], bytes: new Uint8Array(4 * 36 * 4) }]));
  const { refused } = await json<InspectedAdapter>(place);
  assert.equal(refused.map(({ code }) => code), ['adapter/missing-tensor']);
  assert.match(refused[0]!.message, /lacks lora_B/);
});
adapter.run();
