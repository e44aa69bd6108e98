/**
 * A LoRA adapter in llama.cpp's form (convert_lora_to_gguf.py), as the configuration and the tensors that a PEFT folder would hold: `<tensor of the base>.lora_a` [r, in] and `.lora_b` [out, r]. Of the
 * embedding lora_a is [V, r], turned against PEFT's [r, V]; of q and k of the architecture `llama` the rows of lora_b stand interleaved, as the base's do.
 */
import { LorikeetError } from '../errors.js';
import type { AdapterConfig } from './peft.js';
import type { GgufHeader, GgufMetadata, GgufTensor } from './gguf.js';
import { shown } from './gguf-model.js';
import { GGUF_ARCHITECTURES, huggingFaceName, interleavedHeads, type GgufArchitecture } from './gguf-names.js';
import type { TensorInfo } from './header.js';

/** A tensor of an adapter, under PEFT's name. */
export interface AdapterTensor extends TensorInfo {
  /** The rows of each head stand interleaved: lora_b of q and k in llama.cpp's form. */
  readonly interleaved?: boolean;
  /** [V, r] where PEFT has [r, V]: an embedding's lora_a in llama.cpp's form. */
  readonly transposed?: boolean;
}

export interface GgufAdapter {
  readonly architecture: GgufArchitecture;
  readonly config: AdapterConfig;
  readonly tensors: ReadonlyMap<string, AdapterTensor>;
}

/**
 * Reads what a GGUF says of its adapter. The scale is alpha / rank, or 1 without an alpha, as in llama.cpp.
 *
 * @throws LorikeetError `adapter/gguf-kind` (a model, a control vector, another kind of adapter), `adapter/architecture` (one that isn't read), `gguf/key-type`, `adapter/shape-mismatch`
 */
export function readGgufAdapter({ metadata, tensors: stored }: Pick<GgufHeader, 'metadata' | 'tensors'>): GgufAdapter {
  checkKind(metadata);
  const name = metadata.get('general.architecture');
  const architecture = GGUF_ARCHITECTURES.find((known) => known === name);
  if (!architecture) throw new LorikeetError('adapter/architecture', `"general.architecture" of the adapter expected one of ${GGUF_ARCHITECTURES.join(', ')}, found ${shown(name)}.`, { expected: GGUF_ARCHITECTURES, found: name });
  const tensors = new Map<string, AdapterTensor>();
  const ranks = new Map<string, number>();
  for (const info of stored.values()) {
    const tensor = translate(architecture, info);
    const { module, half } = tensor;
    if (half !== null) ranks.set(module, rankOf(info, half, tensor.transposed));
    const { name: key } = tensor.info;
    if (tensors.has(key)) throw new LorikeetError('adapter/duplicate-tensor', `Tensor "${info.name}" stands twice in the adapter, under two spellings of its name.`, { expected: 1, found: 2 });
    tensors.set(key, { ...tensor.info, interleaved: tensor.interleaved, transposed: tensor.transposed });
  }
  return { architecture, config: configOf(metadata, ranks), tensors };
}

function checkKind(metadata: GgufMetadata): void {
  const kind = (found: string): LorikeetError => new LorikeetError('adapter/gguf-kind', `The GGUF holds ${found}: expected a LoRA adapter (general.type "adapter", adapter.type "lora").`, { expected: 'lora', found });
  if (metadata.get('general.architecture') === 'controlvector') throw kind("a control vector, which isn't supported");
  const type = metadata.get('general.type') ?? 'model';
  if (type !== 'adapter') throw kind(type === 'model' ? 'a model' : `general.type ${shown(type)}`);
  const method = metadata.get('adapter.type');
  if (method !== 'lora') throw kind(`an adapter of type ${shown(method)}`);
}

interface Translated {
  readonly info: TensorInfo;
  readonly module: string;
  /** Which factor it is; null: something else. */
  readonly half: 'a' | 'b' | null;
  readonly interleaved: boolean;
  readonly transposed: boolean;
}

/** Under PEFT's name. What is no factor keeps its module's, and is judged there. */
function translate(architecture: GgufArchitecture, info: GgufTensor): Translated {
  const [, base, half] = /^(.+)\.lora_([ab])$/.exec(info.name) ?? [];
  const known = huggingFaceName(architecture, base ?? info.name);
  const module = known?.endsWith('.weight') ? known.slice(0, -'.weight'.length) : undefined;
  if (half === undefined || module === undefined) return { info: { ...info, name: known ?? info.name }, module: '', half: null, interleaved: false, transposed: false };
  const embedding = base === 'token_embd.weight';
  const letter = half === 'a' ? 'A' : 'B';
  return {
    info: { ...info, name: embedding ? `${module}.lora_embedding_${letter}` : `${module}.lora_${letter}.weight` }, module, half: half as 'a' | 'b',
    interleaved: half === 'b' && interleavedHeads(architecture, base!, 1, 1) > 0, transposed: embedding && half === 'a',
  };
}

function rankOf({ name, shape }: GgufTensor, half: 'a' | 'b', transposed: boolean): number {
  if (shape.length !== 2) throw new LorikeetError('adapter/shape-mismatch', `Tensor "${name}" of the adapter expected two dimensions, found ${JSON.stringify(shape)}.`, { expected: 2, found: shape });
  return half === 'b' || transposed ? shape[1]! : shape[0]!;
}

/** The configuration that PEFT would hold: every module by its whole path, ranks where they differ by pattern. */
function configOf(metadata: GgufMetadata, ranks: ReadonlyMap<string, number>): AdapterConfig {
  const alpha = metadata.get('adapter.lora.alpha') ?? 0;
  if (typeof alpha !== 'number' || !Number.isFinite(alpha)) throw new LorikeetError('gguf/key-type', `"adapter.lora.alpha" of the GGUF expected a finite number, found ${shown(alpha)}.`, { expected: 'a finite number', found: shown(alpha) });
  const invocation = metadata.get('adapter.alora.invocation_tokens') ?? new Uint32Array(0);
  if (!(invocation instanceof Uint32Array)) throw new LorikeetError('gguf/key-type', `"adapter.alora.invocation_tokens" of the GGUF expected an array of u32, found ${shown(invocation)}.`, { expected: 'an array of u32', found: shown(invocation) });
  const r = ranks.values().next().value ?? 8;
  const others = new Map([...ranks].filter(([, rank]) => rank !== r).map(([path, rank]) => [path.replaceAll('.', '\\.'), rank]));
  return Object.freeze({
    peft_type: 'LORA', task_type: null, base_model_name_or_path: null, r, lora_alpha: alpha === 0 ? r : alpha, target_modules: Object.freeze([...ranks.keys()]), exclude_modules: null, layers_to_transform: null,
    layers_pattern: null, rank_pattern: others, alpha_pattern: alpha === 0 ? others : new Map(), bias: 'none', use_rslora: false, use_dora: false, lora_bias: false, fan_in_fan_out: false, modules_to_save: null,
    trainable_token_indices: null, alora_invocation_tokens: invocation.length > 0 ? Object.freeze([...invocation]) : null, init_lora_weights: true, ensure_weight_tying: false,
    warnings: Object.freeze(alpha === 0 ? ['The adapter has no adapter.lora.alpha, so its scale is 1.'] : []),
  } satisfies AdapterConfig);
}
