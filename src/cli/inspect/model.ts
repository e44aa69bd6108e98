import { LorikeetError } from '../../errors.js';
import type { TensorInfo } from '../../formats/safetensors.js';
import { openCheckpoint, type Checkpoint, type StoredTensor, type Weights } from '../../models/checkpoint.js';
import type { Architecture } from '../../models/architecture.js';
import { describeModel } from '../../models/model.js';
import type { Module } from '../../ops/module.js';
import { readText } from '../../runtime/model-text.js';
import type { Folder } from '../../store/source.js';
import { bytesByDtype, elements, refusalOf, rowOf, type Refusal, type TensorRow } from './tensors.js';

/** A layer that adapters can be beside. */
export interface ModuleRow {
  readonly path: string;
  readonly kind: Module['kind'];
  readonly inputs: number | null;
  readonly outputs: number;
}

/** What a model's folder holds. What only a model that loads has is null where this one is refused. */
export interface InspectedModel {
  readonly kind: 'model';
  readonly path: string;
  readonly modelType: string;
  readonly architectures: readonly string[];
  readonly vocabSize: number | null;
  readonly outputSize: number | null;
  readonly contextLength: number | null;
  /** f32 keys and values of one position, all layers. */
  readonly kvBytesPerToken: number | null;
  /** The numbers of config.json that say how large the layers are. */
  readonly sizes: Readonly<Record<string, number>>;
  /** Elements of the tensors that the model uses; a shared weight counts once. */
  readonly parameters: number;
  readonly bytes: number;
  /** Bytes of linear memory that the weights take. */
  readonly memoryBytes: number | null;
  readonly dtypes: Readonly<Record<string, number>>;
  readonly files: readonly { readonly name: string; readonly bytes: number }[];
  readonly tokenizer: boolean;
  readonly chatTemplate: boolean;
  readonly endTokens: readonly number[];
  readonly modules: readonly ModuleRow[];
  readonly tensors: readonly TensorRow[];
  readonly unused: readonly string[];
  readonly missing: readonly { readonly name: string; readonly shape: readonly number[] }[];
  /** Why the model would be refused; empty where it loads. */
  readonly refused: readonly Refusal[];
}

const SIZES = ['num_hidden_layers', 'n_layer', 'hidden_size', 'n_embd', 'intermediate_size', 'num_attention_heads', 'n_head', 'num_key_value_heads', 'head_dim', 'sliding_window', 'embedding_dim', 'conv_channels', 'kernel_size', 'num_outputs'];
/** The most missing tensors that are looked for: a folder without any would name thousands. */
const MOST_MISSING = 200;

/** Reads configuration and headers, no weights. @throws LorikeetError `store/…`, `safetensors/…`, `config/not-json` */
export async function inspectModel(path: string, folder: Folder): Promise<InspectedModel> {
  const checkpoint = await openCheckpoint(folder);
  try {
    const { config } = checkpoint;
    const refused: Refusal[] = [];
    const { described, missing, refusal } = describe(checkpoint);
    if (refusal) refused.push(refusal);
    const text = await readText(checkpoint).catch((error: unknown) => {
      refused.push(refusalOf(error));
      return null;
    });
    const tensors = [...checkpoint.tensors.values()].map(({ info }) => rowOf(info));
    const used = described?.weights.used;
    const { architecture } = described ?? {};
    const sources = new Set([...checkpoint.tensors.values()].map(({ source }) => source));
    return {
      kind: 'model', path, modelType: String(config.model_type), architectures: Array.isArray(config.architectures) ? config.architectures.map(String) : [],
      vocabSize: architecture?.vocabSize ?? null, outputSize: architecture?.outputSize ?? null, contextLength: architecture?.contextLength ?? null,
      kvBytesPerToken: architecture?.kv ? 2 * 4 * architecture.kv.layers * architecture.kv.kvHeads * architecture.kv.headDim : null,
      sizes: Object.fromEntries(SIZES.flatMap((key) => (typeof config[key] === 'number' ? [[key, config[key]]] : []))),
      parameters: tensors.reduce((sum, { name, shape }) => sum + (!used || used.has(name) ? elements(shape) : 0), 0),
      bytes: [...sources].reduce((sum, { size }) => sum + size, 0), memoryBytes: described && missing.length === 0 ? described.weights.plan.bytes : null, dtypes: bytesByDtype(tensors),
      files: [...sources].map(({ name, size }) => ({ name: name.split(/[\\/]/).at(-1)!, bytes: size })),
      tokenizer: Boolean(text?.tokenizer), chatTemplate: Boolean(text?.template), endTokens: text?.endTokens ?? [],
      modules: (architecture?.modules ?? []).map(moduleRow), tensors, unused: used ? tensors.map(({ name }) => name).filter((name) => !used.has(name)) : [], missing, refused,
    };
  } finally {
    await checkpoint.close();
  }
}

function moduleRow(module: Module): ModuleRow {
  const { path, kind } = module;
  switch (module.kind) {
    case 'conv1d': return { path, kind, inputs: module.inChannels, outputs: module.outChannels };
    case 'embedding': return { path, kind, inputs: module.weight.n, outputs: module.weight.k };
    case 'norm': return { path, kind, inputs: null, outputs: module.weight.n };
    case 'linear': return { path, kind, inputs: module.weight.k, outputs: module.weight.n };
  }
}

interface Description {
  readonly described: { architecture: Architecture; weights: Weights } | null;
  readonly missing: { name: string; shape: readonly number[] }[];
  readonly refusal: Refusal | null;
}

/**
 * Declares the model. A load ends at the first missing tensor; to name them all, each one is put in by an empty stand-in, which the next attempt
 * refuses by its shape, which is thus known.
 */
function describe(checkpoint: Checkpoint): Description {
  const tensors = new Map<string, StoredTensor>(checkpoint.tensors);
  const source = { name: 'missing', size: 0, read: async () => new Uint8Array(0), close: async () => {} };
  const missing: Description['missing'] = [];
  let refusal: Refusal | null = null;
  for (;;) {
    try {
      const described = describeModel({ ...checkpoint, tensors });
      for (const { name } of missing) described.weights.used.delete(name);
      return { described, missing, refusal };
    } catch (error) {
      const last = missing.at(-1);
      const code = error instanceof LorikeetError ? error.code : '';
      const { expected } = error as LorikeetError;
      if (code === 'model/missing-tensor' && typeof expected === 'string' && missing.length < MOST_MISSING) {
        refusal ??= refusalOf(error);
        missing.push({ name: expected, shape: [] });
        tensors.set(expected, { source, info: standIn(expected, []) });
      } else if (code === 'model/shape-mismatch' && last?.shape.length === 0 && Array.isArray(expected)) {
        last.shape = expected as number[];
        tensors.set(last.name, { source, info: standIn(last.name, last.shape) });
      } else return { described: null, missing, refusal: refusal ?? refusalOf(error) };
    }
  }
}

const standIn = (name: string, shape: readonly number[]): TensorInfo => ({ name, dtype: 'F32', shape, begin: 0, end: 0 });
