import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isLorikeetError } from '../../src/errors.js';
import { decoderConfig } from '../../src/models/decoder-config.js';

// What config.json means where it leaves keys out, or holds more than its architecture reads, as transformers 5.23.0 has it.

const SIZES = { vocab_size: 61, hidden_size: 48, intermediate_size: 40, num_attention_heads: 4, num_hidden_layers: 2 };
const read = (model_type: string, fields: Record<string, unknown> = {}) => decoderConfig({ ...SIZES, model_type, ...fields });
const LLAMA3 = { rope_type: 'llama3', factor: 32, low_freq_factor: 1, high_freq_factor: 4 };

const test = suite('decoderConfig');

test('mistral has no biases, whatever its file says', () => {
  const { qkvBias, outBias, mlpBias } = read('mistral', { attention_bias: true, mlp_bias: true });
  assert.equal([qkvBias, outBias, mlpBias], [false, false, false]);
  const llama = read('llama', { attention_bias: true, mlp_bias: true });
  assert.equal([llama.qkvBias, llama.outBias, llama.mlpBias], [true, true, true]);
  const qwen2 = read('qwen2', { attention_bias: true, mlp_bias: true });
  assert.equal([qwen2.qkvBias, qwen2.outBias, qwen2.mlpBias], [true, false, false]);
});

test('a window that is absent is 4096, null is none', () => {
  assert.equal(read('mistral').windows, [4096, 4096]);
  assert.equal(read('mistral', { sliding_window: null }).windows, [0, 0]);
  assert.equal(read('qwen2', { use_sliding_window: true, max_window_layers: 1 }).windows, [0, 4096]);
  assert.equal(read('qwen2', { use_sliding_window: true, max_window_layers: 1, sliding_window: null }).windows, [0, 0]);
  assert.equal(read('qwen2', { sliding_window: 8, max_window_layers: 0 }).windows, [0, 0]);
  assert.equal(read('gemma3_text', { num_hidden_layers: 6 }).windows, [4096, 4096, 4096, 4096, 4096, 0]);
});

test('layer types are those of architectures that have several', () => {
  const types = { layer_types: ['full_attention', 'sliding_attention'], sliding_window: 8, use_sliding_window: true };
  assert.equal(read('qwen3', types).windows, [0, 8]);
  assert.equal(read('mistral', types).windows, [8, 8]);
  assert.equal(read('llama', types).windows, [0, 0]);
});

test('of two spellings of the rope the older counts', () => {
  const { ropes } = read('llama', { rope_theta: 500000, rope_scaling: { ...LLAMA3, original_max_position_embeddings: 8192 }, rope_parameters: { rope_type: 'default', rope_theta: 300 } });
  assert.equal([ropes[0]!.kind, ropes[0]!.base, ropes[0]!.original], ['llama3', 500000, 8192]);
});

test('the original positions of llama3 are the positions, where it names none', () => {
  assert.is(read('llama', { rope_scaling: LLAMA3 }).ropes[0]!.original, 2048);
  assert.is(read('llama', { rope_scaling: LLAMA3, max_position_embeddings: 4096 }).ropes[0]!.original, 4096);
});

test('SmolLM3 leaves positions out in every fourth layer, or where its list says so', () => {
  assert.equal(read('smollm3', { num_hidden_layers: 5 }).ropeOf, [0, 0, 0, -1, 0]);
  assert.equal(read('smollm3', { no_rope_layers: [0, 1] }).ropeOf, [-1, 0]);
  assert.equal(read('smollm3', { no_rope_layers: [0, 1], use_sliding_window: true, sliding_window: 8 }).windows, [8, 0]);
  for (const no_rope_layers of [[0], [0, 2], 'x']) {
    try {
      read('smollm3', { no_rope_layers });
      assert.unreachable();
    } catch (error) {
      assert.ok(isLorikeetError(error, 'config/invalid'));
    }
  }
});

test('Gemma2 bounds scores and logits, unless null says no; other models are refused then', () => {
  const bounds = (given: Record<string, unknown>): number[] => { const { attentionSoftcap, logitSoftcap } = read('gemma2', given); return [attentionSoftcap, logitSoftcap]; };
  assert.equal(bounds({}), [50, 30]);
  assert.equal(bounds({ attn_logit_softcapping: null, final_logit_softcapping: 5 }), [0, 5]);
  for (const [type, code] of [['gemma2', 'config/invalid'], ['gemma3_text', 'model/unsupported'], ['gemma', 'model/unsupported']]) {
    try {
      read(type!, { final_logit_softcapping: -1 });
      assert.unreachable();
    } catch (error) {
      assert.ok(isLorikeetError(error, code));
    }
  }
});

test('activations go by several names', () => {
  for (const [name, kind] of [['swish', 'silu'], ['gelu_python', 'gelu'], ['gelu_accurate', 'gelu_tanh'], ['gelu_python_tanh', 'gelu_tanh']]) assert.is(read('llama', { hidden_act: name }).activation, kind);
});

test('an encoder is refused', () => {
  try {
    read('gemma3_text', { use_bidirectional_attention: true });
    assert.unreachable();
  } catch (error) {
    assert.ok(isLorikeetError(error, 'model/unsupported'));
  }
});

const WRONG: readonly Record<string, unknown>[] = [
  { hidden_size: '48' }, { hidden_size: 48.5 }, { vocab_size: 0 }, { num_hidden_layers: 1e6 }, { num_key_value_heads: 3 }, { head_dim: 7 }, { rms_norm_eps: 'small' },
  { tie_word_embeddings: 'yes' }, { hidden_act: 7 }, { rope_scaling: [] }, { rope_scaling: { rope_type: 'linear' } },
];
for (const fields of WRONG) {
  test(`${JSON.stringify(fields)} is refused by name`, () => {
    try {
      read('llama', fields);
    } catch (error) {
      assert.ok(isLorikeetError(error, 'config/invalid'), String(error));
      assert.match(error.message, /in config\.json.* expected .*, found /);
      return;
    }
    assert.unreachable();
  });
}

test.run();
