/**
 * Writes GGUF files of version 3, little endian: the header of gguf.ts, then each tensor at a multiple of the alignment, in the order given.
 * No more of a file is held than its header and the chunk under way.
 */
import { LorikeetError } from '../errors.js';
import { ggmlTypeNamed, type GgmlName } from './ggml-types.js';
import type { GgufArray, GgufValue } from './gguf-values.js';

/** The types of values, by their number in a file: `enum gguf_type`. */
const TYPES = ['u8', 'i8', 'u16', 'i16', 'u32', 'i32', 'f32', 'bool', 'string', 'array', 'u64', 'i64', 'f64'] as const;

export type GgufValueType = (typeof TYPES)[number];

/** The name of a value type's number in a file. */
export const valueTypeOf = (id: number): GgufValueType | undefined => TYPES[id];

/** A value of the metadata and its type: readers want the very type that llama.cpp writes. An array's elements are of the type that its class says. */
export interface GgufField {
  readonly type: GgufValueType;
  readonly value: GgufValue;
}

export interface GgufTensorMeta {
  readonly name: string;
  readonly dtype: GgmlName;
  /** In the order of config.json and safetensors: the row length last. */
  readonly shape: readonly number[];
}

/** A tensor whose bytes come as they are asked for; `bytes` of a function is called when its turn comes. */
export interface GgufTensorChunks extends GgufTensorMeta {
  readonly bytes: Uint8Array | (() => Iterable<Uint8Array> | AsyncIterable<Uint8Array>);
}

export interface GgufLayout<T extends GgufTensorMeta> {
  /** All that stands before the tensors, padded to the alignment. */
  readonly header: Uint8Array;
  /** With their place in the file; what follows each up to the next is zeros. */
  readonly tensors: readonly { readonly tensor: T; readonly begin: number; readonly end: number }[];
  /** The last tensor is padded, too, as llama.cpp expects. */
  readonly fileSize: number;
}

/** Of the tensors' data: what llama.cpp takes where the metadata says nothing else. */
const ALIGNMENT = 32;
/** ggml's limits: dimensions of a tensor, and bytes of its name (GGML_MAX_NAME less its zero). */
const MAX_DIMENSIONS = 4;
const MAX_TENSOR_NAME = 63;
const MAX_KEY = 65_535;

/**
 * Lays out a file: its header and the places of its tensors.
 *
 * @throws LorikeetError `gguf/duplicate-tensor`, `gguf/name-too-long`, `gguf/bad-shape`, `gguf/partial-block`, `gguf/bad-value`
 */
export function layOutGguf<T extends GgufTensorMeta>(tensors: Iterable<T>, metadata: ReadonlyMap<string, GgufField>): GgufLayout<T> {
  const list = [...tensors].map((tensor) => ({ tensor, size: checkedSize(tensor) }));
  const names = new Set<string>();
  for (const { tensor: { name } } of list) {
    if (names.has(name)) fail('duplicate-tensor', `Two tensors are named ${JSON.stringify(name)}; expected each name once.`, 'distinct names', name);
    names.add(name);
  }
  const bytes = new Growing();
  bytes.raw(new Uint8Array([0x47, 0x47, 0x55, 0x46]));
  bytes.number('u32', 3);
  bytes.number('u64', list.length);
  bytes.number('u64', metadata.size);
  for (const [key, { type, value }] of metadata) {
    bytes.text(key, MAX_KEY);
    bytes.number('u32', TYPES.indexOf(type));
    bytes.value(type, value, key);
  }
  let offset = 0;
  const places = list.map(({ tensor, size }) => {
    const type = ggmlTypeNamed(tensor.dtype)!;
    bytes.text(tensor.name, MAX_TENSOR_NAME);
    bytes.number('u32', tensor.shape.length);
    for (const length of [...tensor.shape].reverse()) bytes.number('u64', length);
    bytes.number('u32', type.id);
    bytes.number('u64', offset);
    const begin = offset;
    offset += aligned(size);
    return { tensor, begin, end: begin + size };
  });
  const header = bytes.done(ALIGNMENT);
  return { header, tensors: places.map(({ tensor, begin, end }) => ({ tensor, begin: begin + header.length, end: end + header.length })), fileSize: header.length + offset };
}

/**
 * A file as a stream of chunks, header first.
 *
 * @throws LorikeetError as {@link layOutGguf}; `gguf/wrong-size` when the turn of a tensor comes whose bytes are too few or too many
 * @example for await (const chunk of streamGguf([{ name: 'token_embd.weight', dtype: 'F32', shape: [2, 3], bytes }], new Map())) file.write(chunk);
 */
export async function* streamGguf(tensors: Iterable<GgufTensorChunks>, metadata: ReadonlyMap<string, GgufField>): AsyncGenerator<Uint8Array, GgufLayout<GgufTensorChunks>, undefined> {
  const layout = layOutGguf(tensors, metadata);
  yield layout.header;
  for (const { tensor, begin, end } of layout.tensors) {
    let written = 0;
    for await (const chunk of typeof tensor.bytes === 'function' ? tensor.bytes() : [tensor.bytes]) {
      written += chunk.length;
      if (written > end - begin) checkCount(tensor, end - begin, written);
      if (chunk.length > 0) yield chunk;
    }
    checkCount(tensor, end - begin, written);
    if (written % ALIGNMENT !== 0) yield new Uint8Array(aligned(written) - written);
  }
  return layout;
}

const aligned = (size: number): number => Math.ceil(size / ALIGNMENT) * ALIGNMENT;

function checkedSize({ name, dtype, shape }: GgufTensorMeta): number {
  const { block, bytes } = ggmlTypeNamed(dtype)!;
  if (shape.length < 1 || shape.length > MAX_DIMENSIONS || shape.some((size) => !Number.isSafeInteger(size) || size < 1)) {
    fail('bad-shape', `Tensor ${JSON.stringify(name)} has the shape [${shape.join(', ')}], expected 1 to ${MAX_DIMENSIONS} counts above 0.`, `1 to ${MAX_DIMENSIONS} counts`, shape);
  }
  if (shape.at(-1)! % block !== 0) fail('partial-block', `Tensor ${JSON.stringify(name)} of ${dtype} has rows of ${shape.at(-1)}, expected a multiple of its block, ${block}.`, block, shape.at(-1));
  return (shape.reduce((product, size) => product * size, 1) / block) * bytes;
}

function checkCount({ name, dtype, shape }: GgufTensorMeta, expected: number, found: number): void {
  if (expected !== found) fail('wrong-size', `Tensor ${JSON.stringify(name)} of ${dtype} and shape [${shape.join(', ')}] needs ${expected} bytes, but was given ${found}${found > expected ? ' or more' : ''}.`, expected, found);
}

type NumberType = Exclude<GgufValueType, 'bool' | 'string' | 'array'>;

/** The bytes of each number, the least and the most of integers, and how it is stored. */
const NUMBERS: Readonly<Record<NumberType, readonly [bytes: number, least: number | bigint, most: number | bigint, store: (view: DataView, at: number, value: never) => void]>> = {
  u8: [1, 0, 0xff, (view, at, value) => { view.setUint8(at, value); }],
  i8: [1, -0x80, 0x7f, (view, at, value) => { view.setInt8(at, value); }],
  u16: [2, 0, 0xffff, (view, at, value) => { view.setUint16(at, value, true); }],
  i16: [2, -0x8000, 0x7fff, (view, at, value) => { view.setInt16(at, value, true); }],
  u32: [4, 0, 0xffff_ffff, (view, at, value) => { view.setUint32(at, value, true); }],
  i32: [4, -0x8000_0000, 0x7fff_ffff, (view, at, value) => { view.setInt32(at, value, true); }],
  f32: [4, -Infinity, Infinity, (view, at, value) => { view.setFloat32(at, value, true); }],
  u64: [8, 0n, 2n ** 64n - 1n, (view, at, value) => { view.setBigUint64(at, value, true); }],
  i64: [8, -(2n ** 63n), 2n ** 63n - 1n, (view, at, value) => { view.setBigInt64(at, value, true); }],
  f64: [8, -Infinity, Infinity, (view, at, value) => { view.setFloat64(at, value, true); }],
};

/** Bytes that are appended to. */
class Growing {
  #bytes = new Uint8Array(1 << 16);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  /** Room for `count` more bytes; returns where they start. */
  #room(count: number): number {
    const start = this.#length;
    this.#length += count;
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#length, 2 * this.#bytes.length));
      larger.set(this.#bytes);
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    return start;
  }

  raw(bytes: Uint8Array): void {
    const at = this.#room(bytes.length); // before the buffer is named: it may be another one then
    this.#bytes.set(bytes, at);
  }

  number(type: NumberType, value: number | bigint): void {
    const [bytes, , , store] = NUMBERS[type];
    const at = this.#room(bytes);
    store(this.#view, at, (bytes === 8 && type !== 'f64' ? BigInt(value) : value) as never);
  }

  /** Length, then UTF-8. */
  text(text: string, most = Infinity): void {
    const bytes = ENCODER.encode(text);
    if (bytes.length > most) fail('name-too-long', `The name ${JSON.stringify(text.slice(0, 80))} is ${bytes.length} bytes long, expected at most ${most}.`, most, bytes.length);
    this.number('u64', bytes.length);
    this.raw(bytes);
  }

  value(type: GgufValueType, value: GgufValue, key: string): void {
    if (type === 'array' && typeof value === 'object') this.#array(value, key);
    else if (type === 'string' && typeof value === 'string') this.text(value);
    else if (type === 'bool' && typeof value === 'boolean') this.number('u8', Number(value));
    else if (type !== 'array' && type !== 'string' && type !== 'bool' && fits(type, value)) this.number(type, value as number | bigint);
    else fail('bad-value', `The value of ${JSON.stringify(key)} expected ${type === 'array' ? 'an array' : `one that ${type} holds`}, found ${typeof value === 'object' ? 'an array' : String(value)}.`, type, value);
  }

  #array(array: GgufArray, key: string): void {
    const type = elementType(array);
    this.number('u32', TYPES.indexOf(type));
    this.number('u64', array.length);
    if (ArrayBuffer.isView(array)) this.raw(new Uint8Array(array.buffer, array.byteOffset, array.byteLength)); // the host is little-endian, as WebAssembly's memory is
    else for (const value of array) this.value(type, value, key);
  }

  done(alignment: number): Uint8Array {
    this.#room(Math.ceil(this.#length / alignment) * alignment - this.#length);
    return this.#bytes.subarray(0, this.#length);
  }
}

const ENCODER = new TextEncoder();
const CLASSES = { Uint8Array: 'u8', Int8Array: 'i8', Uint16Array: 'u16', Int16Array: 'i16', Uint32Array: 'u32', Int32Array: 'i32', Float32Array: 'f32', BigUint64Array: 'u64', BigInt64Array: 'i64', Float64Array: 'f64' } as const;

/** What an array holds; of an empty list nobody knows, and strings are as good as any. */
function elementType(array: GgufArray): GgufValueType {
  if (ArrayBuffer.isView(array)) return CLASSES[array[Symbol.toStringTag]];
  const [first] = array;
  return typeof first === 'boolean' ? 'bool' : typeof first === 'object' ? 'array' : 'string';
}

/** An integer type takes whole numbers of its range; a float takes any number. */
function fits(type: NumberType, value: GgufValue): boolean {
  if (type === 'f32' || type === 'f64') return typeof value === 'number';
  const [, least, most] = NUMBERS[type];
  return (typeof value === 'bigint' || (typeof value === 'number' && Number.isSafeInteger(value))) && value >= least && value <= most;
}

function fail(rule: string, message: string, expected: unknown, found: unknown): never {
  throw new LorikeetError(`gguf/${rule}`, message, { expected, found });
}
