/**
 * A model's GGUF metadata as the record that config.json would be, and its tensors under the names of Hugging Face's checkpoints, so that one path builds both. What llama.cpp would do otherwise
 * than the record can say is refused by name.
 */
import { LorikeetError } from '../errors.js';
import type { GgufHeader, GgufMetadata, GgufTensor, GgufValue } from './gguf.js';
import { GGUF_ARCHITECTURES, huggingFaceName, interleavedHeads, type GgufArchitecture } from './gguf-names.js';

/** The most layers that are taken: lists of them are made before any tensor is looked for. */
const MAX_LAYERS = 1024;

/** A tensor under its name in Hugging Face's checkpoints. */
export interface NamedTensor {
  readonly info: GgufTensor;
  /** Heads whose rows the file interleaves; 0: none. */
  readonly heads: number;
}

export interface GgufModel {
  /** Keys as in config.json; `rms_norm_offset` and `attention_out_bias` are this runtime's own. */
  readonly config: Readonly<Record<string, unknown>>;
  /** By Hugging Face's name where the architecture has one, else by the file's own (`rope_freqs.weight`). */
  readonly tensors: ReadonlyMap<string, NamedTensor>;
}

/**
 * Reads what a GGUF says of its model.
 *
 * @throws LorikeetError `model/unsupported`, `gguf/missing-key`, `gguf/key-type`, `gguf/duplicate-tensor`
 */
export function readGgufModel({ metadata, tensors: stored }: Pick<GgufHeader, 'metadata' | 'tensors'>): GgufModel {
  const architecture = architectureOf(metadata);
  const keys = new Keys(metadata, architecture);
  const config = configOf(architecture, keys, stored);
  const { num_attention_heads: heads, num_key_value_heads: kvHeads } = config as { num_attention_heads: number; num_key_value_heads: number };
  const tensors = new Map<string, NamedTensor>();
  for (const [name, info] of stored) {
    const known = huggingFaceName(architecture, name) ?? name;
    if (tensors.has(known)) throw new LorikeetError('gguf/duplicate-tensor', `The tensors ${JSON.stringify(tensors.get(known)!.info.name)} and ${JSON.stringify(name)} of the GGUF are one and the same: expected it once.`, { expected: 1, found: 2 });
    tensors.set(known, { info, heads: interleavedHeads(architecture, name, heads, kvHeads) });
  }
  return { config: Object.freeze(config), tensors };
}

/** @throws LorikeetError `model/unsupported` for one that isn't read, and for a file that holds no model */
function architectureOf(metadata: GgufMetadata): GgufArchitecture {
  const type = metadata.get('general.type') ?? 'model';
  if (type !== 'model') throw new LorikeetError('model/unsupported', `The GGUF holds ${shown(type)} (general.type), expected a model${type === 'adapter' ? '; load it with adapters.load' : ''}.`, { expected: 'model', found: type });
  const name = metadata.get('general.architecture');
  const found = GGUF_ARCHITECTURES.find((known) => known === name);
  if (!found) throw new LorikeetError('model/unsupported', `"general.architecture" of the GGUF expected one of ${GGUF_ARCHITECTURES.join(', ')}, found ${shown(name)}.`, { expected: GGUF_ARCHITECTURES, found: name });
  return found;
}

function configOf(architecture: GgufArchitecture, keys: Keys, tensors: ReadonlyMap<string, GgufTensor>): Record<string, unknown> {
  const heads = keys.count('attention.head_count');
  const hiddenSize = keys.count('embedding_length');
  const layers = keys.count('block_count', undefined, MAX_LAYERS);
  const headDim = keys.count('attention.key_length', Math.floor(hiddenSize / heads));
  for (const name of ['rope_factors_long.weight', 'rope_factors_short.weight']) if (tensors.has(name)) throw unsupported(name, 'none: two sets of frequencies (longrope)', 'one');
  checkNeutral(keys, headDim, architecture === 'gemma2' ? ['attn_logit_softcapping', 'final_logit_softcapping'] : []);
  const vocabulary = tensors.get('token_embd.weight')?.shape[0];
  const window = keys.count('attention.sliding_window', 0);
  const has = (name: string): boolean => tensors.has(name);
  const shared = {
    hidden_size: hiddenSize, num_hidden_layers: layers, num_attention_heads: heads, num_key_value_heads: keys.count('attention.head_count_kv', heads), head_dim: headDim,
    intermediate_size: keys.count('feed_forward_length'), rms_norm_eps: keys.number('attention.layer_norm_rms_epsilon'), max_position_embeddings: keys.count('context_length'),
    vocab_size: vocabulary ?? keys.count('vocab_size'), tie_word_embeddings: !has('output.weight'),
  };
  const rope = { rope_theta: keys.number('rope.freq_base', 10000), ...ropeScaling(keys) };
  switch (architecture) {
    case 'llama':
      return {
        ...shared, model_type: window > 0 ? 'mistral' : 'llama', rope_parameters: rope, ...(window > 0 ? { sliding_window: window } : {}),
        attention_bias: has('blk.0.attn_q.bias'), attention_out_bias: has('blk.0.attn_output.bias'), mlp_bias: has('blk.0.ffn_up.bias'),
      };
    case 'qwen2':
      return { ...shared, model_type: architecture, rope_parameters: rope };
    case 'qwen3':
      return { ...shared, model_type: architecture, rope_parameters: rope, attention_bias: has('blk.0.attn_q.bias'), attention_out_bias: has('blk.0.attn_output.bias') };
    case 'smollm3': // llama.cpp, too, leaves positions out in every fourth layer
      return { ...shared, model_type: architecture, rope_parameters: rope, no_rope_layer_interval: 4, attention_bias: has('blk.0.attn_q.bias'), attention_out_bias: has('blk.0.attn_output.bias'), mlp_bias: has('blk.0.ffn_up.bias') };
    case 'phi3':
      return { ...shared, model_type: architecture, rope_parameters: rope, sliding_window: window > 0 ? window : null };
    case 'gemma':
      return { ...shared, ...GEMMA, model_type: architecture, rope_parameters: rope };
    case 'gemma2':
      return {
        ...shared, ...GEMMA, model_type: architecture, rope_parameters: rope, sliding_window: window, layer_types: layerTypes(keys, layers, 2), query_pre_attn_scalar: queryScalar(layers === 46, hiddenSize, heads, headDim),
        attn_logit_softcapping: keys.number('attn_logit_softcapping', 50), final_logit_softcapping: keys.number('final_logit_softcapping', 30),
      };
    case 'gemma3':
      return {
        ...shared, ...GEMMA, model_type: 'gemma3_text', sliding_window: window, layer_types: layerTypes(keys, layers, 6), query_pre_attn_scalar: queryScalar(layers === 62, hiddenSize, heads, headDim),
        rope_parameters: { full_attention: rope, sliding_attention: { rope_type: 'default', rope_theta: keys.number('rope.freq_base_swa', 10000) } },
      };
  }
}

/** The converter has added Gemma's 1 to the norms' weights. */
const GEMMA = { rms_norm_offset: 0 };

/** llama.cpp knows the 27B models, whose scale isn't that of their heads, by their number of layers. */
const queryScalar = (is27B: boolean, hiddenSize: number, heads: number, headDim: number): number => (is27B ? hiddenSize / heads : headDim);

/** As llama.cpp reads it: a factor without a type is linear. */
function ropeScaling(keys: Keys): { rope_type: string; factor?: number } {
  const factor = keys.number('rope.scaling.factor', keys.number('rope.scale_linear', 0));
  const type = keys.text('rope.scaling.type', 'linear');
  if (type !== 'none' && type !== 'linear') throw unsupported(keys.full('rope.scaling.type'), 'none or linear', JSON.stringify(type));
  return type === 'none' || factor === 0 || factor === 1 ? { rope_type: 'default' } : { rope_type: 'linear', factor };
}

/** Which layers see a window only: every n-th sees all, or a list says. */
function layerTypes(keys: Keys, layers: number, standard: number): string[] {
  const value = keys.raw('attention.sliding_window_pattern') ?? standard;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0) return Array.from({ length: layers }, (_, i) => (value > 0 && (i + 1) % value !== 0 ? 'sliding_attention' : 'full_attention'));
  if (Array.isArray(value) && value.length === layers && value.every((item) => typeof item === 'boolean')) return value.map((slides) => (slides ? 'sliding_attention' : 'full_attention'));
  throw wrongType(keys.full('attention.sliding_window_pattern'), `a count, or ${layers} bools`, shown(value));
}

/** Keys that would change the result, at values that don't: undefined says that only their absence is. */
const NEUTRAL: Readonly<Record<string, readonly GgufValue[]>> = {
  expert_count: [0], attn_logit_softcapping: [0], final_logit_softcapping: [0], 'attention.causal': [true], 'attention.max_alibi_bias': [0], 'attention.clamp_kqv': [0],
  logit_scale: [0, 1], residual_scale: [0, 1], embedding_scale: [0, 1], 'attention.output_scale': [0, 1], 'attention.temperature_scale': [0], 'attention.temperature_length': [0],
  'attention.shared_kv_layers': [0], use_parallel_residual: [false], nextn_predict_layers: [0], 'rope.scaling.attn_factor': [1], 'rope.dimension_sections': [], 'attention.kv_lora_rank': [], 'attention.q_lora_rank': [],
};

/** @throws LorikeetError `model/unsupported` */
function checkNeutral(keys: Keys, headDim: number, read: readonly string[]): void {
  for (const [key, neutral] of Object.entries(NEUTRAL).filter(([key]) => !read.includes(key))) {
    const value = keys.raw(key);
    if (value !== undefined && !neutral.includes(value)) throw unsupported(keys.full(key), neutral.length > 0 ? neutral.map(String).join(' or ') : 'none', shown(value));
  }
  for (const key of ['attention.value_length', 'rope.dimension_count', 'attention.key_length_swa', 'attention.value_length_swa', 'rope.dimension_count_swa']) {
    const size = keys.count(key, headDim);
    if (size !== headDim) throw unsupported(keys.full(key), `${headDim}, as the heads' size`, String(size));
  }
  const scale = keys.number('attention.scale', 0);
  if (scale !== 0 && Math.abs(scale * Math.sqrt(headDim) - 1) > 1e-5) throw unsupported(keys.full('attention.scale'), `1 / √${headDim}`, String(scale));
}

/** Typed access to the keys of one architecture. */
class Keys {
  constructor(private readonly metadata: GgufMetadata, private readonly architecture: string) {}

  full(key: string): string {
    return `${this.architecture}.${key}`;
  }

  raw(key: string): GgufValue | undefined {
    return this.metadata.get(this.full(key));
  }

  #get(key: string, fallback: GgufValue | undefined): GgufValue {
    const value = this.raw(key) ?? fallback;
    if (value === undefined) throw new LorikeetError('gguf/missing-key', `The GGUF lacks the key "${this.full(key)}": expected it in a model of this architecture.`, { expected: this.full(key) });
    return value;
  }

  /** A whole number; a list of one for each layer has to say the same of all. */
  count(key: string, fallback?: number, most = 2 ** 31 - 1): number {
    let value = this.#get(key, fallback);
    if (typeof value === 'object') {
      const list = Array.from(value as ArrayLike<GgufValue>);
      if (list.length === 0 || list.some((item) => item !== list[0])) throw unsupported(this.full(key), 'one number for all layers', shown(value));
      value = list[0]!;
    }
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > most) throw wrongType(this.full(key), `a whole number up to ${most}`, shown(value));
    return value;
  }

  number(key: string, fallback?: number): number {
    const value = this.#get(key, fallback);
    if (typeof value !== 'number' || !Number.isFinite(value)) throw wrongType(this.full(key), 'a finite number', shown(value));
    return value;
  }

  text(key: string, fallback?: string): string {
    const value = this.#get(key, fallback);
    if (typeof value !== 'string') throw wrongType(this.full(key), 'a string', shown(value));
    return value;
  }
}

/** A value for a message, cut where it is long. */
export function shown(value: GgufValue | undefined): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'object') return `an array of ${value.length}`;
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 80)) : String(value);
}

function wrongType(key: string, expected: string, found: string): LorikeetError {
  return new LorikeetError('gguf/key-type', `"${key}" of the GGUF expected ${expected}, found ${found}.`, { expected, found });
}

function unsupported(key: string, expected: string, found: string): LorikeetError {
  return new LorikeetError('model/unsupported', `"${key}" of the GGUF isn't supported: expected ${expected}, found ${found}.`, { expected, found });
}
