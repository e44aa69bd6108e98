/**
 * The names of the tensors in an adapter_model.safetensors, as PEFT writes them:
 * `base_model.model.` + the module's path + a suffix that says what the tensor is. The prefix may be missing, `_orig_mod.` (torch.compile) may stand anywhere,
 * and state dicts that were not written by `save_pretrained` still name the adapter (`.lora_A.default.weight`).
 */

/** What a tensor of an adapter is. Where several names mean one role, the role says which. */
export type AdapterRole =
  | 'lora_A' // [r, in], conv: [r, in, k]
  | 'lora_B' // [out, r], conv: [out, r / groups, 1]
  | 'lora_B_bias' // [out]
  | 'lora_embedding_A' // [r, V]
  | 'lora_embedding_B' // [D, r]
  | 'magnitude' // DoRA: linear [out], embedding [D], conv [1, out, 1]
  | 'base_bias' // `.base_layer.bias`: a trained bias of a targeted module
  | 'base_weight' // `.base_layer.weight`: PEFT saves a targeted embedding's own weight beside the factors
  | 'token_delta' // [n, D]: rows of trainable tokens
  | 'unread' // of a module saved whole, beside its parameters: what it replaced (`.original_module.`), or, with bias "all", a second copy (`.modules_to_save.bias`)
  | 'saved'; // `<module>.<param>`: a module saved whole, or a trained bias of a module that isn't targeted

export interface AdapterKey {
  /** The module's path in the base model, without prefixes. */
  readonly module: string;
  readonly role: AdapterRole;
  /** For `saved`: the parameter's name (`weight`, `bias`, …). */
  readonly param?: string;
}

// In the order in which they are tried. `name` is the adapter's, only in raw state dicts; it holds no dot (torch refuses one in a ModuleDict's key).
const NAME = '(?:\\.[^.]+)?';
const SUFFIXES: readonly (readonly [RegExp, AdapterRole])[] = [
  [new RegExp(`^(.+)\\.lora_A${NAME}\\.weight$`), 'lora_A'],
  [new RegExp(`^(.+)\\.lora_B${NAME}\\.weight$`), 'lora_B'],
  [new RegExp(`^(.+)\\.lora_B${NAME}\\.bias$`), 'lora_B_bias'],
  [new RegExp(`^(.+)\\.lora_magnitude_vector${NAME}(?:\\.weight)?$`), 'magnitude'],
  [new RegExp(`^(.+)\\.lora_embedding_A${NAME}$`), 'lora_embedding_A'],
  [new RegExp(`^(.+)\\.lora_embedding_B${NAME}$`), 'lora_embedding_B'],
  [new RegExp(`^(.+)\\.token_adapter\\.trainable_tokens_delta${NAME}$`), 'token_delta'],
  [/^(.+)\.base_layer\.bias$/, 'base_bias'],
  [/^(.+?)(?:\.token_adapter)?\.base_layer\.weight$/, 'base_weight'],
  [/^(.+)\.(?:original_module|modules_to_save)\.[^.]+$/, 'unread'],
];
const SAVED = new RegExp('^(.+?)(?:\\.modules_to_save\\.[^.]+)?\\.([^.]+)$');

/**
 * Says which module a tensor of an adapter belongs to and what it is there. Every name has an answer: what isn't a LoRA tensor is `saved`.
 *
 * @example parseAdapterKey('base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight')
 * // { module: 'model.layers.0.self_attn.q_proj', role: 'lora_A' }
 */
export function parseAdapterKey(name: string): AdapterKey {
  const path = stripPrefixes(name);
  for (const [suffix, role] of SUFFIXES) {
    const module = suffix.exec(path)?.[1];
    if (module !== undefined) return { module, role };
  }
  const saved = SAVED.exec(path);
  return saved ? { module: saved[1]!, role: 'saved', param: saved[2]! } : { module: '', role: 'saved', param: path };
}

/** Without the `_orig_mod` parts, which may stand anywhere, and without PEFT's own prefix. */
function stripPrefixes(name: string): string {
  if (!name.includes('_orig_mod')) return name.startsWith('base_model.model.') ? name.slice('base_model.model.'.length) : name;
  const parts = name.split('.').filter((part) => part !== '_orig_mod');
  const from = parts[0] === 'base_model' && parts[1] === 'model' ? 2 : 0;
  return parts.slice(from).join('.');
}
