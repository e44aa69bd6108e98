import type { Runtime } from '../arena/runtime.js';
import { LorikeetError } from '../errors.js';
import type { ModelOrigin } from '../store/open.js';
import { DTYPES, roundedName, type DtypeCode, type WeightDtype } from '../tensor/matrix.js';
import type { Architecture, Built } from './architecture.js';
import { isCheckpoint, openCheckpoint, type Checkpoint } from './checkpoint.js';
import { DECODER_TYPES } from './decoder-config.js';
import { buildDecoder } from './decoder.js';
import { buildGpt2 } from './gpt2.js';
import { buildKitchenSink } from './kitchen-sink.js';

/** A model with its weights in memory, until {@link disposeModel}. */
export interface Model extends Architecture {
  readonly config: Readonly<Record<string, unknown>>;
  /** Bytes of all weights in linear memory. */
  readonly bytes: number;
  /** Tensors of the file that the model doesn't use. */
  readonly unused: readonly string[];
  block: number;
}

/** Options of {@link loadModel}. */
export interface LoadModelOptions {
  /** Rounds the matrices of linear layers and embeddings while loading, as `lorikeet quantize` does; those whose rows are no multiple of 32 stay what they are. Default: the file's own. */
  dtype?: WeightDtype | undefined;
  signal?: AbortSignal | undefined;
  /** Called with the bytes of weights placed so far and the bytes in all. */
  onProgress?: ((done: number, total: number) => void) | undefined;
  /** Nothing else is allocated in the runtime's memory meanwhile: files may be read straight to their places in it. */
  alone?: boolean | undefined;
}

type Build = (config: Readonly<Record<string, unknown>>, checkpoint: Checkpoint, dtype?: DtypeCode) => Built;

/** The architectures, by config.json's model_type. */
const BUILDERS: Readonly<Record<string, Build>> = {
  ...Object.fromEntries(DECODER_TYPES.map((type) => [type, buildDecoder])),
  gpt2: buildGpt2,
  kitchen_sink: buildKitchenSink,
};

/** The model types that {@link loadModel} takes. */
const MODEL_TYPES: readonly string[] = Object.keys(BUILDERS);

/** Reads a checkpoint's configuration and declares its tensors, without reading them; `dtype`: what matrices are to be rounded to. */
export function describeModel(checkpoint: Checkpoint, dtype?: DtypeCode): Built {
  const type = checkpoint.config.model_type;
  const build = typeof type === 'string' && Object.hasOwn(BUILDERS, type) ? BUILDERS[type] : undefined;
  if (!build) throw new LorikeetError('model/unsupported', `"model_type" in config.json expected one of ${MODEL_TYPES.join(', ')}, found ${JSON.stringify(type)}.`, { expected: MODEL_TYPES, found: type });
  return build(checkpoint.config, checkpoint, dtype);
}

/**
 * Loads a model's weights, streamed into the weights arena in their own dtype unless told otherwise.
 *
 * @param from an open checkpoint, which stays open; or what {@link openCheckpoint} takes
 * @throws LorikeetError `model/…`, `config/…`, `safetensors/…`, `gguf/…`, `store/…`, `memory/exhausted`, the signal's reason on abort; nothing remains in memory then
 */
export async function loadModel(runtime: Runtime, from: Checkpoint | ModelOrigin, options: LoadModelOptions = {}): Promise<Model> {
  const { signal, dtype } = options;
  const rounded = dtype === undefined ? undefined : DTYPES[roundedName(dtype, '"dtype"')];
  let opened: Checkpoint | null = null;
  try {
    const checkpoint = isCheckpoint(from) ? from : (opened = await openCheckpoint(from, signal ? { signal } : {}));
    const { architecture, weights } = describeModel(checkpoint, rounded);
    const block = await weights.plan.place(runtime, runtime.weights, options);
    try {
      architecture.prepare(runtime);
    } catch (error) {
      runtime.weights.free(block);
      throw error;
    }
    const unused = [...checkpoint.tensors.keys()].filter((name) => !weights.used.has(name));
    return { ...architecture, config: checkpoint.config, bytes: weights.plan.bytes, unused, block };
  } catch (error) {
    throw signal?.aborted ? signal.reason : error; // however the source worded it
  } finally {
    await opened?.close();
  }
}

/** Gives a model's weights back. */
export function disposeModel(runtime: Runtime, model: Model): void {
  if (model.block === 0) return;
  runtime.weights.free(model.block);
  model.block = 0;
}
