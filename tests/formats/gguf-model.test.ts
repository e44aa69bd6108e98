import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { LorikeetError } from '../../src/errors.js';
import { readGguf, type GgufHeader, type GgufValue } from '../../src/formats/gguf.js';
import { readGgufAdapter } from '../../src/formats/gguf-adapter.js';
import { readGgufModel } from '../../src/formats/gguf-model.js';
import { GGUF_ARCHITECTURES, ggufName, huggingFaceName, interleavedHeads } from '../../src/formats/gguf-names.js';

const headerOf = async (path: string): Promise<GgufHeader> => {
  const bytes = readFileSync(`tests/golden/gguf/${path}.gguf`);
  return readGguf({ size: bytes.length, read: async (begin, end) => bytes.subarray(begin, end) });
};
/** The header with keys changed; undefined takes one out. */
const changed = (header: GgufHeader, keys: Readonly<Record<string, GgufValue | undefined>>): GgufHeader => {
  const metadata = new Map(header.metadata);
  for (const [key, value] of Object.entries(keys)) {
    if (value === undefined) metadata.delete(key);
    else metadata.set(key, value);
  }
  return { ...header, metadata };
};
function failure(run: () => unknown): LorikeetError {
  try {
    run();
  } catch (error) {
    return error as LorikeetError;
  }
  throw new Error('nothing was thrown');
}

const names = suite('GGUF: names');
names('both ways, for every architecture', async () => {
  for (const architecture of GGUF_ARCHITECTURES) {
    const file = architecture === 'llama' ? 'llama_old' : architecture;
    for (const name of (await headerOf(file)).tensors.keys()) {
      if (name === 'rope_freqs.weight') continue;
      const translated = huggingFaceName(architecture, name);
      assert.ok(translated, `${architecture} ${name}`);
      assert.is(ggufName(architecture, translated), name);
    }
  }
});
names('what an architecture does not have', () => {
  for (const name of ['rope_freqs.weight', 'blk.0.attn_qkv.weight', 'blk.01.attn_q.weight', 'blk.0.attn_q', 'blk.-1.attn_q.weight', 'attn_q.weight', 'blk.0.token_embd.weight', 'x.0.attn_q.weight', '__proto__.weight', '']) assert.is(huggingFaceName('llama', name), undefined, name);
  assert.is(huggingFaceName('llama', 'blk.0.attn_q_norm.weight'), undefined);
  assert.is(huggingFaceName('qwen3', 'blk.11.attn_q_norm.weight'), 'model.layers.11.self_attn.q_norm.weight');
  assert.equal([huggingFaceName('llama', 'blk.0.ffn_norm.weight'), huggingFaceName('gemma3', 'blk.0.ffn_norm.weight')], ['model.layers.0.post_attention_layernorm.weight', 'model.layers.0.pre_feedforward_layernorm.weight']);
});
names('heads are interleaved in llama, q and k alone', () => {
  assert.equal(['blk.0.attn_q.weight', 'blk.3.attn_k.bias', 'blk.0.attn_v.weight', 'blk.0.attn_q_norm.weight', 'token_embd.weight'].map((name) => interleavedHeads('llama', name, 9, 3)), [9, 3, 0, 0, 0]);
  assert.is(interleavedHeads('smollm3', 'blk.0.attn_q.weight', 9, 3), 9);
  assert.is(interleavedHeads('qwen2', 'blk.0.attn_q.weight', 9, 3), 0);
});
names.run();

const model = suite('GGUF: a model as config.json');
model('llama', async () => {
  const { config, tensors } = readGgufModel(await headerOf('llama_old'));
  assert.equal(config, {
    hidden_size: 36, num_hidden_layers: 2, num_attention_heads: 6, num_key_value_heads: 2, head_dim: 12, intermediate_size: 52, rms_norm_eps: Math.fround(1e-6), max_position_embeddings: 64, vocab_size: 67,
    tie_word_embeddings: false, model_type: 'llama', rope_parameters: { rope_theta: 1000, rope_type: 'default' }, attention_bias: true, attention_out_bias: true, mlp_bias: true,
  });
  assert.is(tensors.get('model.layers.1.self_attn.k_proj.bias')?.heads, 2);
  assert.ok(tensors.has('rope_freqs.weight'));
});
model('gemma3', async () => {
  const { config } = readGgufModel(await headerOf('gemma3'));
  assert.is(config.model_type, 'gemma3_text');
  assert.equal(config.layer_types, ['sliding_attention', 'full_attention', 'sliding_attention', 'sliding_attention']);
  assert.equal(config.rope_parameters, { full_attention: { rope_theta: 5000, rope_type: 'linear', factor: 4 }, sliding_attention: { rope_type: 'default', rope_theta: 100 } });
  assert.equal([config.rms_norm_offset, config.tie_word_embeddings, config.query_pre_attn_scalar, config.sliding_window], [0, true, 10, 4]);
  const header = await headerOf('gemma3');
  assert.equal(readGgufModel(changed(header, { 'gemma3.attention.sliding_window_pattern': undefined })).config.layer_types, ['sliding_attention', 'sliding_attention', 'sliding_attention', 'sliding_attention']);
  assert.equal(readGgufModel(changed(header, { 'gemma3.attention.sliding_window_pattern': 2 })).config.layer_types, ['sliding_attention', 'full_attention', 'sliding_attention', 'full_attention']);
});
model('a window makes a mistral of llama; the usual sizes are derived', async () => {
  const header = await headerOf('llama_f16');
  const { config } = readGgufModel(changed(header, { 'llama.attention.sliding_window': 5, 'llama.attention.head_count_kv': undefined, 'llama.vocab_size': undefined, 'llama.rope.freq_base': undefined }));
  assert.equal([config.model_type, config.sliding_window, config.num_key_value_heads, config.vocab_size, config.head_dim], ['mistral', 5, 6, 67, 6]);
  assert.equal(config.rope_parameters, { rope_theta: 10000, rope_type: 'default' });
});
model('lists of one number for all layers', async () => {
  const header = await headerOf('llama_f16');
  assert.is(readGgufModel(changed(header, { 'llama.attention.head_count_kv': Uint32Array.of(2, 2) })).config.num_key_value_heads, 2);
  assert.is(failure(() => readGgufModel(changed(header, { 'llama.attention.head_count_kv': Uint32Array.of(2, 3) }))).code, 'model/unsupported');
});
model('a tensor under both of its names', async () => {
  const header = await headerOf('llama_f16');
  const tensors = new Map([...header.tensors, ['model.embed_tokens.weight', { ...header.tensors.get('token_embd.weight')!, name: 'model.embed_tokens.weight' }]]);
  assert.is(failure(() => readGgufModel({ ...header, tensors })).code, 'gguf/duplicate-tensor');
});
model('phi3, and its longrope', async () => {
  const header = await headerOf('phi3');
  const { config, tensors } = readGgufModel(header);
  assert.equal([config.sliding_window, tensors.get('model.layers.0.self_attn.qkv_proj.weight')?.info.shape[0], tensors.get('model.layers.0.mlp.gate_up_proj.weight')?.info.name], [6, 60, 'blk.0.ffn_up.weight']);
  const long = new Map([...header.tensors, ['rope_factors_long.weight', header.tensors.get('output_norm.weight')!]]);
  assert.is(failure(() => readGgufModel({ ...header, tensors: long })).code, 'model/unsupported');
});
model('soft bounds of gemma2, alternating windows', async () => {
  const header = await headerOf('gemma2');
  const { config } = readGgufModel(header);
  assert.equal([config.attn_logit_softcapping, config.final_logit_softcapping, config.layer_types], [1.5, 3, ['sliding_attention', 'full_attention', 'sliding_attention']]);
  const usual = readGgufModel(changed(header, { 'gemma2.attn_logit_softcapping': undefined, 'gemma2.final_logit_softcapping': undefined })).config;
  assert.equal([usual.attn_logit_softcapping, usual.final_logit_softcapping], [50, 30]);
});
const REFUSED: readonly (readonly [string, GgufValue | undefined, string])[] = [
  ['general.architecture', 'phi3000', 'model/unsupported'], ['general.architecture', undefined, 'model/unsupported'], ['general.architecture', 7, 'model/unsupported'], ['general.type', 'adapter', 'model/unsupported'], ['general.type', 'mmproj', 'model/unsupported'],
  ['llama.expert_count', 8, 'model/unsupported'], ['llama.attn_logit_softcapping', 50, 'model/unsupported'], ['llama.final_logit_softcapping', 30, 'model/unsupported'], ['llama.attention.causal', false, 'model/unsupported'],
  ['llama.attention.value_length', 8, 'model/unsupported'], ['llama.rope.dimension_count', 4, 'model/unsupported'], ['llama.rope.scaling.type', 'yarn', 'model/unsupported'], ['llama.rope.scaling.type', 'longrope', 'model/unsupported'],
  ['llama.logit_scale', 0.5, 'model/unsupported'], ['llama.attention.scale', 0.1, 'model/unsupported'], ['llama.rope.scaling.attn_factor', 1.2, 'model/unsupported'],
  ['llama.block_count', undefined, 'gguf/missing-key'], ['llama.embedding_length', undefined, 'gguf/missing-key'], ['llama.attention.layer_norm_rms_epsilon', undefined, 'gguf/missing-key'],
  ['llama.block_count', '2', 'gguf/key-type'], ['llama.block_count', 1.5, 'gguf/key-type'], ['llama.block_count', 2 ** 32 - 1, 'gguf/key-type'], ['llama.rope.freq_base', 'x', 'gguf/key-type'], ['llama.rope.freq_base', NaN, 'gguf/key-type'], ['llama.rope.scaling.type', 3, 'gguf/key-type'],
];
for (const [key, value, code] of REFUSED) {
  model(`${key} = ${String(value)}: ${code}`, async () => {
    const header = await headerOf('llama_f16');
    const error = failure(() => readGgufModel(changed(header, { [key]: value })));
    assert.is(error.code, code);
    assert.match(error.message, /^["T].*\.$/);
    assert.match(error.message, /expected/);
  });
}
model.run();

const adapter = suite('GGUF: an adapter as PEFT has it');
adapter('ranks, scale, names', async () => {
  const { architecture, config, tensors } = readGgufAdapter(await headerOf('adapters/llama-embed_head_qv'));
  assert.is(architecture, 'llama');
  const a = tensors.get('model.embed_tokens.lora_embedding_A')!;
  assert.ok(a.transposed);
  assert.is(a.shape[0], 67);
  assert.ok(tensors.get('model.layers.0.self_attn.q_proj.lora_B.weight')!.interleaved);
  assert.not(tensors.get('model.layers.0.self_attn.q_proj.lora_A.weight')!.interleaved);
  assert.not(tensors.get('model.layers.0.self_attn.v_proj.lora_B.weight')!.interleaved);
  assert.ok((config.target_modules as string[]).includes('lm_head'));
});
adapter('without an alpha the scale is 1, and the reader is told', async () => {
  const { config } = readGgufAdapter(changed(await headerOf('adapters/llama-all'), { 'adapter.lora.alpha': undefined }));
  assert.is(config.lora_alpha / config.r, 1);
  assert.is(config.warnings.length, 1);
});
adapter('ranks that differ', async () => {
  const header = await headerOf('adapters/llama-all');
  const tensors = new Map([...header.tensors].map(([name, info]) => [name, name === 'blk.1.attn_q.weight.lora_a' ? { ...info, shape: [2, 36] } : name === 'blk.1.attn_q.weight.lora_b' ? { ...info, shape: [36, 2] } : info]));
  const { config } = readGgufAdapter({ ...header, tensors });
  assert.equal([...config.rank_pattern], [['model\\.layers\\.1\\.self_attn\\.q_proj', 2]]);
  assert.is(config.r, 3);
});
adapter('aLoRA', async () => {
  const header = await headerOf('adapters/llama-alora');
  assert.equal(readGgufAdapter(header).config.alora_invocation_tokens, [11, 12]);
  assert.is(failure(() => readGgufAdapter(changed(header, { 'adapter.alora.invocation_tokens': Int32Array.of(11) }))).code, 'gguf/key-type');
  assert.is(readGgufAdapter(changed(header, { 'adapter.alora.invocation_tokens': new Uint32Array(0) })).config.alora_invocation_tokens, null);
});
adapter('what is none', async () => {
  const header = await headerOf('adapters/llama-all');
  const codeOf = (keys: Record<string, GgufValue | undefined>): string => failure(() => readGgufAdapter(changed(header, keys))).code;
  assert.is(codeOf({ 'general.type': 'model' }), 'adapter/gguf-kind');
  assert.is(codeOf({ 'general.type': undefined }), 'adapter/gguf-kind');
  assert.is(codeOf({ 'adapter.type': 'ia3' }), 'adapter/gguf-kind');
  assert.is(codeOf({ 'general.architecture': 'controlvector', 'general.type': undefined }), 'adapter/gguf-kind');
  assert.is(codeOf({ 'general.architecture': 'rwkv7' }), 'adapter/architecture');
  assert.is(codeOf({ 'adapter.lora.alpha': 'x' }), 'gguf/key-type');
  assert.is(failure(() => readGgufAdapter({ ...header, tensors: new Map([...header.tensors].map(([name, info]) => [name, { ...info, shape: [3, 4, 5] }])) })).code, 'adapter/shape-mismatch');
});
adapter.run();
