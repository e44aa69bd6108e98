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
  /** Phi3 keeps q, k and v in one layer, gate and up in another. */
  readonly fused: boolean;
  /** Qwen3 and Gemma3 normalise each head of q and k. */
  readonly headNorms: boolean;
  /** Gemma2 and Gemma3 normalise the outputs of attention and MLP too, before the residual sums. */
  readonly sandwichNorms: boolean;
  /** Gemma stores norm weights around 0: 1 + w. In a GGUF the 1 is `normAdded` to the weights. */
  readonly normOffset: number;
  readonly normAdded: number;
  readonly embedScale: number;
  readonly attentionScale: number;
  /** Gemma2 bounds the scores of attention, and the logits: cap·tanh(x / cap); 0: not. */
  readonly attentionSoftcap: number;
  readonly logitSoftcap: number;
  /** Of each layer: the sliding window (0: none) and which of `ropes` (-1: none; SmolLM3 leaves positions out in every fourth). */
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
export const DECODER_TYPES = ['llama', 'mistral', 'qwen2', 'qwen3', 'smollm3', 'phi3', 'gemma', 'gemma2', 'gemma3_text'] as const;

/** Reads the config.json of a decoder of the Llama family, in the spelling of transformers 4 (rope_theta, rope_scaling) and 5 (rope_parameters). @throws LorikeetError `config/invalid`, `model/unsupported` */
export function decoderConfig(fields: Readonly<Record<string, unknown>>, file = 'config.json'): DecoderConfig {
  const config = new ConfigReader(fields, file);
  const modelType = config.string('model_type');
  const gemma = modelType.startsWith('gemma');
  const [gemma2, gemma3] = [modelType === 'gemma2', modelType === 'gemma3_text'];
  const hiddenSize = config.integer('hidden_size');
  const heads = config.integer('num_attention_heads');
  const layers = config.integer('num_hidden_layers', undefined, 1, 1024);
  const kvHeads = config.integer('num_key_value_heads', heads);
  const headDim = config.integer('head_dim', gemma ? 256 : modelType === 'qwen3' ? 128 : Math.floor(hiddenSize / heads));
  if (heads % kvHeads !== 0) throw new LorikeetError('config/invalid', `"num_key_value_heads" in ${file} expected a divisor of ${heads} heads, found ${kvHeads}.`, { expected: heads, found: kvHeads });
  if (headDim % 2 !== 0) throw new LorikeetError('config/invalid', `"head_dim" in ${file} expected an even number, found ${headDim}.`, { expected: 'even', found: headDim });
  for (const key of gemma2 ? [] : ['attn_logit_softcapping', 'final_logit_softcapping']) {
    if (fields[key] !== undefined && fields[key] !== null) throw new LorikeetError('model/unsupported', `"${key}" in ${file} isn't supported: expected null, found ${JSON.stringify(fields[key])}.`, { expected: null, found: fields[key] });
  }
  // Bidirectional attention makes an encoder of Gemma: embeddings, not text.
  if (gemma && config.boolean('use_bidirectional_attention', false)) throw new LorikeetError('model/unsupported', '"use_bidirectional_attention" in config.json isn\'t supported: expected false, found true.', { expected: false, found: true });
  const attentionBias = modelType !== 'mistral' && modelType !== 'qwen2' && modelType !== 'phi3' && config.boolean('attention_bias', false);
  const types = layerTypes(config, modelType, layers);
  const window = slidingWindow(config, modelType);
  const { ropes, ropeOf } = ropesOf(config, modelType, types);
  const normOffset = gemma ? config.integer('rms_norm_offset', 1, 0, 1) : 0;
  return Object.freeze({
    modelType, hiddenSize, heads, layers, kvHeads, headDim, ropes, ropeOf,
    vocabSize: config.integer('vocab_size'),
    intermediateSize: config.integer('intermediate_size'),
    eps: config.number('rms_norm_eps', 1e-6),
    maxPositions: positionsOf(config),
    tied: config.boolean('tie_word_embeddings', gemma || modelType === 'smollm3'),
    activation: activationOf(config.string(gemma2 || gemma3 ? 'hidden_activation' : 'hidden_act', gemma ? 'gelu_pytorch_tanh' : 'silu')),
    qkvBias: modelType === 'qwen2' || attentionBias,
    outBias: config.boolean('attention_out_bias', attentionBias),
    mlpBias: (modelType === 'llama' || modelType === 'smollm3') && config.boolean('mlp_bias', false),
    fused: modelType === 'phi3',
    headNorms: gemma3 || modelType === 'qwen3',
    sandwichNorms: gemma2 || gemma3,
    normOffset,
    normAdded: gemma ? 1 - normOffset : 0,
    embedScale: gemma ? Math.fround(Math.sqrt(hiddenSize)) : 1,
    attentionScale: 1 / Math.sqrt(gemma2 || gemma3 ? config.number('query_pre_attn_scalar', 256) : headDim),
    attentionSoftcap: gemma2 ? softcap(config, 'attn_logit_softcapping', 50) : 0,
    logitSoftcap: gemma2 ? softcap(config, 'final_logit_softcapping', 30) : 0,
    windows: types.map((type) => (type === 'sliding_attention' ? window : 0)),
  });
}

/** A bound, or 0 for none: null in the file, where absence stands for the usual one. */
function softcap(config: ConfigReader, key: string, usual: number): number {
  if (config.fields[key] === null) return 0;
  const bound = config.number(key, usual);
  if (bound <= 0) throw new LorikeetError('config/invalid', `"${key}" expected a number above 0 or null, found ${bound}.`, { expected: 'above 0', found: bound });
  return bound;
}

function positionsOf(config: ConfigReader): number {
  const modelType = config.string('model_type');
  return config.integer('max_position_embeddings', modelType === 'gemma3_text' || modelType === 'mistral' ? 131072 : modelType.startsWith('qwen') || modelType === 'smollm3' ? 32768 : modelType.startsWith('gemma') ? 8192 : modelType === 'phi3' ? 4096 : 2048);
}

/** "full_attention" or "sliding_attention" for each layer: given, or by the rule of the architecture. */
function layerTypes(config: ConfigReader, modelType: string, layers: number): readonly string[] {
  const given = config.fields.layer_types;
  if (Array.isArray(given) && modelType !== 'llama' && modelType !== 'mistral' && modelType !== 'phi3' && modelType !== 'gemma') {
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
  if (modelType === 'gemma2') return every.map((i) => ((i + 1) % 2 === 0 ? 'full_attention' : 'sliding_attention'));
  if (modelType === 'smollm3' && slidingWindow(config, modelType) > 0) return every.map((i) => (turns(config, i) ? 'full_attention' : 'sliding_attention'));
  if (modelType === 'mistral' || modelType === 'phi3') return every.map(() => 'sliding_attention'); // all in a window, or (null) none
  if (modelType.startsWith('qwen') && config.boolean('use_sliding_window', false)) {
    const from = config.integer('max_window_layers', 28, 0);
    return every.map((i) => (i >= from ? 'sliding_attention' : 'full_attention'));
  }
  return every.map(() => 'full_attention');
}

function slidingWindow(config: ConfigReader, modelType: string): number {
  if ((modelType.startsWith('qwen') || modelType === 'smollm3') && !config.boolean('use_sliding_window', false)) return 0;
  if (config.fields.sliding_window === null) return 0;
  return config.integer('sliding_window', modelType === 'llama' || modelType === 'phi3' || modelType === 'gemma' || modelType === 'smollm3' ? 0 : 4096, 0);
}

/** Whether a layer of SmolLM3 knows positions: no_rope_layers has 1 for those that do, else every fourth doesn't. */
function turns(config: ConfigReader, layer: number): boolean {
  const given = config.fields.no_rope_layers;
  if (given === undefined || given === null) return (layer + 1) % config.integer('no_rope_layer_interval', 4) !== 0;
  const flag: unknown = Array.isArray(given) ? given[layer] : undefined;
  if (flag !== 0 && flag !== 1) throw new LorikeetError('config/invalid', `"no_rope_layers" in config.json expected 0 or 1 for each layer, found ${JSON.stringify(given)}.`, { expected: '0 or 1', found: given });
  return flag === 1;
}

/** Gemma3 turns local and global layers by different frequencies; every other architecture has one. */
function ropesOf(config: ConfigReader, modelType: string, types: readonly string[]): { ropes: readonly RopeSpec[]; ropeOf: readonly number[] } {
  const parameters = config.object('rope_parameters');
  if (modelType !== 'gemma3_text') {
    const given = config.object('rope_scaling') ?? parameters; // where both stand, transformers takes the older
    return { ropes: [ropeSpec(given ?? config, given, modelType === 'smollm3' ? 2e6 : 10000, config)], ropeOf: types.map((_, i) => (modelType !== 'smollm3' || turns(config, i) ? 0 : -1)) };
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
