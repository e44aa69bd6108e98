import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createEngine, createRuntime, isLorikeetError, LoraConv1d, memoryReport, type Blend, type CombineOptions, type Engine } from '../../src/index.js';
import { COMBINE_METHODS } from '../../src/adapters/combine/recipe.js';
import type { Kernels } from '../../src/wasm/kernels.js';
import { difference } from '../models/golden.js';
import { goldenAdapter, goldenModel } from './folders.js';
import { failAllocation, spiedOn, Trap } from './spies.js';

// Combinations within an engine: what PEFT has no results for. `cat` is held against the blend it stands for, the rest is refused.

const TOKENS = [5, 3, 17, 40, 9, 2, 3, 4];

async function engineWith(model: string, names: readonly string[]): Promise<Engine> {
  const engine = await createEngine({ model: goldenModel(model) });
  for (const name of names) await engine.adapters.load(name, goldenAdapter(model, name));
  return engine;
}

function refused(work: () => unknown, code: string, part: RegExp): void {
  try {
    work();
  } catch (error) {
    assert.ok(isLorikeetError(error, code), String(error));
    return assert.match((error as Error).message, part);
  }
  assert.unreachable(`it was accepted, expected ${part.source}`);
}

const cat = suite('combine: cat is the blend');
const PAIRS: readonly (readonly [model: string, parts: Blend])[] = [
  ['llama', { qv: 0.7, all: -0.3 }], ['llama', { patterns: 1.3, rslora: 0.4, layer_1: 0.5 }], ['llama', { patterns_rslora: 0.8, embed: 0.5 }], ['llama', { embed: 0.6, embed_head_qv: -0.7 }],
  ['llama', { f16: 0.5, bf16: 0.8, head: 0.3 }], ['llama', { lora_bias: 0.7, qv: 0.5 }], ['llama', { lora_bias: 0.7, embed: 0.5 }], ['llama', { save_norms: 0.5, qv: 0.4, all: 0.2 }], ['llama', { tokens: 0.5, qv: 0.7 }],
  ['llama', { save_head: 1, all: 0.5, qv: 1 }], ['gpt2', { all: 0.5, lora_bias: 0.8, wte: 0.4 }], ['gpt2', { bias_all: 0.6, mlp_c_proj: 0.5 }], ['qwen2', { bias_lora_only: 0.5, lora_bias: -0.6 }],
  ['kitchen_sink', { everything: 0.6, rslora: 0.5, lora_bias: -0.7 }], ['kitchen_sink', { save_conv1d: 1, embedding_linear: 0.5 }], ['kitchen_sink_even', { everything: 0.6, conv1d: 0.5 }], ['llama_tied', { tokens: 1, layer: 0.5 }],
];
for (const [model, blend] of PAIRS) {
  const names = Object.keys(blend).filter((name) => name !== 'layer');
  const parts = Object.fromEntries(Object.entries(blend).filter(([name]) => name !== 'layer'));
  cat(`${model} ${JSON.stringify(parts)}, rescaled, exported and loaded again`, async () => {
    const engine = await engineWith(model, names);
    engine.adapters.rescale(names[0]!, 1.7);
    const together = engine.logits(TOKENS, { adapters: parts });
    const report = engine.adapters.combine('mood', parts);
    const alone = engine.logits(TOKENS, { adapters: { mood: 1 } });
    const off = difference(alone, together);
    assert.ok(off <= 1e-5, `largest difference ${off}`);
    assert.ok(difference(engine.logits(TOKENS, { adapters: {} }), together) > 1e-3, 'the blend does something');
    for (const { module, rank } of report.applied) assert.is(rank, engine.adapters.list().filter(({ name }) => names.includes(name)).reduce((sum, { applied }) => sum + (applied.find((a) => a.module === module)?.rank ?? 0), 0), module);

    const files = engine.adapters.files('mood');
    const lone = report.applied.find(({ module }) => /embed|wte/.test(module) && names.includes('lora_bias'));
    assert.is(report.warnings.length, lone && lone.rank > 0 ? 1 : 0);
    await engine.adapters.load('again', files);
    assert.equal(engine.logits(TOKENS, { adapters: { again: 1 } }), alone);
    const ranks = new Set(report.applied.map(({ rank }) => rank).filter((rank) => rank > 0));
    const config = JSON.parse(files['adapter_config.json']) as { rank_pattern: Record<string, number> };
    assert.is(Object.keys(config.rank_pattern).length > 0, ranks.size > 1);

    for (const name of names) engine.adapters.unload(name);
    assert.equal(engine.logits(TOKENS, { adapters: { mood: 1 } }), alone);
    engine.adapters.unload('mood');
    engine.adapters.unload('again');
    assert.is(engine.memory().adapters.used, 0);
    engine.dispose();
  });
}

cat('svd at the full rank, and one part by every method', async () => {
  const engine = await engineWith('llama', ['qv', 'patterns', 'lora_bias']);
  const parts = { qv: 0.7, patterns: -0.4, lora_bias: 0.5 };
  const together = engine.logits(TOKENS, { adapters: parts });
  const { applied } = engine.adapters.combine('mood', parts, { method: 'svd', rank: 4096 });
  assert.ok(difference(engine.logits(TOKENS, { adapters: { mood: 1 } }), together) <= 1e-5);
  assert.ok(Math.max(...applied.map(({ rank }) => rank)) < 100);
  for (const method of COMBINE_METHODS) {
    const { warnings } = engine.adapters.combine('mood', { lora_bias: -0.5 }, { method, ...(/ties|dare|magnitude/.test(method) ? { density: 0.5 } : {}) });
    assert.is(warnings.length, /ties|dare|magnitude/.test(method) ? 1 : 0);
    const off = difference(engine.logits(TOKENS, { adapters: { mood: 1 } }), engine.logits(TOKENS, { adapters: { lora_bias: -0.5 } }));
    assert.ok(off <= 1e-5, `${method}: ${off}`);
  }
  engine.dispose();
});

cat('a grouped convolution, group by group', async () => {
  const runtime = await createRuntime();
  const wave = (count: number, step: number): Float32Array => Float32Array.from({ length: count }, (_, i) => Math.sin(step * (i + 1)));
  const layer = new LoraConv1d(runtime, { weight: { data: wave(8 * 2 * 3, 0.7), shape: [8, 2, 3] }, groups: 2, padding: 1 });
  layer.loadAdapter('a', { A: { data: wave(2 * 4 * 3, 0.3), shape: [2, 4, 3] }, B: { data: wave(8, 1.1), shape: [8, 1, 1] }, alpha: 3 });
  layer.loadAdapter('b', { A: { data: wave(4 * 4 * 3, 0.9), shape: [4, 4, 3] }, B: { data: wave(16, 0.4), shape: [8, 2, 1] }, alpha: 2, bias: { data: wave(8, 2), shape: [8] } });
  const x = wave(4 * 9, 0.2);
  const together = layer.forward(x, { a: 0.7, b: -1.2 }).read();
  // Nothing dropped and all doubled: the dense way. Each group's ΔW is [4, 12], of rank 3 at most.
  const all = { layer: { delta: new Uint8Array(8 * 12).fill(1), bias: new Uint8Array(8).fill(1) } };
  const cases: readonly (readonly [rank: number, weight: number, options: CombineOptions])[] = [
    [6, 1, { method: 'cat' }], [6, 1, { method: 'svd', rank: 6 }], [6, 1, { method: 'svd', rank: 50 }], [8, 0.5, { method: 'dare_linear_svd', density: 0.5, rank: 50, masks: { a: all, b: all } }], [6, 0.5, { method: 'dare_linear_svd', density: 0.5, rank: 5, masks: { a: all, b: all } }],
  ];
  for (const [rank, weight, options] of cases) {
    const { applied: [applied] } = layer.adapters.combine('c', { a: 0.7, b: -1.2 }, options);
    const off = difference(layer.forward(x, { c: weight }).read(), together);
    assert.ok(off <= 1e-5, `${options.method}: ${off}`);
    assert.is(applied!.rank, rank);
  }
  layer.dispose();
  assert.is(memoryReport(runtime).adapters.used, 0);
});
cat.run();

const bias = suite('combine: lora_bias');
const BIAS = (values: readonly number[]) => ({ data: Float32Array.from(values), shape: [4] });
bias('is a task tensor of its own under every method', async () => {
  const runtime = await createRuntime();
  const layer = new LoraConv1d(runtime, { weight: { data: new Float32Array(4), shape: [4, 1, 1] } });
  const [A, B] = [{ data: new Float32Array([0]), shape: [1, 1, 1] }, { data: new Float32Array(4), shape: [4, 1, 1] }]; // only the bias is left
  layer.loadAdapter('a', { A, B, alpha: 2, bias: BIAS([1, -2, 3, -4]) }); // s·b = 2 −4 6 −8
  layer.loadAdapter('b', { A, B, alpha: 1, bias: BIAS([1, 5, -2, -1]) });
  layer.loadAdapter('plain', { A, B, alpha: 1 });
  const parts = { a: 0.5, b: 2, plain: 1 };
  const kept = (bytes: readonly number[]) => ({ layer: { A: new Uint8Array(1).fill(1), B: new Uint8Array(4).fill(1), delta: new Uint8Array(4).fill(1), bias: Uint8Array.from(bytes) } });
  const masks = { a: kept([1, 0, 0, 1]), b: kept([0, 1, 0, 1]), plain: kept([1, 1, 1, 1]) };
  const cases: readonly (readonly [options: CombineOptions, expected: readonly number[]])[] = [
    [{ method: 'cat' }, [3, 8, -1, -6]], [{ method: 'linear' }, [3, 8, -1, -6]], [{ method: 'svd' }, [3, 8, -1, -6]],
    [{ method: 'magnitude_prune', density: 0.5 }, [0, 10, 3 - 4, -4]], // a keeps 6, −8; b 5, −2
    [{ method: 'magnitude_prune_svd', density: 0.5 }, [0, 10, -1, -4]],
    [{ method: 'ties', density: 1 }, [1.5, 10, 3, -3]], // the sums 3 1 4 −9 elect + + + −; means of those that agree
    [{ method: 'ties', density: 1, majoritySign: 'frequency' }, [1.5, 10, 3, -3]],
    [{ method: 'dare_linear', density: 0.5, masks }, [2, 20, 0, -12]], [{ method: 'dare_ties_svd', density: 0.5, masks }, [2, 20, 0, -6]],
  ];
  for (const [options, expected] of cases) {
    layer.adapters.combine('c', parts, options);
    assert.equal([...layer.forward(new Float32Array([0]), { c: 1 }).read()], expected, JSON.stringify(options.method));
  }
  layer.dispose();
});
bias.run();

const carried = suite('combine: DoRA, aLoRA, replacements');
for (const [model, name] of [['llama', 'dora'], ['llama', 'dora_embed'], ['gpt2', 'dora'], ['kitchen_sink', 'dora'], ['llama', 'alora']] as const) {
  carried(`${model} ${name} alone: the blend's bits, also exported`, async () => {
    const engine = await engineWith(model, [name]);
    const tokens = [...TOKENS, 11, 12, 7];
    engine.adapters.combine('mood', { [name]: -0.7 }, { method: 'linear' });
    const expected = engine.logits(tokens, { adapters: { [name]: -0.7 } });
    const off = difference(engine.logits(tokens, { adapters: { mood: 1 } }), expected);
    assert.ok(name === 'alora' ? off <= 1e-5 : off === 0, String(off));
    await engine.adapters.load('again', engine.adapters.files('mood'));
    assert.ok(difference(engine.logits(tokens, { adapters: { again: 1 } }), expected) <= 1e-5);
    assert.ok(difference(engine.logits(tokens, { adapters: {} }), expected) > 1e-3);
    engine.dispose();
  });
}

carried('two DoRA adapters of different modules; DoRA and aLoRA of weight 0; the same invocation', async () => {
  const engine = await engineWith('llama', ['dora_head', 'dora_embed', 'dora', 'qv', 'alora', 'save_head', 'save_norms']);
  const same = (parts: Blend): void => {
    engine.adapters.combine('mood', parts);
    const tokens = [...TOKENS, 11, 12, 7];
    const off = difference(engine.logits(tokens, { adapters: { mood: 1 } }), engine.logits(tokens, { adapters: parts }));
    assert.ok(off <= 1e-5, `${JSON.stringify(parts)}: ${off}`);
  };
  same({ dora_head: 0.5, dora_embed: 0.7 });
  same({ dora: 0, qv: 0.7 });
  same({ save_head: 0, save_norms: 0.5, qv: 0.2 });
  await engine.adapters.load('alora_too', goldenAdapter('llama', 'alora'));
  same({ alora: 0.4, alora_too: -0.9 });
  engine.dispose();
});

carried('what is not one part\'s own is refused', async () => {
  const engine = await engineWith('llama', ['dora', 'dora_head', 'qv', 'embed', 'alora', 'tokens', 'save_embed', 'save_head', 'head', 'save_norms', 'save_every_norm', 'layer_1']);
  await engine.adapters.load('dora_too', goldenAdapter('llama', 'dora'));
  const before = engine.memory().adapters;
  const cases: readonly (readonly [parts: Blend, options: CombineOptions, message: RegExp])[] = [
    [{ dora: 1, qv: 1 }, {}, /"dora" is DoRA .*"dora" and "qv" are all applied there/], [{ dora: 1, dora_too: 1 }, { method: 'linear' }, /magnitude/], [{ qv: 1, dora_head: 1 }, {}, /either DoRA or not/],
    [{ dora: 1, dora_head: 1 }, { method: 'svd' }, /"svd" changes the factors/], [{ dora: 1, dora_head: 1 }, { method: 'ties', density: 0.5 }, /"ties" changes the factors/],
    [{ alora: 1, qv: 1 }, {}, /same positions .*\[11,12\] and null/], [{ tokens: 1, embed: 1 }, {}, /"tokens" replaces the weight .* and "embed" adds to it/], [{ save_embed: 1, embed: 1 }, {}, /adds to it/],
    [{ save_head: 1, head: 1 }, {}, /lm_head/], [{ save_norms: 1, save_every_norm: 1 }, {}, /"save_norms" and "save_every_norm" all replace the weight/], [{ tokens: 1, save_embed: 1 }, {}, /all replace the weight/],
    [{ qv: 1, layer_1: 1 }, { method: 'linear' }, /one rank at ".*": "qv" has 4, "layer_1" \d/], [{ qv: 1e39, layer_1: 1 }, { rank: 2, method: 'svd' }, /overflows/], [{ qv: 1e39 }, {}, /overflows/], [{ dora: 0 }, {}, /apply nowhere/], [{}, {}, /at least one adapter/],
  ];
  for (const [parts, options, message] of cases) {
    refused(() => engine.adapters.combine('mood', parts, options), 'adapter/combine', message);
    assert.equal({ ...engine.memory().adapters, highWater: 0 }, { ...before, highWater: 0 });
    assert.not(engine.adapters.has('mood'));
    assert.is(engine.memory().scratch.used, 0);
  }
  engine.dispose();
});
carried.run();

const options = suite('combine: options');
options('each that is wrong, missing or of no use is named', async () => {
  const engine = await engineWith('llama', ['qv', 'all']);
  const cases: readonly (readonly [options: unknown, message: RegExp])[] = [
    [null, /"options"/], [7, /"options"/], [{ method: 'sum' }, /"method" .* one of cat, linear/], [{ method: 'CAT' }, /"method"/], [{ density: 0.5 }, /"cat" takes no option "density"/], [{ method: 'linear', rank: 2 }, /no option "rank"/],
    [{ method: 'ties' }, /"density" .* got undefined/], [{ method: 'ties', density: 1.5 }, /got 1.5/], [{ method: 'ties', density: NaN }, /got NaN/], [{ method: 'ties', density: '0.5' }, /got "0.5"/], [{ method: 'dare_linear', density: 0 }, /without it/],
    [{ method: 'magnitude_prune', density: -0.1 }, /got -0.1/], [{ method: 'ties', density: 0.5, majoritySign: 'sum' }, /"majoritySign" .* got "sum"/], [{ method: 'magnitude_prune', density: 0.5, majoritySign: 'total' }, /no option "majoritySign"/],
    [{ method: 'svd', rank: 0 }, /"rank"/], [{ method: 'svd', rank: 2.5 }, /"rank"/], [{ method: 'svd', rank: 1e6 }, /"rank"/], [{ method: 'dare_ties', density: 0.5, seed: -1 }, /"seed"/], [{ method: 'dare_ties', density: 0.5, seed: 0.5 }, /"seed"/],
    [{ method: 'ties', density: 0.5, seed: 1 }, /no option "seed"/], [{ method: 'dare_ties', density: 0.5, masks: 4 }, /"masks"/], [{ method: 'dare_ties', density: 0.5, masks: {}, seed: 3 }, /"seed" .* beside "masks"/],
    [{ method: 'dare_ties_svd', density: 0.5, masks: {} }, /mask "delta" of "qv" .* found none/], [{ method: 'dare_ties_svd', density: 0.5, masks: { qv: { 'model.layers.0.self_attn.q_proj': { delta: new Uint8Array(3) } } } }, /found 3/],
    [{ methods: 'ties' }, /no option "methods"/],
  ];
  for (const [given, message] of cases) refused(() => engine.adapters.combine('mood', { qv: 0.5, all: 0.5 }, given as CombineOptions), 'adapter/combine', message);
  const q = engine.adapters.get('qv').deltas.findIndex((delta) => delta);
  const { a, b } = engine.adapters.get('qv').deltas[q]!.lowRank!;
  refused(() => engine.adapters.combine('mood', { qv: 0.5, all: 0.5 }, { method: 'dare_ties_svd', density: 0.5, masks: { qv: { 'model.layers.0.self_attn.q_proj': { delta: new Uint8Array(a.k * b.n).fill(2) } } } }), 'adapter/combine', /bytes 0 and 1/);
  refused(() => engine.adapters.combine('mood', { qv: NaN }), 'adapter/scale', /"qv"/);
  refused(() => engine.adapters.combine('mood', undefined as unknown as Blend), 'adapter/combine', /at least one/);
  refused(() => engine.adapters.combine('mood', { nobody: 1 }), 'adapter/unknown', /"nobody"/);
  refused(() => engine.adapters.combine('', { qv: 1 }), 'adapter/name', /name/);
  engine.adapters.merge({ qv: 1 });
  refused(() => engine.adapters.combine('qv', { all: 1 }), 'adapter/merged', /unmerge/);
  engine.adapters.unmerge();
  assert.is(engine.memory().scratch.used, 0);
  assert.equal(engine.adapters.list().map(({ name }) => name), ['qv', 'all']);
  engine.dispose();
});

options('a seed decides what dare drops', async () => {
  const engine = await engineWith('llama', ['qv', 'all']);
  const drawn = (seed?: number): Uint8Array => {
    engine.adapters.combine('mood', { qv: 0.5, layer: 0.5 }, { method: 'dare_linear_svd', density: 0.4, ...(seed === undefined ? {} : { seed }) });
    return engine.adapters.files('mood')['adapter_model.safetensors'];
  };
  await engine.adapters.load('layer', goldenAdapter('llama', 'layer_1'));
  assert.equal(drawn(), drawn(0));
  assert.equal(drawn(2 ** 40 + 1), drawn(2 ** 40 + 1));
  assert.not.equal(drawn(2 ** 40 + 1), drawn(1));
  engine.dispose();
});

options('its own name: what was active is baked in, a new generation at scale 1', async () => {
  const engine = await engineWith('llama', ['qv', 'all']);
  engine.adapters.rescale('qv', 0.5);
  const parts = { qv: 0.8, all: 0.3 };
  const session = engine.session({ adapters: { qv: 1 } });
  const expected = engine.logits(TOKENS, { adapters: parts });
  const { generation } = engine.adapters.combine('qv', parts);
  assert.is(generation, 2);
  assert.is(engine.adapters.get('qv').scale, 1);
  assert.ok(difference(engine.logits(TOKENS, { adapters: { qv: 1 } }), expected) <= 1e-5);
  session.dispose();
  // Under another's name, that name's slider stays, as when it is loaded again.
  engine.adapters.rescale('qv', 0.25);
  engine.adapters.combine('qv', { all: 1 });
  assert.is(engine.adapters.get('qv').scale, 0.25);
  engine.adapters.unload('qv');
  engine.adapters.unload('all');
  assert.is(engine.memory().adapters.used, 0);
  engine.dispose();
});
options.run();

const faults = suite('combine: faults');
const KITCHEN: Blend = { everything: 0.6, rslora: 0.5, lora_bias: -0.7 };
for (const method of COMBINE_METHODS) {
  const given: CombineOptions = { method, ...(/ties|dare|magnitude/.test(method) ? { density: 0.6 } : {}) };
  faults(`${method}: every allocation and every kernel fails once`, async () => {
    const { made: engine, spy } = await spiedOn(() => createEngine({ model: goldenModel('kitchen_sink') }));
    // By factors, the ranks have to be the same: one adapter three times, at different scales.
    const parts = /svd|cat/.test(method) ? KITCHEN : { everything: 0.6, two: -0.5, three: 0.3 };
    const files = { ...KITCHEN, two: 0, three: 0 };
    for (const name of Object.keys(files)) await engine.adapters.load(name, goldenAdapter('kitchen_sink', name === 'two' || name === 'three' ? 'everything' : name));
    await engine.adapters.load('mood', goldenAdapter('kitchen_sink', 'linear'));
    engine.adapters.rescale('mood', 0.7);
    spy.called = new Set();
    const whole = failAllocation(spy.heap, -1);
    engine.adapters.combine('other', parts, given);
    whole.stop();
    const called = [...spy.called] as (keyof Kernels)[];
    spy.called = null;
    const expected = engine.adapters.files('other')['adapter_model.safetensors'];
    engine.adapters.unload('other');
    const logits = engine.logits(TOKENS, { adapters: { mood: 1 } });
    const before = engine.memory();
    const unchanged = (): void => {
      const now = engine.memory();
      for (const arena of ['weights', 'adapters', 'kv', 'activations', 'scratch'] as const) assert.is(now[arena].used, before[arena].used, arena);
      assert.is(now.adapters.blocks, before.adapters.blocks);
      assert.is(engine.adapters.get('mood').generation, 1);
      assert.equal(engine.logits(TOKENS, { adapters: { mood: 1 } }), logits);
    };
    assert.ok(whole.count() > 5);
    for (let i = 0; i < whole.count(); i++) {
      const fault = failAllocation(spy.heap, i);
      refused(() => engine.adapters.combine('mood', parts, given), 'memory/exhausted', /./);
      fault.stop();
      unchanged();
    }
    const own = { cat: ['copyScaled'], linear: ['accumulate'], svd: ['svd'], ties: ['prune', 'disjointMerge'], dare: ['bernoulli', 'drop'], magnitude: ['prune', 'accumulate'] } as const;
    for (const [word, kernels] of Object.entries(own)) if (method.startsWith(word)) for (const kernel of kernels) assert.ok(called.includes(kernel), kernel);
    for (const kernel of called) {
      spy.trap = kernel;
      assert.throws(() => engine.adapters.combine('mood', parts, given), (error: unknown) => error instanceof Trap && error.kernel === kernel);
      spy.trap = null;
      unchanged();
    }
    engine.adapters.combine('mood', parts, given);
    assert.is(engine.adapters.get('mood').generation, 2);
    assert.equal(engine.adapters.files('mood')['adapter_model.safetensors'], expected);
    for (const name of Object.keys(files)) engine.adapters.unload(name);
    engine.adapters.unload('mood');
    assert.is(engine.memory().adapters.used, 0);
    engine.dispose();
  });
}
faults.run();
