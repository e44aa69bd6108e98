import { LorikeetError } from '../errors.js';
import { ConfigReader } from '../formats/config.js';
import type { Activation } from '../ops/ops.js';

/** How positions turn: the frequencies of `base`, scaled as `kind` says (`low`, `high` and `original` are llama3's). */
export interface RopeSpec {
  readonly base: number;
  readonly kind: 'default' | 'linear' | 'llama3';
  readonly factor: number;
  readonly low: number;
  readonly high: number;
  readonly original: number;
}

/** A decoder of the Llama family, as data: one forward pass serves them all. Names as in config.json where it has them. */
export interface DecoderConfig {
  readonly modelType: string;
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly eps: number;
  readonly maxPositions: number;
  readonly tied: boolean;
  readonly activation: Activation;
  /** Biases of q, k, v; of o; of the MLP. */
  readonly qkvBias: boolean;
  readonly outBias: boolean;
  readonly mlpBias: boolean;
  /** Qwen3 and Gemma3 normalise each head of q and k. */
  readonly headNorms: boolean;
  /** Gemma3 normalises the outputs of attention and MLP too, before the residual sums. */
  readonly sandwichNorms: boolean;
  /** Gemma stores norm weights around 0: 1 + w. In a GGUF the 1 is `normAdded` to the weights. */
  readonly normOffset: number;
  readonly normAdded: number;
  readonly embedScale: number;
  readonly attentionScale: number;
  /** Of each layer: the sliding window (0: none) and which of `ropes`. */
  readonly windows: readonly number[];
  readonly ropeOf: readonly number[];
  readonly ropes: readonly RopeSpec[];
}

const ACTIVATION_NAMES: Readonly<Record<string, Activation>> = { silu: 'silu', swish: 'silu', relu: 'relu', gelu: 'gelu', gelu_python: 'gelu',
  gelu_pytorch_tanh: 'gelu_tanh', gelu_python_tanh: 'gelu_tanh', gelu_new: 'gelu_tanh', gelu_fast: 'gelu_tanh', gelu_accurate: 'gelu_tanh' };

/** The kernel's name of an activation function of config.json. */
export function activationOf(name: string): Activation {
  const found = ACTIVATION_NAMES[name];
  if (!found) throw new LorikeetError('model/unsupported', `Activation "${name}" in config.json isn't supported: expected one of ${Object.keys(ACTIVATION_NAMES).join(', ')}.`, { expected: Object.keys(ACTIVATION_NAMES), found: name });
  return found;
}

/** The model types that this file reads. */
export const DECODER_TYPES = ['llama', 'mistral', 'qwen2', 'qwen3', 'gemma3_text'] as const;

/** Reads the config.json of a decoder of the Llama family, in the spelling of transformers 4 (rope_theta, rope_scaling) and 5 (rope_parameters). @throws LorikeetError `config/invalid`, `model/unsupported` */
export function decoderConfig(fields: Readonly<Record<string, unknown>>, file = 'config.json'): DecoderConfig {
  const config = new ConfigReader(fields, file);
  const modelType = config.string('model_type');
  const gemma = modelType === 'gemma3_text';
  const hiddenSize = config.integer('hidden_size');
  const heads = config.integer('num_attention_heads');
  const layers = config.integer('num_hidden_layers', undefined, 1, 1024);
  const kvHeads = config.integer('num_key_value_heads', heads);
  const headDim = config.integer('head_dim', gemma ? 256 : modelType === 'qwen3' ? 128 : Math.floor(hiddenSize / heads));
  if (heads % kvHeads !== 0) throw new LorikeetError('config/invalid', `"num_key_value_heads" in ${file} expected a divisor of ${heads} heads, found ${kvHeads}.`, { expected: heads, found: kvHeads });
  if (headDim % 2 !== 0) throw new LorikeetError('config/invalid', `"head_dim" in ${file} expected an even number, found ${headDim}.`, { expected: 'even', found: headDim });
  for (const key of ['attn_logit_softcapping', 'final_logit_softcapping']) {
    if (fields[key] !== undefined && fields[key] !== null) throw new LorikeetError('model/unsupported', `"${key}" in ${file} isn't supported: expected null, found ${JSON.stringify(fields[key])}.`, { expected: null, found: fields[key] });
  }
  // Bidirectional attention makes an encoder of Gemma3: embeddings, not text.
  if (gemma && config.boolean('use_bidirectional_attention', false)) throw new LorikeetError('model/unsupported', '"use_bidirectional_attention" in config.json isn\'t supported: expected false, found true.', { expected: false, found: true });
  const attentionBias = modelType !== 'mistral' && modelType !== 'qwen2' && config.boolean('attention_bias', false);
  const types = layerTypes(config, modelType, layers);
  const window = slidingWindow(config, modelType);
  const { ropes, ropeOf } = ropesOf(config, gemma, types);
  const normOffset = gemma ? config.integer('rms_norm_offset', 1, 0, 1) : 0;
  return Object.freeze({
    modelType, hiddenSize, heads, layers, kvHeads, headDim, ropes, ropeOf,
    vocabSize: config.integer('vocab_size'),
    intermediateSize: config.integer('intermediate_size'),
    eps: config.number('rms_norm_eps', 1e-6),
    maxPositions: positionsOf(config),
    tied: config.boolean('tie_word_embeddings', gemma),
    activation: activationOf(config.string(gemma ? 'hidden_activation' : 'hidden_act', gemma ? 'gelu_pytorch_tanh' : 'silu')),
    qkvBias: modelType === 'qwen2' || attentionBias,
    outBias: config.boolean('attention_out_bias', attentionBias),
    mlpBias: modelType === 'llama' && config.boolean('mlp_bias', false),
    headNorms: gemma || modelType === 'qwen3',
    sandwichNorms: gemma,
    normOffset,
    normAdded: gemma ? 1 - normOffset : 0,
    embedScale: gemma ? Math.fround(Math.sqrt(hiddenSize)) : 1,
    attentionScale: 1 / Math.sqrt(gemma ? config.number('query_pre_attn_scalar', 256) : headDim),
    windows: types.map((type) => (type === 'sliding_attention' ? window : 0)),
  });
}

function positionsOf(config: ConfigReader): number {
  const modelType = config.string('model_type');
  return config.integer('max_position_embeddings', modelType === 'gemma3_text' || modelType === 'mistral' ? 131072 : modelType.startsWith('qwen') ? 32768 : 2048);
}

/** "full_attention" or "sliding_attention" for each layer: given, or by the rule of the architecture. */
function layerTypes(config: ConfigReader, modelType: string, layers: number): readonly string[] {
  const given = config.fields.layer_types;
  if (Array.isArray(given) && modelType !== 'llama' && modelType !== 'mistral') {
    if (given.length !== layers || given.some((t) => t !== 'full_attention' && t !== 'sliding_attention')) {
      throw new LorikeetError('config/invalid', `"layer_types" in config.json expected ${layers} times "full_attention" or "sliding_attention", found ${JSON.stringify(given)}.`, { expected: layers, found: given });
    }
    return given as string[];
  }
  const every = Array.from({ length: layers }, (_, i) => i);
  if (modelType === 'gemma3_text') {
    const pattern = config.integer('sliding_window_pattern', config.integer('_sliding_window_pattern', 6));
    return every.map((i) => ((i + 1) % pattern === 0 ? 'full_attention' : 'sliding_attention'));
  }
  if (modelType === 'mistral') return every.map(() => 'sliding_attention'); // all in a window, or (null) none
  if (modelType.startsWith('qwen') && config.boolean('use_sliding_window', false)) {
    const from = config.integer('max_window_layers', 28, 0);
    return every.map((i) => (i >= from ? 'sliding_attention' : 'full_attention'));
  }
  return every.map(() => 'full_attention');
}

function slidingWindow(config: ConfigReader, modelType: string): number {
  if (modelType.startsWith('qwen') && !config.boolean('use_sliding_window', false)) return 0;
  if (config.fields.sliding_window === null) return 0;
  return config.integer('sliding_window', modelType === 'llama' ? 0 : 4096, 0);
}

/** Gemma turns local and global layers by different frequencies; every other architecture has one. */
function ropesOf(config: ConfigReader, gemma: boolean, types: readonly string[]): { ropes: readonly RopeSpec[]; ropeOf: readonly number[] } {
  const parameters = config.object('rope_parameters');
  if (!gemma) {
    const given = config.object('rope_scaling') ?? parameters; // where both stand, transformers takes the older
    return { ropes: [ropeSpec(given ?? config, given, 10000, config)], ropeOf: types.map(() => 0) };
  }
  const full = parameters?.object('full_attention');
  const sliding = parameters?.object('sliding_attention');
  return {
    ropes: [
      full ? ropeSpec(full, full, 1e6, config) : ropeSpec(config, config.object('rope_scaling'), 1e6, config),
      sliding ? ropeSpec(sliding, sliding, 10000, config) : { base: config.number('rope_local_base_freq', 10000), kind: 'default', factor: 1, low: 1, high: 1, original: 1 },
    ],
    ropeOf: types.map((type) => (type === 'sliding_attention' ? 1 : 0)),
  };
}

function ropeSpec(theta: ConfigReader, scaling: ConfigReader | undefined, defaultBase: number, config: ConfigReader): RopeSpec {
  const kind = scaling ? scaling.string('rope_type', scaling.string('type', 'default')) : 'default';
  if (kind !== 'default' && kind !== 'linear' && kind !== 'llama3') {
    throw new LorikeetError('model/unsupported', `Rope scaling "${kind}" in config.json isn't supported: expected default, linear or llama3.`, { expected: ['default', 'linear', 'llama3'], found: kind });
  }
  const partial = theta.fields.partial_rotary_factor ?? config.fields.partial_rotary_factor ?? 1;
  if (partial !== 1) throw new LorikeetError('model/unsupported', `"partial_rotary_factor" in config.json isn't supported: expected 1, found ${JSON.stringify(partial)}.`, { expected: 1, found: partial });
  const llama3 = kind === 'llama3';
  return {
    base: theta.number('rope_theta', config.number('rope_theta', defaultBase)), kind,
    factor: kind === 'default' ? 1 : scaling!.number('factor'),
    low: llama3 ? scaling!.number('low_freq_factor') : 1,
    high: llama3 ? scaling!.number('high_freq_factor') : 1,
    original: llama3 ? scaling!.integer('original_max_position_embeddings', positionsOf(config)) : 1,
  };
}
