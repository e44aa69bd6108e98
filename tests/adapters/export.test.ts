import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readdirSync } from 'node:fs';
import { createEngine, type CombineMethod } from '../../src/index.js';
import type { AppliedModule } from '../../src/index.js';
import { GOLDEN, goldenCases, goldenModels } from '../models/golden.js';
import { filesOf, floats, goldenAdapter, goldenModel, partsOf } from './folders.js';

// What is exported and loaded again, strictly, is the same adapter: the same modules, ranks and bits of the logits, and exported once more the same bytes.
// (tests/golden/check_export.py loads the same folders in PEFT.)

const test = suite('export');
const TOKENS = [5, 3, 17, 40, 9, 2, 3, 4, 11, 12, 6];
/** Where an adapter applies and how, without the bytes it takes (a file's mixed dtypes are widened once). */
const placed = (applied: readonly AppliedModule[]): unknown => applied.map(({ module, kinds, rank, scale }) => ({ module, kinds, rank, scale }));

for (const model of goldenModels()) {
  for (const name of readdirSync(`${GOLDEN}models/${model}/adapters`)) {
    test(`${model} ${name}`, async () => {
      const engine = await createEngine({ model: goldenModel(model) });
      const { adapters } = engine;
      const selective = goldenCases(model).some((one) => name in one.adapters && one.selective);
      const first = await adapters.load('first', goldenAdapter(model, name), { selective });
      adapters.rescale('first', 3); // not part of what is exported
      const files = adapters.files('first');
      const again = await adapters.load('again', files);
      assert.equal(placed(again.applied), placed(first.applied));
      assert.equal([again.left, again.warnings], [[], []]);
      adapters.rescale('first', 1);
      for (const scale of [1, -0.7]) assert.equal(engine.logits(TOKENS, { adapters: { again: scale } }), engine.logits(TOKENS, { adapters: { first: scale } }));
      assert.equal(adapters.files('again'), files);
      engine.dispose();
    });
  }
}

for (const method of ['cat', 'linear', 'svd', 'ties', 'dare_linear', 'magnitude_prune', 'ties_svd'] as const satisfies readonly CombineMethod[]) {
  for (const [model, one] of [['llama', 'all'], ['kitchen_sink', 'everything'], ['gpt2', 'all']] as const) {
    test(`a combination by ${method}, ${model}`, async () => {
      const engine = await createEngine({ model: goldenModel(model) });
      const { adapters } = engine;
      await adapters.load('a', goldenAdapter(model, one));
      await adapters.load('b', goldenAdapter(model, one));
      adapters.combine('mood', { a: 0.7, b: -0.3 }, { method, ...(/ties|dare|prune/.test(method) ? { density: 0.6 } : {}) });
      await adapters.load('again', adapters.files('mood'));
      assert.equal(engine.logits(TOKENS, { adapters: { again: 0.5 } }), engine.logits(TOKENS, { adapters: { mood: 0.5 } }));
      engine.dispose();
    });
  }
}

test('every alpha and rank comes back to the bit of its scaling', async () => {
  const engine = await createEngine({ model: goldenModel('llama') });
  const { adapters } = engine;
  for (const use_rslora of [false, true]) {
    for (const r of [1, 3, 5, 6, 7, 10, 11, 12]) {
      for (const lora_alpha of [1, 0.1, 1 / 3, 7, 16, 1e-3, 12345.678]) {
        const { config } = partsOf('llama', 'qv');
        const q = 'model.layers.0.self_attn.q_proj';
        const { applied: [first] } = await adapters.load('first', filesOf({
          config: { ...config, target_modules: [q], r, lora_alpha, use_rslora },
          tensors: new Map([[`base_model.model.${q}.lora_A.weight`, floats([r, 36], (i) => i / 64)], [`base_model.model.${q}.lora_B.weight`, floats([36, r], (i) => i / 32)]]),
        }));
        const { applied: [again] } = await adapters.load('again', adapters.files('first'));
        assert.is(again!.scale, first!.scale, `alpha ${lora_alpha}, rank ${r}, rsLoRA ${use_rslora}`);
      }
    }
  }
  engine.dispose();
});
test.run();
