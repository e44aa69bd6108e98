// node build/js/tests/golden/export-adapters.js OUT: exports every golden adapter and combinations of some as folders OUT/<model>/<name>, each with the logits
// that this runtime gives under it, for check_export.py to hold against PEFT.
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { createEngine, type CombineOptions, type Engine } from '../../src/index.js';
import { GOLDEN, goldenCases, goldenModels } from '../models/golden.js';

const out = process.argv[2];
if (out === undefined) throw new Error('usage: export-adapters.js OUT');

const COMBINED: readonly (readonly [model: string, adapters: readonly string[], options: CombineOptions])[] = [
  ['llama', ['qv', 'all'], { method: 'cat' }], ['llama', ['rslora', 'regex'], { method: 'cat' }], ['llama', ['qv', 'dropout'], { method: 'linear' }], ['llama', ['embed', 'embed_head_qv'], { method: 'cat' }],
  ['llama', ['qv', 'all'], { method: 'svd' }], ['llama', ['qv', 'all'], { method: 'ties_svd', density: 0.5 }], ['llama', ['qv', 'dropout'], { method: 'dare_linear', density: 0.7, seed: 4 }], ['llama', ['qv', 'dropout'], { method: 'magnitude_prune', density: 0.5 }],
  ['gpt2', ['c_attn', 'all'], { method: 'cat' }], ['gpt2', ['c_attn', 'all'], { method: 'svd' }], ['kitchen_sink', ['everything', 'rslora'], { method: 'cat' }], ['kitchen_sink', ['everything', 'conv1d_linear'], { method: 'cat' }],
  ['qwen2', ['all', 'lora_bias'], { method: 'cat' }],
];

const index: { model: string; name: string; tokens: readonly number[] }[] = [];

function write(engine: Engine, model: string, loaded: string, name: string, tokens: readonly number[]): void {
  const folder = `${out}/${model}/${name}`;
  mkdirSync(folder, { recursive: true });
  for (const [file, content] of Object.entries(engine.adapters.files(loaded))) writeFileSync(`${folder}/${file}`, content);
  writeFileSync(`${folder}/logits.f32`, new Uint8Array(engine.logits(tokens, { adapters: { [loaded]: 1 } }).buffer));
  index.push({ model, name, tokens });
}

for (const model of goldenModels()) {
  const folder = `${GOLDEN}models/${model}`;
  const engine = await createEngine({ model: folder });
  const cases = goldenCases(model);
  const tokensOf = (adapter: string): readonly number[] => cases.find(({ name }) => name === (adapter === 'alora' ? 'alora_once' : adapter))!.tokens;
  for (const adapter of readdirSync(`${folder}/adapters`)) {
    await engine.adapters.load('a', `${folder}/adapters/${adapter}`, { selective: cases.some((one) => adapter in one.adapters && one.selective) });
    write(engine, model, 'a', adapter, tokensOf(adapter));
  }
  engine.adapters.unload('a');
  for (const [of, adapters, options] of COMBINED) {
    if (of !== model) continue;
    for (const adapter of adapters) await engine.adapters.load(adapter, `${folder}/adapters/${adapter}`);
    engine.adapters.combine('mood', { [adapters[0]!]: 0.7, [adapters[1]!]: -0.4 }, options);
    write(engine, model, 'mood', `${options.method} of ${adapters.join(' and ')}`, tokensOf(adapters[0]!));
    for (const adapter of ['mood', ...adapters]) engine.adapters.unload(adapter);
  }
  engine.dispose();
}
writeFileSync(`${out}/index.json`, JSON.stringify(index));
