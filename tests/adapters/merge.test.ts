import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createEngine, LorikeetError, type Blend, type Engine } from '../../src/index.js';
import type { Matrix } from '../../src/tensor/matrix.js';
import { difference } from '../models/golden.js';
import { filesOf, floats, goldenAdapter, goldenModel } from './folders.js';
import { spiedOn } from './spies.js';

// A merged base gives what the blend gives beside it: to rounding in f32, to the rounding of its own dtype in f16 and bf16. Unmerging gives the base's bits back.

const TOKENS = [5, 3, 17, 40, 9, 2, 3, 4];
const code = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    if (error instanceof LorikeetError) return error.code;
    throw error;
  }
  return 'none';
};

/** An engine with these adapters, and the bytes of its weights. */
async function stage(model: string, names: readonly string[]): Promise<{ engine: Engine; weightBytes: () => Uint8Array }> {
  const { made: engine, spy } = await spiedOn(() => createEngine({ model: goldenModel(model) }));
  for (const name of names) await engine.adapters.load(name, goldenAdapter(model, name));
  const { block, bytes } = engine.model;
  return { engine, weightBytes: () => new Uint8Array(spy.heap.memory.buffer).slice(block, block + bytes) };
}

const test = suite('merge');

// In f32 at most 2e-6 of the logits' size was seen; a step of f16 is 1/1024 of a weight, of bf16 1/128.
const CASES: readonly (readonly [model: string, tolerance: number, blends: readonly Blend[]])[] = [
  ['llama', 1e-5, [{ qv: 1 }, { all: -0.7 }, { patterns: 0.5 }, { rslora: 1, qv: 0.5 }, { dora: 1 }, { dora: -0.4 }, { dora_rslora: 0.5 }, { dora_embed: 0.7 }, { dora_head: 1 }, { embed: 1 }, { head: 0.5, qv: 1 },
    { embed_head_qv: 0.3 }, { save_head: 1 }, { save_norms: 1, all: 0.5 }, { save_embed: 1, embed: 0.5 }, { save_linear: 1 }, { f16: 1, bf16: 0.5 }, { tokens: 1 }, { tokens_head: 1, all: 0.5 }]],
  ['gpt2', 1e-5, [{ c_attn: 1 }, { all: 0.5 }, { dora: 1 }, { lora_bias: 1 }, { bias_all: 1, all: 0.5 }, { wpe: 1 }, { save_norm: 1 }]],
  ['qwen2', 1e-5, [{ all: 1 }, { bias_lora_only: 0.5 }, { bias_all: 1, all: -0.5 }, { dora: 0.5 }]],
  ['qwen3', 1e-5, [{ all: 1 }, { save_qk_norms: 1, all: 0.5 }]],
  ['kitchen_sink', 1e-5, [{ conv1d: 1 }, { everything: -0.7 }, { dora: 1 }, { lora_bias: 0.5, rslora: 1 }, { save_conv1d: 1 }, { bias_all: 1 }]],
  ['kitchen_sink_even', 1e-5, [{ everything: 0.5, conv1d: 1 }, { dora: 0.5 }]],
  ['llama_f16', 3e-3, [{ qv_f16: 1 }, { all: 0.5 }, { dora: 1 }]],
  ['llama_tied', 3e-2, [{ qv_bf16: 1 }, { tokens: 1 }, { save_embed_ensure: 1 }]],
  ['gemma3', 1e-5, [{ tokens: 1 }]],
];

for (const [model, tolerance, blends] of CASES) {
  for (const blend of blends) {
    test(`${model} ${Object.entries(blend).map(([name, scale]) => `${name}*${scale}`).join(' + ')}`, async () => {
      const { engine, weightBytes } = await stage(model, Object.keys(blend));
      const base = engine.logits(TOKENS);
      const bytes = weightBytes();
      const memory = engine.memory();
      const blended = engine.logits(TOKENS, { adapters: blend });
      for (let round = 0; round < 2; round++) {
        engine.adapters.merge(blend);
        assert.equal([...engine.adapters.merged].sort(), Object.keys(blend).sort());
        const merged = engine.logits(TOKENS);
        const off = difference(merged, blended);
        assert.ok(off <= tolerance, `largest difference ${off}`);
        assert.not.equal(merged, base);
        assert.not.equal(weightBytes(), bytes);
        // Asked for again at the scale it is merged at, it isn't applied twice.
        assert.equal(engine.logits(TOKENS, { adapters: blend }), merged);
        engine.adapters.unmerge();
        assert.equal(weightBytes(), bytes);
        assert.equal(engine.logits(TOKENS), base);
        assert.equal(engine.logits(TOKENS, { adapters: blend }), blended);
        const now = engine.memory();
        assert.is(now.adapters.used, memory.adapters.used);
        assert.is(now.weights.used, memory.weights.used);
      }
      engine.dispose();
    });
  }
}

test('what one weight can not express is refused, and nothing has changed', async () => {
  const refused: readonly (readonly [string, Blend])[] = [
    ['llama_tied', { embed: 1 }], ['llama_tied', { head: 1 }], ['llama_tied', { embed_ensure: 1 }], ['llama_tied', { dora_embed: 1 }], ['llama_tied', { save_embed: 1 }], ['llama_tied', { tokens_apart: 1 }],
    ['llama', { alora: 1 }], ['llama', { alora: 1, qv: 1 }], ['llama', { dora: 1, qv: 1 }], ['llama', { lora_bias: 1 }], ['qwen2', { lora_bias: 0.5, bias_all: 1 }], ['gpt2', { wte: 1 }],
  ];
  for (const [model, blend] of refused) {
    const { engine, weightBytes } = await stage(model, Object.keys(blend));
    const bytes = weightBytes();
    const memory = engine.memory();
    assert.is(code(() => engine.adapters.merge(blend)), 'adapter/merge', `${model} ${JSON.stringify(blend)}`);
    assert.equal(weightBytes(), bytes);
    assert.equal({ ...engine.memory().adapters, highWater: 0 }, { ...memory.adapters, highWater: 0 });
    assert.equal(engine.adapters.merged, []);
    engine.dispose();
  }
});

test('a replaced weight of a larger dtype than the base is rounded to it', async () => {
  const { engine, weightBytes } = await stage('llama_f16', []);
  const { n, k } = engine.model.modules.find(({ path }) => path === 'lm_head')!.weight as Matrix;
  const config = { peft_type: 'LORA', target_modules: 'dummy-target-modules', modules_to_save: ['lm_head'] };
  await engine.adapters.load('f32_head', filesOf({ config, tensors: new Map([['base_model.model.lm_head.weight', floats([n, k], (i) => Math.fround(Math.sin(i)))]]) }));
  const bytes = weightBytes();
  const beside = engine.logits(TOKENS, { adapters: { f32_head: 1 } });
  engine.adapters.merge({ f32_head: 1 });
  const merged = engine.logits(TOKENS);
  const off = difference(merged, beside);
  assert.ok(off > 0 && off < 3e-3, `largest difference ${off}`);
  engine.adapters.unmerge();
  assert.equal(weightBytes(), bytes);
  engine.dispose();
});

test('while something is merged: one at a time, its adapters stay as they are, and none is applied twice', async () => {
  const { engine } = await stage('llama', ['qv', 'all', 'dora']);
  engine.adapters.activate({ qv: 0.5 });
  const active = engine.logits(TOKENS);
  const generation = engine.adapters.get('qv').generation;
  engine.adapters.merge({ qv: 0.5 });
  const merged = engine.logits(TOKENS);
  assert.ok(difference(merged, active) < 1e-4);
  assert.is(code(() => engine.adapters.merge({ all: 1 })), 'adapter/merged');
  assert.is(code(() => engine.adapters.unload('qv')), 'adapter/merged');
  assert.is(code(() => engine.adapters.rescale('qv', 2)), 'adapter/merged');
  assert.is(code(() => engine.logits(TOKENS, { adapters: { qv: 1 } })), 'adapter/merged');
  assert.is(code(() => engine.adapters.activate({ dora: 1 })), 'adapter/merged');
  for (const [name, files] of [['qv', goldenAdapter('llama', 'all')], ['new', goldenAdapter('llama', 'dora')]] as const) {
    await engine.adapters.load(name, files).then(() => assert.unreachable(), (error: LorikeetError) => assert.is(error.code, 'adapter/merged'));
  }
  assert.is(engine.adapters.get('qv').generation, generation);
  assert.is(engine.adapters.has('new'), false);
  assert.equal(engine.logits(TOKENS), merged);
  assert.equal(engine.logits(TOKENS, { adapters: {} }), merged);
  engine.logits(TOKENS, { adapters: { all: 0.5 } }); // others go beside it
  await engine.adapters.load('other', goldenAdapter('llama', 'rslora'));
  engine.adapters.unmerge();
  engine.adapters.unmerge();
  assert.equal(engine.logits(TOKENS), active);
  engine.adapters.rescale('qv', 2);
  assert.is(engine.adapters.unload('qv').pending, 0);
  engine.dispose();
});

test('a merge while a DoRA adapter is loaded makes that load stale; disposing of a merged engine gives everything back', async () => {
  const { engine } = await stage('llama', ['qv']);
  const late = engine.adapters.load('dora', goldenAdapter('llama', 'dora'));
  const plain = engine.adapters.load('all', goldenAdapter('llama', 'all'));
  engine.adapters.merge({ qv: 1 });
  await late.then(() => assert.unreachable(), (error: LorikeetError) => assert.is(error.code, 'adapter/merged'));
  await plain;
  engine.adapters.unload('all');
  engine.dispose();
  const { weights, adapters, kv, activations } = engine.memory();
  assert.equal([weights.used, adapters.used, kv.used, activations.used], [0, 0, 0, 0]);
});

test('merging nothing merges nothing', async () => {
  const { engine, weightBytes } = await stage('llama', ['qv']);
  const bytes = weightBytes();
  engine.adapters.merge({});
  engine.adapters.merge({ qv: 0 });
  assert.equal(engine.adapters.merged, []);
  assert.equal(weightBytes(), bytes);
  engine.dispose();
});
test.run();
