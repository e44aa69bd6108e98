import { LorikeetError } from '../../errors.js';
import type { TensorInfo } from '../../formats/safetensors.js';
import { checkpointOf, openCheckpoint, type Checkpoint, type StoredTensor, type Weights } from '../../models/checkpoint.js';
import { closeParts, openGgufParts, type GgufParts } from '../../models/gguf-parts.js';
import type { Architecture } from '../../models/architecture.js';
import { describeModel } from '../../models/model.js';
import type { Module } from '../../ops/module.js';
import { readText } from '../../runtime/model-text.js';
import type { OpenedFile } from '../../store/open.js';
import type { ByteSource, Folder } from '../../store/source.js';
import { shownMetadata, type ShownMetadata } from './metadata.js';
import { bytesByDtype, elements, refusalOf, rowOf, type Refusal, type TensorRow } from './tensors.js';

/** A layer that adapters can be beside. */
export interface ModuleRow {
  readonly path: string;
  readonly kind: Module['kind'];
  readonly inputs: number | null;
  readonly outputs: number;
}

/** What a model's folder or GGUF holds. What only a model that loads has is null where this one is refused. */
export interface InspectedModel {
  readonly kind: 'model';
  readonly format: 'safetensors' | 'gguf';
  readonly path: string;
  readonly modelType: string;
  readonly architectures: readonly string[];
  readonly vocabSize: number | null;
  readonly outputSize: number | null;
  readonly contextLength: number | null;
  /** f32 keys and values of one position, all layers. */
  readonly kvBytesPerToken: number | null;
  /** Of a GGUF, keys and values; of long arrays and texts the beginning. */
  readonly metadata: ShownMetadata;
  /** The numbers of config.json (or what stands for it in a GGUF) that say how large the layers are. */
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

/** Reads configuration and headers, no weights. @throws LorikeetError `store/…`, `safetensors/…`, `gguf/…`, `config/not-json` */
export async function inspectModel(path: string, from: Folder | OpenedFile): Promise<InspectedModel> {
  if (!('source' in from)) return report(path, await openCheckpoint(from));
  const parts = await openGgufParts(from);
  let checkpoint: Checkpoint;
  try {
    checkpoint = checkpointOf(parts);
  } catch (error) {
    await closeParts(parts);
    return reportUnread(path, parts, refusalOf(error));
  }
  return report(path, checkpoint);
}

async function report(path: string, checkpoint: Checkpoint): Promise<InspectedModel> {
  try {
    const { config, metadata } = checkpoint;
    const refused: Refusal[] = [];
    const { described, missing, refusal } = describe(checkpoint);
    if (refusal) refused.push(refusal);
    const text = await readText(checkpoint).catch((error: unknown) => {
      refused.push(refusalOf(error));
      return null;
    });
    const stored = [...checkpoint.tensors];
    const tensors = stored.map(([, { info }]) => rowOf(info));
    const used = described?.weights.used;
    const { architecture } = described ?? {};
    const sources = new Set(stored.map(([, { source }]) => source));
    return {
      kind: 'model', format: metadata ? 'gguf' : 'safetensors', path, modelType: String(config.model_type), architectures: Array.isArray(config.architectures) ? config.architectures.map(String) : [],
      vocabSize: architecture?.vocabSize ?? null, outputSize: architecture?.outputSize ?? null, contextLength: architecture?.contextLength ?? null,
      kvBytesPerToken: architecture?.kv ? 2 * 4 * architecture.kv.layers * architecture.kv.kvHeads * architecture.kv.headDim : null,
      metadata: metadata ? shownMetadata(metadata) : {},
      sizes: Object.fromEntries(SIZES.flatMap((key) => (typeof config[key] === 'number' ? [[key, config[key]]] : []))),
      parameters: stored.reduce((sum, [name, { info }]) => sum + (!used || used.has(name) ? elements(info.shape) : 0), 0),
      ...filesOf([...sources]), memoryBytes: described && missing.length === 0 ? described.weights.plan.bytes : null, dtypes: bytesByDtype(tensors),
      tokenizer: Boolean(text?.tokenizer), chatTemplate: Boolean(text?.template), endTokens: text?.endTokens ?? [],
      modules: (architecture?.modules ?? []).map(moduleRow), tensors, unused: used ? stored.filter(([name]) => !used.has(name)).map(([, { info }]) => info.name) : [], missing, refused,
    };
  } finally {
    await checkpoint.close();
  }
}

/** A GGUF of which only the header is understood. */
function reportUnread(path: string, { metadata, tensors: stored, sources }: GgufParts, refusal: Refusal): InspectedModel {
  const tensors = [...stored.values()].map(rowOf);
  const architecture = metadata.get('general.architecture');
  return {
    kind: 'model', format: 'gguf', path, modelType: typeof architecture === 'string' ? architecture : 'unknown', architectures: [], vocabSize: null, outputSize: null, contextLength: null, kvBytesPerToken: null,
    metadata: shownMetadata(metadata), sizes: {}, parameters: tensors.reduce((sum, { shape }) => sum + elements(shape), 0), ...filesOf(sources), memoryBytes: null, dtypes: bytesByDtype(tensors),
    tokenizer: false, chatTemplate: false, endTokens: [], modules: [], tensors, unused: [], missing: [], refused: [refusal],
  };
}

const filesOf = (sources: readonly ByteSource[]): Pick<InspectedModel, 'bytes' | 'files'> => ({
  bytes: sources.reduce((sum, { size }) => sum + size, 0), files: sources.map(({ name, size }) => ({ name: name.split(/[\\/]/).at(-1)!, bytes: size })),
});

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
