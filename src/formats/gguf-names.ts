/**
 * How GGUF names the tensors of an architecture, beside the names of Hugging Face's checkpoints: one table, read in both directions. A `#` stands for the layer's number; what follows a
 * name (`.weight`, `.bias`) is the same on both sides. From tensor_mapping.py of gguf-py.
 */
type Pair = readonly [gguf: string, huggingFace: string];

const EVERY: readonly Pair[] = [
  ['token_embd', 'model.embed_tokens'],
  ['output_norm', 'model.norm'],
  ['output', 'lm_head'],
  ['blk.#.attn_norm', 'model.layers.#.input_layernorm'],
  ['blk.#.attn_output', 'model.layers.#.self_attn.o_proj'],
  ['blk.#.ffn_down', 'model.layers.#.mlp.down_proj'],
];
const SHARED: readonly Pair[] = [
  ...EVERY,
  ['blk.#.attn_q', 'model.layers.#.self_attn.q_proj'],
  ['blk.#.attn_k', 'model.layers.#.self_attn.k_proj'],
  ['blk.#.attn_v', 'model.layers.#.self_attn.v_proj'],
  ['blk.#.ffn_gate', 'model.layers.#.mlp.gate_proj'],
  ['blk.#.ffn_up', 'model.layers.#.mlp.up_proj'],
];
/** q, k and v in one; the gate's rows, then those of the projection up. */
const FUSED: readonly Pair[] = [
  ...EVERY,
  ['blk.#.attn_qkv', 'model.layers.#.self_attn.qkv_proj'],
  ['blk.#.ffn_up', 'model.layers.#.mlp.gate_up_proj'],
];
const HEAD_NORMS: readonly Pair[] = [
  ['blk.#.attn_q_norm', 'model.layers.#.self_attn.q_norm'],
  ['blk.#.attn_k_norm', 'model.layers.#.self_attn.k_norm'],
];
/** What stands before the MLP is named after what it follows, or, where that has a norm of its own behind it, after what it precedes. */
const MLP_NORM: readonly Pair[] = [['blk.#.ffn_norm', 'model.layers.#.post_attention_layernorm']];
const SANDWICH_NORMS: readonly Pair[] = [
  ['blk.#.post_attention_norm', 'model.layers.#.post_attention_layernorm'],
  ['blk.#.ffn_norm', 'model.layers.#.pre_feedforward_layernorm'],
  ['blk.#.post_ffw_norm', 'model.layers.#.post_feedforward_layernorm'],
];

const NAMES = {
  llama: [...SHARED, ...MLP_NORM],
  qwen2: [...SHARED, ...MLP_NORM],
  qwen3: [...SHARED, ...MLP_NORM, ...HEAD_NORMS],
  smollm3: [...SHARED, ...MLP_NORM],
  phi3: [...FUSED, ...MLP_NORM],
  gemma: [...SHARED, ...MLP_NORM],
  gemma2: [...SHARED, ...SANDWICH_NORMS],
  gemma3: [...SHARED, ...SANDWICH_NORMS, ...HEAD_NORMS],
} satisfies Readonly<Record<string, readonly Pair[]>>;

/** `general.architecture` of the models that this runtime reads from GGUF. */
export type GgufArchitecture = keyof typeof NAMES;
export const GGUF_ARCHITECTURES = Object.keys(NAMES) as readonly GgufArchitecture[];

const BY_MODEL_TYPE: Readonly<Record<string, GgufArchitecture>> = { llama: 'llama', mistral: 'llama', qwen2: 'qwen2', qwen3: 'qwen3', smollm3: 'smollm3', phi3: 'phi3', gemma: 'gemma', gemma2: 'gemma2', gemma3_text: 'gemma3' };

/** The architecture under which GGUF files hold a model of config.json's `model_type`; undefined for one that has none here. */
export const ggufArchitectureOf = (modelType: string): GgufArchitecture | undefined => (Object.hasOwn(BY_MODEL_TYPE, modelType) ? BY_MODEL_TYPE[modelType] : undefined);

const table = (from: 0 | 1): ReadonlyMap<GgufArchitecture, ReadonlyMap<string, string>> =>
  new Map(GGUF_ARCHITECTURES.map((name) => [name, new Map((NAMES[name] as readonly Pair[]).map((pair) => [pair[from], pair[1 - from]!]))]));
const FROM_GGUF = table(0);
const FROM_HUGGING_FACE = table(1);

/** `blk.3.attn_q.weight` → `model.layers.3.self_attn.q_proj.weight`; undefined for what the architecture doesn't have. */
export const huggingFaceName = (architecture: GgufArchitecture, name: string): string | undefined => translate(FROM_GGUF.get(architecture)!, name);

/** `model.layers.3.self_attn.q_proj.weight` → `blk.3.attn_q.weight`; undefined for what the architecture doesn't have. */
export const ggufName = (architecture: GgufArchitecture, name: string): string | undefined => translate(FROM_HUGGING_FACE.get(architecture)!, name);

const SPLIT = /^(?:(.*?)\.(0|[1-9][0-9]*)\.)?(.+)\.(weight|bias)$/;

function translate(names: ReadonlyMap<string, string>, name: string): string | undefined {
  const [, before, layer, within, parameter] = SPLIT.exec(name) ?? [];
  if (within === undefined) return undefined;
  const found = names.get(layer === undefined ? within : `${before}.#.${within}`);
  return found && `${layer === undefined ? found : found.replace('#', layer)}.${parameter}`;
}

/**
 * Heads whose rows a GGUF interleaves in this tensor (weight or bias), 0 where they stand as in the checkpoint. llama.cpp turns neighbouring numbers of a head by one angle in its `llama`
 * architecture and SmolLM3's, and Hugging Face those half a head apart, so the converter puts row p·half + i of each head of q and k at 2·i + p.
 *
 * @param name in the file
 */
export function interleavedHeads(architecture: GgufArchitecture, name: string, heads: number, kvHeads: number): number {
  if (architecture !== 'llama' && architecture !== 'smollm3') return 0;
  const [, part] = /^blk\.[0-9]+\.attn_([qk])\./.exec(name) ?? [];
  return part === 'q' ? heads : part === 'k' ? kvHeads : 0;
}
