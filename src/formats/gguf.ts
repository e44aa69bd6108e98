/**
 * The header of a GGUF file, version 2 or 3, little endian.
 *
 *   ┌──────┬─────────────┬─────────────┬──────────┬──────────────────────┬────────────────────────────────────────┬─────┬─────────────┐
 *   │ GGUF │ version u32 │ tensors u64 │ keys u64 │ key, type u32, value │ name, dims u32, ne u64…, type, offset  │ pad │ tensors     │
 *   └──────┴─────────────┴─────────────┴──────────┴──────────────────────┴────────────────────────────────────────┴─────┴─────────────┘
 *                                                   for each key             for each tensor                        to general.alignment
 *
 * `ne` counts from the dimension whose elements lie side by side; offsets count from the first byte behind the padding. The rules are those of ggml's own reader, gguf.cpp,
 * and, where that is laxer, of the format's page: no two tensors share a byte, none is empty.
 */
import { LorikeetError } from '../errors.js';
import { ggmlTypeOf, type GgmlName } from './ggml-types.js';
import { GgufCursor, type GgufValue } from './gguf-values.js';
import type { RangeReader, TensorInfo } from './header.js';

export { ggmlTypeNamed, ggmlTypeOf, type GgmlName, type GgmlType } from './ggml-types.js';
export { MAX_DEPTH, MAX_ELEMENTS, MAX_HEADER_BYTES, MAX_NAME_BYTES, type GgufArray, type GgufValue } from './gguf-values.js';

/** One tensor of a file. Its shape is in the order of config.json: `ne` reversed. */
export type GgufTensor = TensorInfo<GgmlName>;

/** Keys and values, in the file's order. */
export type GgufMetadata = ReadonlyMap<string, GgufValue>;

export interface GgufHeader {
  readonly version: number;
  readonly metadata: GgufMetadata;
  /** The number of each value's type (`enum gguf_type`): what a copy of the file writes again. */
  readonly types: ReadonlyMap<string, number>;
  /** By name, in the file's order. */
  readonly tensors: ReadonlyMap<string, GgufTensor>;
  /** Where the tensors start. */
  readonly headerBytes: number;
}

/** Of a file without `general.alignment`. */
const DEFAULT_ALIGNMENT = 32;
/** The largest alignment that is taken: files have 32; more than a huge page of memory serves nobody. */
export const MAX_ALIGNMENT = 2 ** 21;
/** ggml's own limit. */
const MAX_DIMENSIONS = 4;
/** The shortest entries that can be: an empty key with one byte, and a tensor without a name or dimensions. */
const LEAST_KEY = 8 + 4 + 1;
const LEAST_TENSOR = 8 + 4 + 4 + 8;

/** True for bytes that begin as a GGUF file does. */
export const isGguf = (bytes: Uint8Array): boolean => bytes.length >= 4 && bytes[0] === 0x47 && bytes[1] === 0x47 && bytes[2] === 0x55 && bytes[3] === 0x46;

/**
 * Reads and checks a file's header, in chunks. Every range in it lies inside the file.
 *
 * @throws LorikeetError with a code for each rule: `gguf/magic`, `big-endian`, `version`, `truncated`, `count-beyond-file`, `header-too-large`, `string-beyond-file`, `name-too-long`, `not-utf8`, `duplicate-key`, `value-type`,
 * `bad-bool`, `nesting`, `array-beyond-file`, `too-many-elements`, `alignment`, `duplicate-tensor`, `too-many-dimensions`, `empty-dimension`, `count-overflow`, `tensor-type`, `partial-block`,
 * `misaligned`, `offset-beyond-file`, `overlap`
 */
export async function readGguf(source: RangeReader): Promise<GgufHeader> {
  const { version, cursor } = await begin(source);
  const tensorCount = await countOf(cursor, 'the number of tensors', LEAST_TENSOR);
  const keyCount = await countOf(cursor, 'the number of keys', LEAST_KEY);
  const metadata = new Map<string, GgufValue>();
  const types = new Map<string, number>();
  for (let i = 0; i < keyCount; i++) {
    const key = await cursor.name(`key ${i}`);
    const what = `the value of ${JSON.stringify(key)}`;
    if (metadata.has(key)) fail('duplicate-key', `The key ${JSON.stringify(key)} stands twice: expected it once.`, 1, 2);
    const type = await cursor.u32(what);
    metadata.set(key, await cursor.value(type, what));
    types.set(key, type);
  }
  const alignment = alignmentOf(metadata.get('general.alignment'));
  const declared: Declared[] = [];
  const names = new Set<string>();
  for (let i = 0; i < tensorCount; i++) {
    const tensor = await readTensor(cursor, i);
    if (names.has(tensor.name)) fail('duplicate-tensor', `The tensor ${JSON.stringify(tensor.name)} stands twice: expected it once.`, 1, 2);
    names.add(tensor.name);
    declared.push(tensor);
  }
  const start = Math.ceil(cursor.position / alignment) * alignment;
  const list = declared.map((tensor) => place(tensor, start, alignment, source.size));
  checkApart(list);
  return { version, metadata, types, tensors: new Map(list.map((tensor) => [tensor.name, tensor])), headerBytes: start };
}

async function begin(source: RangeReader): Promise<{ version: number; cursor: GgufCursor }> {
  const first = Uint8Array.from(await source.read(0, Math.min(4, source.size)));
  if (!isGguf(first)) {
    const found = first.length === 0 ? 'nothing' : [...first].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
    fail('magic', `The file starts with ${found}, expected "GGUF" (47 47 55 46); it isn't a GGUF file.`, 'GGUF', found);
  }
  const cursor = new GgufCursor(source);
  await cursor.u32('the magic number');
  const version = await cursor.u32('the version');
  // Written on a machine of the other byte order, a small number has its bytes at the other end.
  if (version !== 0 && (version & 0xffff) === 0) fail('big-endian', `The file is big-endian (its version reads as ${version}), expected little-endian; convert it with gguf-py's gguf_convert_endian.py.`, 'little-endian', version);
  if (version !== 2 && version !== 3) fail('version', `The file is GGUF of version ${version}, expected 2 or 3${version === 1 ? '; convert the model anew' : ''}.`, [2, 3], version);
  return { version, cursor };
}

/** A number of entries, which the rest of the file must be able to hold. */
async function countOf(cursor: GgufCursor, what: string, least: number): Promise<number> {
  const count = await cursor.u64(what);
  const most = Math.floor(cursor.left / least);
  if (count > most) fail('count-beyond-file', `The file says that ${what} is ${count}: expected at most the ${most} that its ${cursor.left} further bytes can hold; it was cut or damaged.`, most, count);
  return count;
}

function alignmentOf(value: GgufValue | undefined): number {
  if (value === undefined) return DEFAULT_ALIGNMENT;
  // A power of two has one bit, so it has none in common with the number below it.
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 1 || value > MAX_ALIGNMENT || (value & (value - 1)) !== 0) {
    const found = typeof value === 'object' ? 'an array' : typeof value === 'string' ? JSON.stringify(value.slice(0, 40)) : String(value);
    fail('alignment', `"general.alignment" is ${found}: expected a power of two up to ${MAX_ALIGNMENT}.`, `a power of two up to ${MAX_ALIGNMENT}`, found);
  }
  return value;
}

/** A tensor as the header has it: where it lies is known only behind the last one. */
interface Declared {
  readonly name: string;
  readonly type: number;
  readonly shape: readonly number[];
  readonly offset: number;
}

async function readTensor(cursor: GgufCursor, index: number): Promise<Declared> {
  const name = await cursor.name(`the name of tensor ${index}`);
  const what = `the entry of tensor ${JSON.stringify(name)}`;
  const dimensions = await cursor.u32(what);
  if (dimensions > MAX_DIMENSIONS) fail('too-many-dimensions', `Tensor ${JSON.stringify(name)} has ${dimensions} dimensions: expected at most ${MAX_DIMENSIONS}.`, MAX_DIMENSIONS, dimensions);
  const shape: number[] = [];
  for (let i = 0; i < dimensions; i++) shape.unshift(await cursor.u64(what));
  return { name, shape, type: await cursor.u32(what), offset: await cursor.u64(what) };
}

/** Checks a tensor's shape against its type and its place against the file. */
function place({ name, type: id, shape, offset }: Declared, start: number, alignment: number, fileSize: number): GgufTensor {
  const tensor = `Tensor ${JSON.stringify(name)}`;
  const sizes = `[${shape.join(', ')}]`;
  const type = ggmlTypeOf(id) ?? fail('tensor-type', `${tensor} is of type ${id}, which ggml doesn't have (any more): expected 0 to 41, with gaps.`, '0 to 41', id);
  if (shape.includes(0)) fail('empty-dimension', `${tensor} has the shape ${sizes}: expected at least 1 in each dimension.`, 'at least 1', shape);
  const elements = shape.reduce((product, size) => product * size, 1);
  const bytes = (elements / type.block) * type.bytes;
  if (!Number.isSafeInteger(elements) || bytes > Number.MAX_SAFE_INTEGER || shape.some((size) => !Number.isSafeInteger(size))) fail('count-overflow', `${tensor} has the shape ${sizes}, more elements than can be counted.`, Number.MAX_SAFE_INTEGER, shape);
  const row = shape.at(-1) ?? 1;
  if (row % type.block !== 0) fail('partial-block', `${tensor} of ${type.name} has rows of ${row}: expected a multiple of its block, ${type.block}.`, type.block, row);
  if (offset % alignment !== 0) fail('misaligned', `${tensor} begins at offset ${offset}: expected a multiple of the alignment, ${alignment}.`, alignment, offset);
  if (offset > fileSize || start + offset + bytes > fileSize) fail('offset-beyond-file', `${tensor} of ${type.name} and shape ${sizes} ends at byte ${start + offset + bytes}, but the file has ${fileSize}; it was cut.`, fileSize, start + offset + bytes);
  return Object.freeze({ name, dtype: type.name, shape: Object.freeze(shape), begin: start + offset, end: start + offset + bytes });
}

function checkApart(list: readonly GgufTensor[]): void {
  const sorted = [...list].sort((a, b) => a.begin - b.begin || a.end - b.end);
  for (let i = 1; i < sorted.length; i++) {
    const [before, tensor] = [sorted[i - 1]!, sorted[i]!];
    if (tensor.begin < before.end) fail('overlap', `Tensor ${JSON.stringify(tensor.name)} begins at byte ${tensor.begin}, inside tensor ${JSON.stringify(before.name)}, which ends at ${before.end}.`, before.end, tensor.begin);
  }
}

function fail(rule: string, message: string, expected: unknown, found: unknown): never {
  throw new LorikeetError(`gguf/${rule}`, message, { expected, found });
}
