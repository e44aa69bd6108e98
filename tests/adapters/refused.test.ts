import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createEngine, LorikeetError, type Blend } from '../../src/index.js';
import type { LoadAdapterOptions } from '../../src/adapters/load.js';
import { parseHeader, readHeaderLength } from '../../src/formats/safetensors.js';
import type { FolderFiles } from '../../src/store/source.js';
import { filesOf, floats, goldenAdapter, goldenModel, named, partsOf, type AdapterParts } from './folders.js';

// Every adapter that can't be applied in full is refused with a code that stays, and says what was expected and what was found. The engine goes on as before.

interface Case {
  readonly title: string;
  readonly model?: string;
  readonly code: string;
  readonly files: () => FolderFiles;
  readonly options?: LoadAdapterOptions;
  /** In the message or in `expected` or `found`. */
  readonly says?: readonly string[];
}

/** A golden adapter, changed. */
const changed = (adapter: string, change: (parts: AdapterParts) => void, model = 'llama') => (): FolderFiles => {
  const parts = partsOf(model, adapter);
  change(parts);
  return filesOf(parts);
};
const configured = (adapter: string, fields: Record<string, unknown>, model = 'llama') => changed(adapter, ({ config }) => { Object.assign(config, fields); }, model);
const withNumber = (end: string, value: number, at = 3) => (parts: AdapterParts): void => {
  const tensor = parts.tensors.get(named(parts, end))!;
  new DataView(tensor.bytes.buffer).setFloat32(at * 4, value, true);
};
const renamed = (end: string, to: (name: string) => string) => (parts: AdapterParts): void => {
  const name = named(parts, end);
  parts.tensors.set(to(name), parts.tensors.get(name)!);
  parts.tensors.delete(name);
};
const without = (end: string) => (parts: AdapterParts): void => { parts.tensors.delete(named(parts, end)); };
const added = (name: string, shape: readonly number[]) => (parts: AdapterParts): void => { parts.tensors.set(name, floats(shape, (i) => Math.fround(i * 0.01))); };
const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const Q = 'base_model.model.model.layers.0.self_attn.q_proj';

const CASES: readonly Case[] = [
  // The wrong base
  { title: 'a base of other sizes', code: 'adapter/shape-mismatch', files: () => goldenAdapter('qwen3', 'all'), says: ['expected ['] },
  { title: 'a base with other names', code: 'adapter/no-target', files: () => goldenAdapter('gpt2', 'c_attn') },
  { title: 'a base with more layers', code: 'adapter/unknown-module', files: changed('qv', added('base_model.model.model.layers.7.self_attn.q_proj.lora_A.weight', [4, 36])), says: ['layers.7'] },
  { title: 'another embedding trained beside', code: 'adapter/base-differs', files: changed('embed', withNumber('embed_tokens.base_layer.weight', 0.123)), says: ['embed_tokens'] },
  { title: 'another embedding in its last row', code: 'adapter/base-differs', files: changed('embed', withNumber('embed_tokens.base_layer.weight', 0.123, 67 * 36 - 1)), says: ['rows 64 and 67'] },
  { title: 'a resized embedding', code: 'adapter/shape-mismatch', files: changed('embed', (p) => { p.tensors.set(named(p, 'embed_tokens.base_layer.weight'), floats([68, 36], () => 0)); }), says: ['[67,36]', '[68,36]'] },
  { title: 'token rows beyond the vocabulary', code: 'adapter/shape-mismatch', files: configured('tokens', { trainable_token_indices: [3, 17, 67] }), says: ['67'] },
  { title: 'nothing of the model named', code: 'adapter/no-target', files: configured('qv', { target_modules: ['query_key_value'] }), says: ['query_key_value'] },
  { title: 'an empty list of targets', code: 'adapter/no-target', files: configured('qv', { target_modules: [] }) },
  { title: 'nothing left by targetModules', code: 'adapter/applies-nowhere', files: () => goldenAdapter('llama', 'qv'), options: { targetModules: ['nothing'] } },
  { title: 'a group of layers as a target', code: 'adapter/module-unsupported', files: configured('qv', { target_modules: ['self_attn'] }) },
  { title: 'a norm as a target', code: 'adapter/module-unsupported', files: configured('qv', { target_modules: ['input_layernorm'] }) },
  // Tensors
  { title: 'a missing B', code: 'adapter/missing-tensor', files: changed('qv', without('q_proj.lora_B.weight')), says: ['lora_B'] },
  { title: 'a missing A', code: 'adapter/missing-tensor', files: changed('qv', without('v_proj.lora_A.weight')), says: ['lora_A'] },
  { title: 'a missing half of an embedding', code: 'adapter/missing-tensor', files: changed('embed', without('lora_embedding_B')), says: ['lora_embedding_B'] },
  { title: 'a target without tensors', code: 'adapter/missing-tensor', files: configured('qv', { target_modules: ['q_proj', 'v_proj', 'k_proj'] }), says: ['k_proj'] },
  { title: 'a missing saved module', code: 'adapter/missing-tensor', files: changed('save_head', without('lm_head.weight')), says: ['lm_head'] },
  { title: 'missing token rows', code: 'adapter/missing-tensor', files: changed('tokens', without('trainable_tokens_delta')), says: ['trainable_tokens_delta'] },
  { title: 'a missing magnitude', code: 'adapter/missing-tensor', files: changed('dora', without('lora_magnitude_vector')), says: ['use_dora'] },
  { title: 'a missing lora_bias', code: 'adapter/missing-tensor', files: changed('lora_bias', without('lora_B.bias')), says: ['lora_bias'] },
  { title: 'a lora_bias that no one asked for', code: 'adapter/unexpected-tensor', files: configured('lora_bias', { lora_bias: false }), says: ['lora_bias'] },
  { title: 'a magnitude without use_dora', code: 'adapter/unexpected-tensor', files: configured('dora', { use_dora: false }), says: ['use_dora'] },
  { title: 'NaN in A', code: 'tensor/not-finite', files: changed('qv', withNumber('q_proj.lora_A.weight', NaN)), says: ['lora_A'] },
  { title: 'infinity in B', code: 'tensor/not-finite', files: changed('qv', withNumber('v_proj.lora_B.weight', -Infinity)), says: ['lora_B'] },
  { title: 'NaN in a magnitude', code: 'tensor/not-finite', files: changed('dora', withNumber('lora_magnitude_vector', NaN)) },
  { title: 'NaN in a token row', code: 'tensor/not-finite', files: changed('tokens', withNumber('trainable_tokens_delta', NaN)) },
  { title: 'NaN in a replaced norm', code: 'tensor/not-finite', files: changed('save_norms', withNumber('norm.weight', NaN)) },
  { title: 'A of another width', code: 'adapter/shape-mismatch', files: changed('qv', (p) => { p.tensors.set(named(p, 'q_proj.lora_A.weight'), floats([4, 35], () => 0)); }), says: ['[4,36]', '[4,35]'] },
  { title: 'A transposed', code: 'adapter/shape-mismatch', files: changed('qv', (p) => { p.tensors.set(named(p, 'q_proj.lora_A.weight'), floats([36, 4], () => 0)); }) },
  { title: 'a rank that the configuration denies', code: 'adapter/shape-mismatch', files: configured('qv', { r: 5 }), says: ['configuration'] },
  { title: 'a rank_pattern that the tensors deny', code: 'adapter/shape-mismatch', files: configured('qv', { rank_pattern: { q_proj: 2 } }) },
  { title: 'A of rank 0', code: 'adapter/shape-mismatch', files: changed('qv', (p) => { p.tensors.set(named(p, 'q_proj.lora_A.weight'), floats([0, 36], () => 0)); }) },
  { title: 'a magnitude of another length', code: 'adapter/shape-mismatch', files: changed('dora', (p) => { p.tensors.set(named(p, 'lora_magnitude_vector'), floats([35], () => 1)); }) },
  { title: 'a lora_bias of another length', code: 'adapter/shape-mismatch', files: changed('lora_bias', (p) => { p.tensors.set(named(p, 'lora_B.bias'), floats([7], () => 1)); }) },
  { title: 'a saved module of another shape', code: 'adapter/shape-mismatch', files: changed('save_head', (p) => { p.tensors.set(named(p, 'lm_head.weight'), floats([66, 36], () => 0)); }) },
  { title: 'token rows of another width', code: 'adapter/shape-mismatch', files: changed('tokens', (p) => { p.tensors.set(named(p, 'trainable_tokens_delta'), floats([3, 35], () => 0)); }) },
  { title: 'fewer token rows than indices', code: 'adapter/shape-mismatch', files: configured('tokens', { trainable_token_indices: [3, 17] }) },
  { title: 'a dtype that nothing computes on', code: 'tensor/dtype', files: changed('qv', (p) => { const name = named(p, 'q_proj.lora_A.weight'); p.tensors.set(name, { dtype: 'F64', shape: [4, 36], bytes: new Uint8Array(4 * 36 * 8) }); }), says: ['F64'] },
  { title: 'one tensor under two spellings', code: 'adapter/duplicate-tensor', files: changed('qv', (p) => { const name = named(p, 'q_proj.lora_A.weight'); p.tensors.set(name.replace('base_model.model.', ''), p.tensors.get(name)!); }) },
  { title: 'one tensor under its compiled name, too', code: 'adapter/duplicate-tensor', files: changed('qv', (p) => { const name = named(p, 'q_proj.lora_A.weight'); p.tensors.set(name.replace('.q_proj', '._orig_mod.q_proj'), p.tensors.get(name)!); }) },
  { title: 'a magnitude under two spellings', code: 'adapter/duplicate-tensor', files: changed('dora', (p) => { const name = named(p, 'lora_magnitude_vector'); p.tensors.set(`${name}.weight`, p.tensors.get(name)!); }) },
  { title: 'factors of a module that is no target', code: 'adapter/unexpected-tensor', files: changed('qv', added('base_model.model.model.layers.0.self_attn.k_proj.lora_A.weight', [4, 36])), says: ['k_proj', 'selective'] },
  { title: 'a whole weight that no one asked for', code: 'adapter/unexpected-tensor', files: changed('qv', added('base_model.model.model.layers.0.self_attn.o_proj.weight', [36, 36])), says: ['modules_to_save'] },
  { title: 'what a saved module replaces, of one that is not saved', code: 'adapter/unexpected-tensor', files: changed('qv', added('base_model.model.lm_head.original_module.weight', [67, 36])), says: ['modules_to_save'] },
  { title: 'another head beside an adapter that leaves it alone', code: 'adapter/base-differs', files: changed('qv', added('base_model.model.lm_head.weight', [67, 36])), says: ['lm_head'] },
  { title: 'a trained bias under bias: "none"', code: 'adapter/unexpected-tensor', model: 'qwen2', files: configured('bias_all', { bias: 'none' }, 'qwen2'), says: ['bias'] },
  { title: 'a trained bias where the base has none', code: 'adapter/unexpected-tensor', files: changed('qv', (p) => { p.config.bias = 'all'; added(`${Q}.bias`, [36])(p); }), says: ['has no bias'] },
  { title: 'token rows that no one asked for', code: 'adapter/unexpected-tensor', files: configured('tokens', { trainable_token_indices: null }) },
  { title: 'the base weight of a module that is no target', code: 'adapter/unexpected-tensor', files: changed('qv', added('base_model.model.model.embed_tokens.base_layer.weight', [67, 36])) },
  { title: "an embedding's factors beside a linear layer's", code: 'adapter/unexpected-tensor', files: changed('qv', added(`${Q}.lora_embedding_A`, [4, 36])), says: ['embedding'] },
  { title: "a linear layer's factors beside an embedding's", code: 'adapter/unexpected-tensor', files: changed('embed', added('base_model.model.model.embed_tokens.lora_A.weight', [4, 67])), says: ['embedding'] },
  { title: 'a parameter that the saved module lacks', code: 'adapter/unexpected-tensor', files: changed('save_head', added('base_model.model.lm_head.bias', [67])) },
  { title: 'other token rows of the head, which takes those of the embedding', code: 'adapter/unexpected-tensor', model: 'llama_tied', files: changed('tokens', added('base_model.model.lm_head.token_adapter.trainable_tokens_delta', [3, 36]), 'llama_tied') },
  { title: 'an unknown suffix', code: 'adapter/unknown-module', files: changed('qv', renamed('q_proj.lora_A.weight', (name) => name.replace('lora_A', 'lora_C'))), says: ['lora_C'] },
  // The configuration
  { title: 'no JSON', code: 'adapter/config-invalid', files: () => ({ ...goldenAdapter('llama', 'qv'), 'adapter_config.json': '{' }) },
  { title: 'JSON that is no object', code: 'adapter/config-invalid', files: () => ({ ...goldenAdapter('llama', 'qv'), 'adapter_config.json': '[]' }) },
  { title: 'rank 0', code: 'adapter/config-invalid', files: configured('qv', { r: 0 }), says: ['r '] },
  { title: 'a rank that is a text', code: 'adapter/config-invalid', files: configured('qv', { r: '4' }) },
  { title: 'another method', code: 'adapter/peft-type', files: configured('qv', { peft_type: 'IA3' }), says: ['IA3'] },
  { title: 'an initialisation that changed the base', code: 'adapter/config-unsupported', files: configured('qv', { init_lora_weights: 'pissa' }), says: ['pissa'] },
  { title: 'experts', code: 'adapter/config-unsupported', files: configured('qv', { target_parameters: ['experts.gate_up_proj'] }) },
  { title: 'a pattern that is none', code: 'adapter/config-regex', files: configured('qv', { target_modules: '(q_proj' }) },
  { title: 'DoRA with lora_bias', code: 'adapter/config-invalid', files: configured('dora', { lora_bias: true }) },
  { title: 'DoRA with aLoRA', code: 'adapter/config-invalid', files: configured('dora', { alora_invocation_tokens: [3] }) },
  { title: 'aLoRA on an embedding', code: 'adapter/config-unsupported', files: configured('embed', { alora_invocation_tokens: [3, 4] }), says: ['embed_tokens'] },
  { title: 'aLoRA on a convolution', code: 'adapter/config-unsupported', model: 'kitchen_sink', files: configured('conv1d', { alora_invocation_tokens: [3, 4] }, 'kitchen_sink'), says: ['conv1d'] },
  { title: 'aLoRA that replaces a module', code: 'adapter/config-unsupported', files: configured('save_head', { alora_invocation_tokens: [3, 4] }), says: ['lm_head'] },
  { title: 'aLoRA that replaces rows', code: 'adapter/config-unsupported', files: configured('tokens', { alora_invocation_tokens: [3, 4] }), says: ['embed_tokens'] },
  { title: 'aLoRA that replaces biases', code: 'adapter/config-unsupported', model: 'qwen2', files: configured('bias_all', { alora_invocation_tokens: [3, 4] }, 'qwen2'), says: ['bias'] },
  { title: 'a module both targeted and saved', code: 'adapter/config-invalid', files: changed('save_head', ({ config }) => { config.modules_to_save = ['lm_head', 'proj']; }) },
  // Files and limits
  { title: 'a pickle instead', code: 'adapter/pickle', files: () => ({ 'adapter_config.json': goldenAdapter('llama', 'qv')['adapter_config.json']!, 'adapter_model.bin': text('PK') }), says: ['safetensors'] },
  { title: 'no tensors at all', code: 'store/not-found', files: () => ({ 'adapter_config.json': goldenAdapter('llama', 'qv')['adapter_config.json']! }) },
  { title: 'no configuration', code: 'store/not-found', files: () => ({ 'adapter_model.safetensors': goldenAdapter('llama', 'qv')['adapter_model.safetensors']! }) },
  { title: 'an empty file', code: 'safetensors/header-too-short', files: () => ({ ...goldenAdapter('llama', 'qv'), 'adapter_model.safetensors': new Uint8Array(0) }) },
  { title: 'a file cut short', code: 'safetensors/offset-beyond-file', files: () => ({ ...goldenAdapter('llama', 'qv'), 'adapter_model.safetensors': (goldenAdapter('llama', 'qv')['adapter_model.safetensors'] as Uint8Array).slice(0, -1) }) },
  { title: 'a rank above the limit', code: 'adapter/limit', files: () => goldenAdapter('llama', 'qv'), options: { limits: { rank: 3 } }, says: ['limits.rank'] },
  { title: 'a file above the limit', code: 'adapter/limit', files: () => goldenAdapter('llama', 'qv'), options: { limits: { bytes: 7000 } }, says: ['limits.bytes'] },
  { title: 'a limit that is no number', code: 'adapter/limit', files: () => goldenAdapter('llama', 'qv'), options: { limits: { rank: NaN } }, says: ['limits.rank'] },
  { title: 'a rank beyond reason', code: 'adapter/limit', files: configured('qv', { r: 2 ** 40 }) },
];

const TOKENS = [5, 3, 17, 40, 9, 2, 3, 4];
const test = suite('refused adapters');

for (const model of new Set(CASES.map((c) => c.model ?? 'llama'))) {
  const former = { llama: 'all', qwen2: 'dora', kitchen_sink: 'everything', llama_tied: 'tokens' }[model]!;
  for (const { title, code, files, options, says = [] } of CASES.filter((c) => (c.model ?? 'llama') === model)) {
    test(title, async () => {
      const engine = await createEngine({ model: goldenModel(model) });
      await engine.adapters.load('a', goldenAdapter(model, former));
      engine.adapters.activate({ a: 0.5 });
      const logits = engine.logits(TOKENS);
      const memory = engine.memory();
      const listed = engine.adapters.list();
      for (const name of ['a', 'b']) {
        let caught: unknown;
        try {
          await engine.adapters.load(name, files(), options);
        } catch (error) {
          caught = error;
        }
        if (!(caught instanceof LorikeetError)) throw new Error('expected a LorikeetError', { cause: caught });
        assert.is(caught.code, code, caught.message);
        assert.ok(caught.expected !== undefined || caught.found !== undefined, 'neither expected nor found');
        const told = `${caught.message} ${JSON.stringify(caught.expected)} ${JSON.stringify(caught.found)}`;
        for (const word of says) assert.ok(told.includes(word), `${told} doesn't say ${word}`);
        assert.match(caught.message, /[.?]$/);
        const now = engine.memory();
        // Staging may have come to use more than before; it goes back with its mark.
        assert.equal({ ...now, adapters: { ...now.adapters, highWater: 0 }, scratch: now.scratch.used }, { ...memory, adapters: { ...memory.adapters, highWater: 0 }, scratch: 0 });
        assert.equal(engine.adapters.list(), listed);
        assert.equal(engine.logits(TOKENS), logits);
      }
      engine.dispose();
    });
  }
}
test.run();

const scales = suite('refused blends');
const refusal = (work: () => unknown): LorikeetError => {
  try {
    work();
  } catch (error) {
    if (error instanceof LorikeetError) return error;
    throw error;
  }
  throw new Error('it was accepted');
};

scales('scales that are no finite numbers, unknown names, conflicts', async () => {
  const engine = await createEngine({ model: goldenModel('llama') });
  for (const name of ['qv', 'save_head', 'save_embed', 'save_norms', 'save_every_norm', 'tokens']) await engine.adapters.load(name, goldenAdapter('llama', name));
  await engine.adapters.load('save_head_too', goldenAdapter('llama', 'save_head'));
  await engine.adapters.load('tokens_too', goldenAdapter('llama', 'tokens'));
  engine.adapters.activate({ qv: 0.5 });
  engine.adapters.rescale('qv', 2);
  const logits = engine.logits(TOKENS);
  const unchanged = (): void => {
    assert.equal(engine.adapters.active, { qv: 0.5 });
    assert.is(engine.adapters.get('qv').scale, 2);
    assert.equal(engine.logits(TOKENS), logits);
  };
  const session = engine.session({ adapters: { qv: 1 } });
  for (const scale of [NaN, Infinity, -Infinity, '1' as unknown as number, null as unknown as number, undefined as unknown as number, 1n as unknown as number]) {
    for (const work of [
      () => engine.adapters.activate({ qv: scale }), () => engine.adapters.rescale('qv', scale), () => engine.logits(TOKENS, { adapters: { qv: scale } }), () => engine.session({ adapters: { qv: scale } }),
      () => { session.adapters = { qv: scale }; }, () => engine.adapters.merge({ qv: scale }),
    ]) {
      const error = refusal(work);
      assert.is(error.code, 'adapter/scale');
      assert.ok(Object.is(error.found, scale));
      unchanged();
      assert.equal(session.adapters, { qv: 1 });
    }
  }
  for (const work of [
    () => engine.adapters.activate({ qv: 1, ghost: 1 }), () => engine.adapters.rescale('ghost', 1), () => engine.adapters.unload('ghost'), () => engine.logits(TOKENS, { adapters: { ghost: 0 } }),
    () => engine.session({ adapters: { ghost: 1 } }), () => { session.adapters = { ghost: 1 }; }, () => engine.adapters.merge({ ghost: 1 }), () => engine.adapters.files('ghost'),
    () => engine.adapters.activate({ toString: 1 }), () => engine.adapters.rescale('constructor', 1),
  ]) {
    const error = refusal(work);
    assert.is(error.code, 'adapter/unknown');
    assert.ok(Array.isArray(error.expected) && error.expected.includes('qv'));
    unchanged();
  }
  for (const blend of [{ save_head: 1, save_head_too: 1 }, { save_norms: 0.5, save_every_norm: 1 }, { tokens: 1, tokens_too: -1 }, { save_embed: 1, tokens: 1 }] as Blend[]) {
    for (const work of [() => engine.adapters.activate(blend), () => engine.logits(TOKENS, { adapters: blend }), () => engine.session({ adapters: blend }), () => engine.adapters.merge(blend)]) {
      const error = refusal(work);
      assert.is(error.code, 'adapter/conflict');
      assert.equal(error.found, Object.keys(blend));
      unchanged();
    }
  }
  engine.adapters.activate({ save_head: 1, save_head_too: 0 }); // the one at 0 isn't there
  for (const name of ['', 'x'.repeat(201), 7 as unknown as string]) {
    await engine.adapters.load(name, goldenAdapter('llama', 'qv')).then(() => assert.unreachable(), (error: LorikeetError) => assert.is(error.code, 'adapter/name'));
  }
  engine.dispose();
});

scales('names that objects have by themselves are names like others', async () => {
  const engine = await createEngine({ model: goldenModel('llama') });
  const base = engine.logits(TOKENS);
  for (const name of ['toString', '__proto__', 'constructor', 'hasOwnProperty']) {
    await engine.adapters.load(name, goldenAdapter('llama', 'qv'));
    assert.is(engine.adapters.list()[0]!.active, 0);
    const blend = JSON.parse(`{ ${JSON.stringify(name)}: 1 }`) as Record<string, number>;
    assert.not.equal(engine.logits(TOKENS, { adapters: blend }), base);
    engine.adapters.activate(blend);
    assert.is(engine.adapters.list()[0]!.active, 1);
    engine.adapters.unload(name);
    assert.equal(engine.adapters.active, {});
  }
  engine.dispose();
});

scales('an embedding saved in f16 is that of a bf16 base, though f16 has no room for its smallest values', async () => {
  const at = 5; // of the embedding's elements
  const model = goldenModel('llama_tied');
  const weights = (model['model.safetensors'] as Uint8Array).slice();
  const length = readHeaderLength(weights.subarray(0, 8), weights.length);
  const { begin } = parseHeader(weights.subarray(8, 8 + length), weights.length).tensors.get('model.embed_tokens.weight')!;
  new DataView(weights.buffer).setUint16(begin + at * 2, 0x3415, true); // bf16: 1.39e-7, between 2 and 3 of f16's smallest steps
  const engine = await createEngine({ model: { ...model, 'model.safetensors': weights } });
  const withElement = (bits: number): FolderFiles => {
    const parts = partsOf('llama_tied', 'embed_f16');
    const { dtype, bytes } = parts.tensors.get(named(parts, 'embed_tokens.base_layer.weight'))!;
    assert.is(dtype, 'F16');
    new DataView(bytes.buffer).setUint16(at * 2, bits, true);
    return filesOf(parts);
  };
  await engine.adapters.load('same', withElement(2));
  let code: unknown;
  try { await engine.adapters.load('other', withElement(3)); } catch (error) { code = (error as LorikeetError).code; }
  assert.is(code, 'adapter/base-differs');
  engine.dispose();
});

scales('selective leaves out what strict loading refuses, and says so', async () => {
  const engine = await createEngine({ model: goldenModel('llama') });
  await engine.adapters.load('plain', goldenAdapter('llama', 'qv'));
  const expected = engine.logits(TOKENS, { adapters: { plain: 1 } });
  const extra = ['base_model.model.model.layers.0.self_attn.k_proj.lora_A.weight', 'base_model.model.lm_head.weight', 'base_model.model.model.layers.9.mlp.up_proj.lora_A.weight', `${Q}.lora_embedding_A`, `${Q}.bias`];
  const report = await engine.adapters.load('extra', changed('qv', (parts) => { for (const name of extra) added(name, [4, 36])(parts); })(), { selective: true });
  assert.equal([...report.left].sort(), [...extra].sort());
  assert.equal(engine.logits(TOKENS, { adapters: { extra: 1 } }), expected);
  // Narrowed by the caller: what belongs to the modules left out is left out with them, without a word of `selective`.
  const narrowed = await engine.adapters.load('narrowed', goldenAdapter('llama', 'embed_head_qv'), { targetModules: ['q_proj', 'v_proj'] });
  assert.ok(narrowed.applied.every(({ module }) => /[qv]_proj$/.test(module)) && narrowed.applied.length === 6);
  assert.ok(narrowed.left.some((name) => name.endsWith('base_layer.weight')));
  engine.dispose();
});
scales.run();
