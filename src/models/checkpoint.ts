import { LorikeetError } from '../errors.js';
import { parseConfigJson } from '../formats/config.js';
import type { GgufMetadata } from '../formats/gguf.js';
import { readGgufModel } from '../formats/gguf-model.js';
import { readHeader, shardedIndex, type TensorInfo } from '../formats/safetensors.js';
import { openModelOrigin, type ModelOrigin, type OpenedFile } from '../store/open.js';
import type { ByteSource, Folder, OpenOptions } from '../store/source.js';
import { BlockPlan } from '../tensor/block.js';
import { blockWeights, isQuantized, type DtypeCode, type Matrix, type Vector } from '../tensor/matrix.js';
import { closeParts, openGgufParts, type GgufParts } from './gguf-parts.js';

/** The most that a config.json or an index may weigh: real ones have a few KB (an index of thousands of tensors some hundreds). */
export const CONFIG_BYTES = 16 * 2 ** 20;

/** A tensor of an open checkpoint. */
export interface StoredTensor {
  readonly info: TensorInfo;
  readonly source: ByteSource;
  /** Heads whose rows stand interleaved, as llama.cpp keeps q and k of its `llama` architecture; absent or 0: none. */
  readonly heads?: number;
}

/** A model, opened: its configuration, and where each tensor lies. Nothing of the tensors is read yet. */
export interface Checkpoint {
  /** config.json, or what a GGUF's metadata says in its words. */
  readonly config: Readonly<Record<string, unknown>>;
  /** By name in Hugging Face's checkpoints. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** All keys and values of a GGUF; null of a folder. */
  readonly metadata: GgufMetadata | null;
  /** The model's folder; null of a GGUF. */
  readonly folder: Folder | null;
  close(): Promise<void>;
}

/** True of what {@link openCheckpoint} gave. */
export const isCheckpoint = (from: Checkpoint | ModelOrigin): from is Checkpoint => typeof from === 'object' && 'tensors' in from && from.tensors instanceof Map && 'config' in from;

/**
 * Opens a model: a folder with config.json and model.safetensors or the shards of model.safetensors.index.json; or a GGUF file (a path or URL that ends with .gguf, bytes, a Blob or File),
 * also one in parts; or a folder with one GGUF file.
 *
 * @throws LorikeetError `store/…`, `config/…`, `safetensors/…`, `gguf/…`, `model/unsupported` (a GGUF of another architecture)
 */
export async function openCheckpoint(from: ModelOrigin, options: OpenOptions = {}): Promise<Checkpoint> {
  const opened = await openModelOrigin(from, options);
  return 'source' in opened ? openGguf(opened) : openFolderCheckpoint(opened, options.signal);
}

async function openGguf(file: OpenedFile): Promise<Checkpoint> {
  const parts = await openGgufParts(file);
  try {
    return checkpointOf(parts);
  } catch (error) {
    await closeParts(parts);
    throw error;
  }
}

/** The model that a GGUF's header describes. @throws LorikeetError as readGgufModel */
export function checkpointOf(parts: GgufParts): Checkpoint {
  const { config, tensors } = readGgufModel(parts);
  return {
    config, metadata: parts.metadata, folder: null, close: () => closeParts(parts),
    tensors: new Map([...tensors].map(([name, { info, heads }]) => [name, { info, heads, source: parts.sourceOf(info) }])),
  };
}

/** Opens one safetensors file and reads its header. */
async function openSafetensors(folder: Folder, path: string, signal?: AbortSignal): Promise<{ source: ByteSource; tensors: ReadonlyMap<string, TensorInfo> }> {
  const source = await folder.open(path, signal);
  try {
    return { source, tensors: (await readHeader(source)).tensors };
  } catch (error) {
    await source.close();
    throw error;
  }
}

async function openFolderCheckpoint(folder: Folder, signal?: AbortSignal): Promise<Checkpoint> {
  const config = parseConfigJson(await folder.text('config.json', CONFIG_BYTES, signal), 'config.json');
  const sources: ByteSource[] = [];
  const tensors = new Map<string, StoredTensor>();
  const close = async (): Promise<void> => { for (const source of sources) await source.close(); };
  try {
    if (await folder.has('model.safetensors.index.json', signal)) {
      const { weightMap, files } = shardedIndex(await folder.text('model.safetensors.index.json', CONFIG_BYTES, signal));
      for (const file of files) {
        const shard = await openSafetensors(folder, file, signal);
        sources.push(shard.source);
        for (const [name, info] of shard.tensors) if (weightMap.get(name) === file) tensors.set(name, { info, source: shard.source });
      }
      for (const [name, file] of weightMap) if (!tensors.has(name)) throw new LorikeetError('model/missing-tensor', `Tensor "${name}" is missing: expected in ${file} as model.safetensors.index.json says, found no such tensor there.`, { expected: name });
    } else {
      const single = await openSafetensors(folder, 'model.safetensors', signal);
      sources.push(single.source);
      for (const [name, info] of single.tensors) tensors.set(name, { info, source: single.source });
    }
    return { config, tensors, metadata: null, folder, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** What a model asks of its checkpoint: each tensor by name and shape, declared into one block. */
export class Weights {
  readonly plan = new BlockPlan();
  readonly used = new Set<string>();
  readonly #tensors: ReadonlyMap<string, StoredTensor>;
  readonly #bare: string;
  readonly #dtype: DtypeCode | undefined;

  /**
   * Checkpoints of a bare model, without its head, lack the prefix `bare` (`model.`, `transformer.`). `dtype`: what matrices are rounded to; those whose rows are no whole number of its
   * blocks stay what they are.
   */
  constructor(tensors: ReadonlyMap<string, StoredTensor>, bare = '', dtype?: DtypeCode) {
    this.#tensors = tensors;
    this.#bare = bare;
    this.#dtype = dtype;
  }

  has(name: string): boolean {
    return this.#find(name) !== undefined;
  }

  #find(name: string): StoredTensor | undefined {
    for (const full of this.#bare && name.startsWith(this.#bare) ? [name, name.slice(this.#bare.length)] : [name]) {
      const found = this.#tensors.get(full);
      if (found) {
        this.used.add(full);
        return found;
      }
    }
    return undefined;
  }

  #get(name: string, shape: readonly number[]): StoredTensor {
    const found = this.#find(name);
    if (!found) throw new LorikeetError('model/missing-tensor', `Tensor "${name}" is missing: expected ${JSON.stringify(shape)} as the configuration says, found ${this.#tensors.size} other tensors.`, { expected: name });
    if (found.info.shape.length !== shape.length || found.info.shape.some((d, i) => d !== shape[i])) {
      throw new LorikeetError('model/shape-mismatch', `Tensor "${name}" doesn't fit the configuration: expected ${JSON.stringify(shape)}, found ${JSON.stringify(found.info.shape)}.`, { expected: shape, found: found.info.shape });
    }
    return found;
  }

  /** W [n, k]; by columns the file holds [k, n]. */
  matrix(name: string, n: number, k: number, layout: 'rows' | 'columns' = 'rows'): Matrix {
    const { source, info, heads = 0 } = this.#get(name, layout === 'rows' ? [n, k] : [k, n]);
    const dtype = this.#dtype;
    const isRounded = dtype !== undefined && k % blockWeights(dtype) === 0 && (layout === 'rows' || !isQuantized(dtype));
    return this.plan.tensorMatrix(source, info, n, k, isRounded ? { layout, heads, dtype } : { layout, heads });
  }

  vector(name: string, n: number): Vector {
    const { source, info, heads = 0 } = this.#get(name, [n]);
    return this.plan.tensorVector(source, info, n, heads);
  }

  conv(name: string, out: number, inPerGroup: number, kernel: number): Matrix {
    const { source, info } = this.#get(name, [out, inPerGroup, kernel]);
    return this.plan.tensorConv(source, info, out, inPerGroup, kernel, 1);
  }
}
