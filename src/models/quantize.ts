/** A model's weights on their way into a GGUF: read by rows, rounded to another dtype, handed on; never in memory as a whole. */
import type { Runtime } from '../arena/runtime.js';
import { LorikeetError } from '../errors.js';
import { ggufArchitectureOf, ggufName, interleavedHeads, type GgufArchitecture } from '../formats/gguf-names.js';
import { valueTypeOf, type GgufField, type GgufTensorChunks } from '../formats/gguf-write.js';
import type { OpenedFile } from '../store/open.js';
import type { Folder } from '../store/source.js';
import { headRow } from '../tensor/place.js';
import { blockWeights, DTYPES, dtypeCode, dtypeName, rowBytes, type DtypeCode, type DtypeName, type RoundedName } from '../tensor/matrix.js';
import { openCheckpoint, type StoredTensor } from './checkpoint.js';
import { decoderConfig, type DecoderConfig, type RopeSpec } from './decoder-config.js';
import { configFields } from './gguf-fields.js';
import { openGgufParts } from './gguf-parts.js';
import { describeModel } from './model.js';

/** `general.file_type` (`LLAMA_FTYPE_…`) by the dtype of most matrices. */
const FILE_TYPES: Readonly<Record<RoundedName, number>> = { F32: 0, F16: 1, Q4_0: 2, Q4_1: 3, Q8_0: 7, Q5_0: 8, Q5_1: 9, BF16: 32 };

export interface QuantizeOptions {
  /** Of every matrix. */
  readonly type: RoundedName;
  /** Of the token embedding and the output head; the same as `type` unless told. */
  readonly headType?: RoundedName | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called with the bytes read so far and the bytes in all. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/** What a GGUF is written from, until it is closed. */
export interface QuantizedModel {
  /** Of a checkpoint: what its configuration says, without the tokenizer; of a GGUF: its own keys, all of them. */
  readonly metadata: Map<string, GgufField>;
  readonly tensors: readonly GgufTensorChunks[];
  /** Dtypes of the matrices that were read, with their number. */
  readonly from: ReadonlyMap<DtypeName, number>;
  close(): Promise<void>;
}

/** Bytes read from a source at a time, unless one group of rows is larger. */
const CHUNK = 2 ** 20;
/** What the converters of gguf-py write: the layout of blocks has not changed since. */
const QUANTIZATION_VERSION = 2;

/**
 * Describes a Hugging Face folder as a GGUF.
 *
 * @throws LorikeetError `model/unsupported`, `quantize/unsupported`, and as `openCheckpoint`; `tensor/not-finite`, `tensor/overflow` when a tensor's turn comes
 */
export async function quantizeFolder(runtime: Runtime, folder: Folder, options: QuantizeOptions): Promise<QuantizedModel> {
  const checkpoint = await openCheckpoint(folder, options.signal ? { signal: options.signal } : {});
  try {
    const { weights } = describeModel(checkpoint);
    const modelType = String(checkpoint.config.model_type);
    const architecture = ggufArchitectureOf(modelType);
    if (!architecture) throw new LorikeetError('model/unsupported', `A model of type "${modelType}" can't be written as GGUF: expected one of the Llama family.`, { expected: 'llama, mistral, qwen2, qwen3, smollm3, phi3, gemma, gemma2, gemma3_text', found: modelType });
    const config = decoderConfig(checkpoint.config);
    const metadata = new Map<string, GgufField>([['general.architecture', { type: 'string', value: architecture }], ['general.type', { type: 'string', value: 'model' }], ...configFields(config, architecture)]);
    setTypes(metadata, options.type);
    const works = [...weights.used].map((name) => ofCheckpoint(name, checkpoint.tensors.get(name)!, architecture, config, options));
    const tensors = streamed(runtime, works, options);
    const factors = ropeFactors(runtime, config.ropes[0]!, config.headDim);
    if (factors) tensors.unshift({ name: 'rope_freqs.weight', dtype: 'F32', shape: [config.headDim / 2], bytes: factors });
    return { metadata, tensors, from: counted(works), close: () => checkpoint.close() };
  } catch (error) {
    await checkpoint.close();
    throw error;
  }
}

/**
 * Describes a GGUF file as one of another type: keys and names stay, also those of architectures that are not run here; matrices are rounded anew.
 *
 * @throws LorikeetError `gguf/…`; `tensor/dtype` for a matrix that can't be read; `tensor/not-finite`, `tensor/overflow` when a tensor's turn comes
 */
export async function quantizeGguf(runtime: Runtime, file: OpenedFile, options: QuantizeOptions): Promise<QuantizedModel> {
  const parts = await openGgufParts(file);
  const close = async (): Promise<void> => { for (const source of parts.sources) await source.close(); };
  try {
    const metadata = new Map<string, GgufField>();
    for (const [key, value] of parts.metadata) if (!key.startsWith('split.') && key !== 'general.alignment') metadata.set(key, { type: valueTypeOf(parts.types.get(key)!)!, value });
    setTypes(metadata, options.type);
    const works = [...parts.tensors.values()].map((info): Work => {
      const isMatrix = info.shape.length > 1;
      return { name: info.name, source: parts.sourceOf(info), info, heads: 0, plusOne: false, to: isMatrix ? roundedTo(info.name, info.shape, options) : null };
    });
    return { metadata, tensors: streamed(runtime, works, options), from: counted(works), close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Replaces what the file says of its types, in place where it said it. */
function setTypes(metadata: Map<string, GgufField>, type: RoundedName): void {
  metadata.set('general.file_type', { type: 'u32', value: FILE_TYPES[type] });
  metadata.set('general.quantization_version', { type: 'u32', value: QUANTIZATION_VERSION });
}

/** One tensor, and what becomes of it. */
interface Work extends StoredTensor {
  /** In the file that is written. */
  readonly name: string;
  /** The dtype to round to; null: the bytes are copied. */
  readonly to: DtypeCode | null;
  /** Heads whose rows are to be interleaved; 0: none. */
  readonly heads: number;
  /** Gemma's norms get the 1 that its checkpoints leave to the model. */
  readonly plusOne: boolean;
}

function ofCheckpoint(name: string, { info, source }: StoredTensor, architecture: GgufArchitecture, config: DecoderConfig, options: QuantizeOptions): Work {
  const found = ggufName(architecture, name) ?? ggufName(architecture, `model.${name}`); // of a bare model, too
  if (!found) throw new LorikeetError('quantize/unsupported', `Tensor "${name}" has no name in a GGUF of ${architecture}: expected one that llama.cpp knows.`, { expected: architecture, found: name });
  const isMatrix = info.shape.length > 1;
  return {
    name: found, info, source, heads: interleavedHeads(architecture, found, config.heads, config.kvHeads),
    plusOne: config.normOffset === 1 && found.endsWith('norm.weight'), to: isMatrix ? roundedTo(found, info.shape, options) : DTYPES.F32,
  };
}

/** Rows that are no whole number of blocks stay halves. */
function roundedTo(name: string, shape: readonly number[], { type, headType = type }: QuantizeOptions): DtypeCode {
  const code = DTYPES[name === 'token_embd.weight' || name === 'output.weight' ? headType : type];
  return shape.at(-1)! % blockWeights(code) === 0 ? code : DTYPES.F16;
}

function counted(works: readonly Work[]): ReadonlyMap<DtypeName, number> {
  const counts = new Map<DtypeName, number>();
  for (const { info } of works) {
    const dtype = info.dtype as DtypeName;
    if (info.shape.length > 1) counts.set(dtype, (counts.get(dtype) ?? 0) + 1);
  }
  return counts;
}

function streamed(runtime: Runtime, works: readonly Work[], { signal, onProgress }: QuantizeOptions): GgufTensorChunks[] {
  const total = works.reduce((sum, { info }) => sum + info.end - info.begin, 0);
  let done = 0;
  return works.map((work) => {
    // A dtype that can't be read shows before anything is written.
    const dtype = work.to === null ? work.info.dtype : dtypeName(work.to);
    if (work.to !== null) dtypeCode(work.info.dtype, work.info.name);
    return {
      name: work.name, dtype: dtype as GgufTensorChunks['dtype'], shape: work.info.shape,
      async *bytes() {
        for (const { begin, end, rows } of stretches(work)) {
          signal?.throwIfAborted();
          const chunk = await work.source.read(begin, end);
          yield work.to === null ? chunk : round(runtime, work, work.to, chunk, rows);
          onProgress?.((done += end - begin), total);
        }
      },
    };
  });
}

/** A tensor in stretches of whole rows, and of whole heads where those are put in another order. */
function* stretches({ info, heads }: Work): Generator<{ begin: number; end: number; rows: number }> {
  const total = info.end - info.begin;
  const rows = info.shape.length > 1 ? info.shape.slice(0, -1).reduce((product, size) => product * size, 1) : heads > 0 ? info.shape[0]! : 1;
  const stride = total / rows;
  const group = heads > 0 ? rows / heads : 1;
  const step = Math.max(1, Math.floor(CHUNK / stride / group)) * group;
  for (let row = 0; row < rows; row += step) {
    const count = Math.min(step, rows - row);
    yield { begin: info.begin + row * stride, end: info.begin + (row + count) * stride, rows: count };
  }
}

/** The chunk's rows in another dtype. Synchronous: the scratch arena's marks nest. */
function round({ kernels, scratch, views }: Runtime, { info, heads, plusOne }: Work, to: DtypeCode, chunk: Uint8Array, rows: number): Uint8Array {
  const from = dtypeCode(info.dtype, info.name);
  const count = (chunk.byteLength / rowBytes(blockWeights(from), from)) * blockWeights(from);
  const bytes = rowBytes(count, to);
  const mark = scratch.mark();
  try {
    const staging = scratch.alloc(chunk.byteLength);
    const stride = chunk.byteLength / rows;
    if (heads === 0) views.u8.set(chunk, staging);
    else {
      const dim = info.shape[0]! / heads;
      for (let i = 0; i < rows; i++) views.u8.set(chunk.subarray(headRow(i, dim) * stride, (headRow(i, dim) + 1) * stride), staging + i * stride);
    }
    if (kernels.allFinite(staging, count, from) === 0) throw new LorikeetError('tensor/not-finite', `Tensor "${info.name}" has a NaN or an infinity: expected finite numbers; the file is damaged or its training diverged.`, { expected: 'finite numbers', found: info.name });
    if (from === to && !plusOne) return views.u8.slice(staging, staging + bytes);
    const wide = scratch.alloc(count * 4);
    kernels.widen(wide, staging, count, from);
    if (plusOne) {
      const ones = scratch.alloc(count * 4);
      kernels.fill(ones, 1, count);
      kernels.add(wide, wide, ones, count);
    }
    const result = scratch.alloc(bytes);
    kernels.narrow(result, wide, count, to);
    if (kernels.allFinite(result, count, to) === 0) throw new LorikeetError('tensor/overflow', `Tensor "${info.name}" has weights too large for ${dtypeName(to)}: expected values, or scales of blocks, of at most 65504; take bf16 or f32.`, { expected: 65504, found: info.name });
    return views.u8.slice(result, result + bytes);
  } finally {
    scratch.release(mark);
  }
}

/** llama3's scaling as llama.cpp takes it: what each frequency is divided by. Null for other kinds. */
function ropeFactors({ kernels, scratch, views }: Runtime, { kind, base, factor, low, high, original }: RopeSpec, headDim: number): Uint8Array | null {
  if (kind !== 'llama3') return null;
  const mark = scratch.mark();
  try {
    const plain = scratch.alloc(headDim * 2);
    const scaled = scratch.alloc(headDim * 2);
    kernels.inverseFrequencies(plain, headDim, base, 0, 1, 1, 1, 1);
    kernels.inverseFrequencies(scaled, headDim, base, 2, factor, low, high, original);
    kernels.stretchFrequencies(plain, scaled, headDim / 2);
    return views.u8.slice(plain, plain + headDim * 2);
  } finally {
    scratch.release(mark);
  }
}
