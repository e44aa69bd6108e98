/**
 * Writes .safetensors files, byte for byte as the safetensors crate lays them out: tensors by descending alignment, then by name (as UTF-8),
 * the JSON without spaces and padded with spaces to a multiple of 8, so that the data starts aligned. Metadata keys are sorted, so equal input gives equal bytes.
 */
import { LorikeetError } from '../errors.js';
import { alignmentRank, byteLength, isSafetensorsDtype, type SafetensorsDtype } from './dtypes.js';
import { MAX_HEADER_BYTES } from './header.js';

export interface TensorMeta {
  readonly name: string;
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
}

export interface TensorBytes extends TensorMeta { readonly bytes: Uint8Array }

/** A tensor whose bytes come as they are asked for; `bytes` of a function is called when its turn comes. */
export interface TensorChunks extends TensorMeta {
  readonly bytes: Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array> | (() => Iterable<Uint8Array> | AsyncIterable<Uint8Array>);
}

export interface Layout<T extends TensorMeta> {
  /** The 8 bytes of the length, then the JSON. */
  readonly header: Uint8Array;
  /** In the order of the file, with their place in it. */
  readonly tensors: readonly { readonly tensor: T; readonly begin: number; readonly end: number }[];
  readonly fileSize: number;
}

/**
 * Lays out a file: its header and the order and place of its tensors.
 *
 * @throws LorikeetError `safetensors/duplicate-key`, `bad-name`, `bad-dtype`, `bad-shape`, `count-overflow`, `misaligned`, `header-too-large`
 */
export function layOut<T extends TensorMeta>(tensors: Iterable<T>, metadata: Readonly<Record<string, string>> = {}): Layout<T> {
  const sorted = [...tensors].map((tensor) => ({ tensor, size: checkedSize(tensor) }));
  sorted.sort((a, b) => alignmentRank(b.tensor.dtype) - alignmentRank(a.tensor.dtype) || compareUtf8(a.tensor.name, b.tensor.name));
  for (let i = 1; i < sorted.length; i++) {
    const { name } = sorted[i]!.tensor;
    if (name === sorted[i - 1]!.tensor.name) fail('duplicate-key', `Two tensors are named ${JSON.stringify(name)}; expected each name once.`, 'distinct names', name);
  }
  const names = new Set(sorted.map(({ tensor }) => tensor.name));
  if (names.size !== sorted.length) fail('duplicate-key', 'Two tensors of different dtypes have the same name; expected each name once.', sorted.length, names.size);

  // Built by hand, since a plain object would move names like "7" to the front.
  const entries: string[] = [];
  const keys = Object.keys(metadata).sort(compareUtf8);
  if (keys.length > 0) entries.push(`"__metadata__":{${keys.map((key) => `${quote(key)}:${quote(metadata[key]!)}`).join(',')}}`);
  let offset = 0;
  for (const { tensor, size } of sorted) {
    entries.push(`${quote(tensor.name)}:{"dtype":"${tensor.dtype}","shape":[${tensor.shape.join(',')}],"data_offsets":[${offset},${offset + size}]}`);
    offset += size;
  }
  const json = new TextEncoder().encode(`{${entries.join(',')}}`);
  const length = Math.ceil(json.length / 8) * 8;
  if (length > MAX_HEADER_BYTES) fail('header-too-large', `The header would be ${length} bytes long, expected at most ${MAX_HEADER_BYTES}.`, MAX_HEADER_BYTES, length);

  const header = new Uint8Array(8 + length).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(length), true);
  header.set(json, 8);
  let at = header.length;
  const placed = sorted.map(({ tensor, size }) => ({ tensor, begin: at, end: (at += size) }));
  return { header, tensors: placed, fileSize: at };
}

/**
 * The bytes of a whole file.
 *
 * @throws LorikeetError as {@link layOut}, and `safetensors/wrong-size` where bytes don't match a tensor's dtype and shape
 * @example writeSafetensors([{ name: 'logits', dtype: 'F32', shape: [2, 3], bytes }])
 */
export function writeSafetensors(tensors: Iterable<TensorBytes>, metadata?: Readonly<Record<string, string>>): Uint8Array {
  const layout = layOut(tensors, metadata);
  for (const { tensor, begin, end } of layout.tensors) checkCount(tensor, end - begin, tensor.bytes.length);
  const file = new Uint8Array(layout.fileSize);
  file.set(layout.header);
  for (const { tensor, begin } of layout.tensors) file.set(tensor.bytes, begin);
  return file;
}

/**
 * A file as a stream of chunks, header first: no more of it is held than the chunk under way.
 *
 * @throws LorikeetError as {@link writeSafetensors}; a wrong count of bytes only shows when that tensor's turn comes
 */
export async function* streamSafetensors(tensors: Iterable<TensorChunks>, metadata?: Readonly<Record<string, string>>): AsyncGenerator<Uint8Array, void, undefined> {
  const layout = layOut(tensors, metadata);
  yield layout.header;
  for (const { tensor, begin, end } of layout.tensors) {
    const bytes = typeof tensor.bytes === 'function' ? tensor.bytes() : tensor.bytes;
    let written = 0;
    for await (const chunk of bytes instanceof Uint8Array ? [bytes] : bytes) {
      written += chunk.length;
      if (written > end - begin) checkCount(tensor, end - begin, written);
      if (chunk.length > 0) yield chunk;
    }
    checkCount(tensor, end - begin, written);
  }
}

function checkedSize({ name, dtype, shape }: TensorMeta): number {
  const tensor = `Tensor ${JSON.stringify(name)}`;
  if (name === '__metadata__' || !isWellFormed(name)) fail('bad-name', `A tensor can't be named ${JSON.stringify(name)} in a safetensors file.`, 'well-formed text other than "__metadata__"', name);
  if (!isSafetensorsDtype(dtype)) fail('bad-dtype', `${tensor} has the dtype ${JSON.stringify(dtype)}, which the format doesn't have.`, 'a dtype of the format', dtype);
  for (const size of shape) {
    if (!Number.isSafeInteger(size) || size < 0) fail('bad-shape', `${tensor} has the shape [${shape.join(', ')}], expected counts.`, 'counts', shape);
  }
  const size = byteLength(dtype, shape);
  if (size === 'overflow') fail('count-overflow', `${tensor} has the shape [${shape.join(', ')}], more elements than can be counted.`, Number.MAX_SAFE_INTEGER, shape);
  if (size === 'misaligned') fail('misaligned', `${tensor} of ${dtype} and shape [${shape.join(', ')}] doesn't end at a whole byte.`, 'whole bytes', shape);
  return size;
}

function checkCount({ name, dtype, shape }: TensorMeta, expected: number, found: number): void {
  if (expected !== found) fail('wrong-size', `Tensor ${JSON.stringify(name)} of ${dtype} and shape [${shape.join(', ')}] needs ${expected} bytes, but was given ${found}${found > expected ? ' or more' : ''}.`, expected, found);
}

/** JSON.stringify escapes what serde_json escapes, and lone surrogates besides: those are refused. */
function quote(text: string): string {
  if (typeof text !== 'string' || !isWellFormed(text)) fail('metadata-not-string', `Metadata holds ${JSON.stringify(text)}, expected well-formed text.`, 'a string', text);
  return JSON.stringify(text);
}

function isWellFormed(text: string): boolean {
  return !/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.test(text);
}

/** Order of the UTF-8 bytes: that of code points, which differs from JavaScript's where surrogates meet U+E000 … U+FFFF. */
function compareUtf8(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return place(x) - place(y);
  }
  return a.length - b.length;
}

function place(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}

function fail(rule: string, message: string, expected?: unknown, found?: unknown): never {
  throw new LorikeetError(`safetensors/${rule}`, message, { expected, found });
}
