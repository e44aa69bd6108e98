import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { writeSafetensors } from '../../src/formats/safetensors.js';
import { createRuntime, isLorikeetError, LoraConv1d, LoraEmbedding, LoraLinear } from '../../src/index.js';

// What a caller hands a layer wrongly: each is a typed error, and the layer goes on as before.

const tensor = (shape: readonly number[]) => ({ shape, data: Float32Array.from({ length: shape.reduce((p, d) => p * d, 1) }, (_, i) => (i % 7) - 3) });
const runtime = await createRuntime();
const refused = (work: () => unknown, code: string): void => {
  try {
    work();
  } catch (error) {
    assert.ok(isLorikeetError(error, code), `expected ${code}, got ${String(error)}`);
    return;
  }
  assert.unreachable(`expected ${code}`);
};

const test = suite('input of layers');
test.after.each(() => {
  assert.equal([runtime.weights.report().used, runtime.adapters.report().used, runtime.activations.report().used, runtime.scratch.report().used], [0, 0, 0, 0]);
});

test('shapes of weights', () => {
  refused(() => new LoraLinear(runtime, { weight: tensor([6]) }), 'layer/shape-mismatch');
  refused(() => new LoraLinear(runtime, { weight: tensor([3, 2]), bias: tensor([2]) }), 'layer/shape-mismatch');
  refused(() => new LoraEmbedding(runtime, { weight: tensor([3, 2, 1]) }), 'layer/shape-mismatch');
  refused(() => new LoraConv1d(runtime, { weight: tensor([3, 2]) }), 'layer/shape-mismatch');
  refused(() => new LoraLinear(runtime, { weight: { shape: [3, 2], data: new Float32Array(5) } }), 'tensor/shape');
  refused(() => new LoraLinear(runtime, { weight: { shape: [0, 2], data: new Float32Array(0) } }), 'tensor/shape');
  refused(() => new LoraLinear(runtime, { weight: { shape: [3, 2], data: new Uint16Array(6) } }), 'tensor/dtype');
});

const OPTIONS: readonly object[] = [
  { stride: 0 }, { stride: 1.5 }, { dilation: 0 }, { groups: 0 }, { groups: 3 }, { padding: -1 }, { padding: 'half' }, { padding: 'same', stride: 2 }, { paddingMode: 'mirror' },
];
for (const option of OPTIONS) {
  test(`a convolution with ${JSON.stringify(option)}`, () => refused(() => new LoraConv1d(runtime, { weight: tensor([4, 2, 3]), ...option }), 'layer/option'));
}
test("an embedding's scale", () => refused(() => new LoraEmbedding(runtime, { weight: tensor([3, 2]), scale: NaN }), 'layer/option'));

test('inputs that are no rows of the layer, and ids that it lacks', () => {
  const linear = new LoraLinear(runtime, { weight: tensor([3, 2]) });
  const embedding = new LoraEmbedding(runtime, { weight: tensor([5, 4]) });
  const conv = new LoraConv1d(runtime, { weight: tensor([4, 2, 3]) });
  refused(() => linear.forward(new Float32Array(3)), 'layer/shape-mismatch');
  refused(() => linear.forward(new Float32Array(0)), 'layer/shape-mismatch');
  refused(() => linear.forward(embedding.forward([0, 1])), 'layer/shape-mismatch');
  refused(() => conv.forward(new Float32Array(4)), 'layer/shape-mismatch');
  for (const ids of [[5], [-1], [0.5]]) refused(() => embedding.forward(ids), 'tokens/unknown');
  refused(() => embedding.forward([]), 'tokens/empty');
  assert.equal([...linear.forward(new Float32Array([1, 1])).read()], [-5, -1, 3]);
  for (const layer of [linear, embedding, conv]) layer.dispose();
});

test('a result that was overwritten is neither read nor taken as an input', () => {
  const first = new LoraLinear(runtime, { weight: tensor([2, 2]) });
  const second = new LoraLinear(runtime, { weight: tensor([3, 2]) });
  const x = new Float32Array([1, 2]);
  const old = first.forward(x);
  const fresh = first.forward(x);
  refused(() => old.read(), 'tensor/stale');
  refused(() => second.forward(old), 'tensor/stale');
  assert.is(second.forward(fresh).read().length, 3);
  first.dispose();
  refused(() => second.forward(fresh), 'tensor/stale');
  second.dispose();
});

test('a layer that is disposed', () => {
  const layer = new LoraLinear(runtime, { weight: tensor([2, 2]) });
  layer.dispose();
  layer.dispose();
  refused(() => layer.forward(new Float32Array(2)), 'layer/disposed');
  refused(() => layer.loadAdapter('a', { A: tensor([1, 2]), B: tensor([2, 1]), alpha: 1 }), 'layer/disposed');
});

test('an aLoRA has no tokens to wait for: refused where it would be used', async () => {
  const layer = new LoraLinear(runtime, { weight: tensor([2, 2]) });
  const f32 = (values: readonly number[]) => new Uint8Array(new Float32Array(values).buffer);
  await layer.adapters.load('a', {
    'adapter_config.json': JSON.stringify({ peft_type: 'LORA', r: 1, target_modules: ['layer'], alora_invocation_tokens: [3] }),
    'adapter_model.safetensors': writeSafetensors([{ name: 'layer.lora_A.weight', dtype: 'F32', shape: [1, 2], bytes: f32([1, 2]) }, { name: 'layer.lora_B.weight', dtype: 'F32', shape: [2, 1], bytes: f32([3, 4]) }]),
  });
  const x = new Float32Array([1, 1]);
  refused(() => layer.forward(x, { a: 1 }), 'layer/adapter');
  assert.is(layer.forward(x, { a: 0 }).read().length, 2);
  layer.dispose();
});

test.run();
