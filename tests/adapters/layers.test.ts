import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createRuntime, isLorikeetError, LoraConv1d, LoraEmbedding, LoraLinear, LorikeetError, memoryReport, type Conv1dOptions, type Runtime } from '../../src/index.js';
import { difference } from '../models/golden.js';
import { failAllocation } from './spies.js';

// Layers without a model, under the faults that models are put under: every allocation, bad tensors, merges that one weight can't express.

const tensor = (shape: readonly number[], seed: number) => ({ shape, data: Float32Array.from({ length: shape.reduce((p, d) => p * d, 1) }, (_, i) => Math.fround((((i + 1) * seed * 7919) % 1009) / 1009 - 0.5)) });
const LAYERS = {
  linear: {
    make: (runtime: Runtime) => new LoraLinear(runtime, { weight: tensor([11, 7], 3), bias: tensor([11], 5) }),
    adapter: { A: tensor([3, 7], 11), B: tensor([11, 3], 13), alpha: 5 }, magnitude: tensor([11], 17), bias: tensor([11], 19),
    forward: (layer: LoraLinear, rows: number) => layer.forward(tensor([rows, 7], 23).data, { a: 0.8 }).read(),
  },
  embedding: {
    make: (runtime: Runtime) => new LoraEmbedding(runtime, { weight: tensor([19, 6], 3), scale: 2 }),
    adapter: { A: tensor([3, 19], 11), B: tensor([6, 3], 13), alpha: 5 }, magnitude: tensor([6], 17), bias: null,
    forward: (layer: LoraEmbedding, rows: number) => layer.forward(Array.from({ length: rows }, (_, i) => (i * 5) % 19), { a: 0.8 }).read(),
  },
  conv1d: {
    make: (runtime: Runtime) => new LoraConv1d(runtime, { weight: tensor([10, 4, 3], 3), bias: tensor([10], 5), padding: 1 }),
    adapter: { A: tensor([3, 4, 3], 11), B: tensor([10, 3, 1], 13), alpha: 5 }, magnitude: tensor([1, 10, 1], 17), bias: tensor([10], 19),
    forward: (layer: LoraConv1d, rows: number) => layer.forward(tensor([rows, 4], 23).data, { a: 0.8 }).read(),
  },
};

/** What the arenas hold, without what they held at most; scratch keeps its pages. */
function held(runtime: Runtime): unknown {
  const { weights, adapters, kv, activations, scratch } = memoryReport(runtime);
  return [scratch.used, [weights, adapters, kv, activations].map(({ used, blocks, freeBlocks }) => [used, blocks, freeBlocks])];
}

function caught(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  return null;
}

const test = suite('layers under faults');

for (const [kind, { make, adapter, magnitude, bias, forward }] of Object.entries(LAYERS) as [string, { make: (runtime: Runtime) => LoraLinear; adapter: typeof LAYERS.linear.adapter; magnitude: typeof LAYERS.linear.magnitude; bias: typeof LAYERS.linear.bias | null; forward: (layer: LoraLinear, rows: number) => Float32Array }][]) {
  for (const [form, extra] of [['LoRA', {}], ['DoRA', { magnitude }], ...(bias ? [['lora_bias', { bias }]] as const : [])] as const) {
    test(`${kind}, ${form}: each allocation of making, loading and running`, async () => {
      const runtime = await createRuntime();
      make(runtime).dispose();
      const empty = held(runtime);
      const wanted = (() => {
        const layer = make(runtime);
        layer.loadAdapter('a', { ...adapter, ...extra });
        const results = [forward(layer, 3), forward(layer, 9)];
        layer.dispose();
        return results;
      })();
      assert.equal(held(runtime), empty);
      for (let failed = 0; ; failed++) {
        const fault = failAllocation(runtime.heap, failed);
        let stage = 'make';
        let layer: LoraLinear | null = null;
        const error = caught(() => {
          layer = make(runtime);
          stage = 'load';
          layer.loadAdapter('a', { ...adapter, ...extra });
          stage = 'run';
          forward(layer, 3);
          forward(layer, 9);
        });
        fault.stop();
        if (error === null) {
          assert.ok(failed >= 4, `${failed} allocations`);
          layer!.dispose();
          break;
        }
        assert.ok(isLorikeetError(error, 'memory/exhausted'), `${stage}, allocation ${failed}`);
        if (stage === 'load') {
          assert.is(runtime.adapters.report().used, 0, `allocation ${failed} of a load`);
          assert.is(layer!.adapters.has('a'), false);
        }
        // It works on, and gives what it gives.
        if (layer !== null) {
          if (stage === 'load') (layer as LoraLinear).loadAdapter('a', { ...adapter, ...extra });
          assert.equal([forward(layer, 3), forward(layer, 9)], wanted);
          (layer as LoraLinear).dispose();
        }
        assert.equal(held(runtime), empty, `allocation ${failed}, ${stage}`);
      }
    });
  }

  test(`${kind}: bad tensors and scales leave the former adapter at work`, async () => {
    const runtime = await createRuntime();
    const layer = make(runtime);
    layer.loadAdapter('a', adapter);
    const sound = forward(layer, 5);
    const before = held(runtime);
    const withNaN = { ...adapter.B, data: adapter.B.data.map((v, i) => (i === 4 ? NaN : v)) };
    const [rank, ...rest] = adapter.A.shape;
    for (const [code, work] of [
      ['tensor/not-finite', () => layer.loadAdapter('a', { ...adapter, B: withNaN })],
      ['adapter/shape-mismatch', () => layer.loadAdapter('a', { ...adapter, A: tensor([rank!, ...rest.slice(1), rest[0]! + 1], 3) })],
      ['adapter/shape-mismatch', () => layer.loadAdapter('a', { ...adapter, B: tensor([adapter.B.shape[0]!, rank! + 1, ...adapter.B.shape.slice(2)], 3) })],
      ['adapter/shape-mismatch', () => layer.loadAdapter('a', { ...adapter, magnitude: tensor([magnitude.data.length + 1], 3) })],
      ['adapter/config-invalid', () => layer.loadAdapter('a', { ...adapter, alpha: NaN })],
      ['adapter/config-invalid', () => layer.loadAdapter('a', { ...adapter, alpha: Infinity })],
      ['adapter/scale', () => layer.rescale('a', NaN)],
      ['adapter/unknown', () => layer.rescale('b', 1)],
      ['adapter/unknown', () => layer.unload('b')],
    ] as const) {
      const error = caught(work);
      assert.ok(error instanceof LorikeetError, String(error));
      assert.is(error.code, code, error.message);
      assert.equal(held(runtime), before);
      assert.equal(forward(layer, 5), sound);
    }
    layer.dispose();
    layer.dispose();
    assert.is(memoryReport(runtime).weights.used + memoryReport(runtime).adapters.used + memoryReport(runtime).activations.used, 0);
  });
}

test('a convolution that dilates, pads by other means or is grouped merges no low rank: PEFT runs its A without', async () => {
  const runtime = await createRuntime();
  const refused: readonly Conv1dOptions[] = [
    { weight: tensor([10, 4, 3], 3), padding: 2, dilation: 2 }, { weight: tensor([10, 4, 3], 3), padding: 1, paddingMode: 'reflect' }, { weight: tensor([10, 4, 3], 3), padding: 1, paddingMode: 'circular' }, { weight: tensor([10, 2, 3], 3), padding: 1, groups: 2 },
  ];
  for (const options of refused) {
    const layer = new LoraConv1d(runtime, options);
    layer.loadAdapter('a', { A: tensor([4, 4, 3], 11), B: tensor([10, 4 / (options.groups ?? 1), 1], 13), alpha: 3 });
    const before = held(runtime);
    const error = caught(() => layer.adapters.merge({ a: 1 }));
    assert.ok(isLorikeetError(error, 'adapter/merge'), String(error));
    assert.equal(held(runtime), before);
    layer.dispose();
  }
  for (const options of [{ weight: tensor([10, 4, 3], 3), padding: 1, stride: 2 }, { weight: tensor([10, 4, 4], 3), padding: 'same' }] as const) {
    const layer = new LoraConv1d(runtime, options);
    const x = tensor([9, 4], 23).data;
    layer.loadAdapter('a', { A: tensor([4, 4, options.weight.shape[2]!], 11), B: tensor([10, 4, 1], 13), alpha: 3 });
    const base = layer.forward(x, {}).read();
    const beside = layer.forward(x, { a: 1 }).read();
    layer.adapters.merge({ a: 1 });
    assert.ok(difference(layer.forward(x, {}).read(), beside) < 1e-5);
    assert.ok(isLorikeetError(caught(() => layer.loadAdapter('d', { A: tensor([4, 4, options.weight.shape[2]!], 11), B: tensor([10, 4, 1], 13), alpha: 3, magnitude: tensor([1, 10, 1], 3) })), 'adapter/merged'));
    layer.adapters.unmerge();
    assert.equal(layer.forward(x, {}).read(), base);
    layer.dispose();
  }
});
test.run();
