/**
 * The values of a GGUF file, read in order through a window on it:
 *
 *   number, bool   little endian, 1 to 8 bytes; a bool is a byte 0 or 1
 *   string         length u64, then as many bytes of UTF-8
 *   array          type u32, count u64, then the values (arrays in arrays too)
 *
 * A vocabulary has a million strings, so the loops below are synchronous as long as the window holds what comes next.
 */
import { LorikeetError } from '../errors.js';
import { decodeText, GgufStringsBuilder, type GgufStrings } from './gguf-strings.js';
import type { RangeReader } from './header.js';

/** An array of numbers is a typed array of the file's own type; one of strings is {@link GgufStrings} where it was read, and may be a plain list where it is to be written. */
export type GgufArray = GgufStrings | readonly string[] | readonly boolean[] | Uint8Array | Int8Array | Uint16Array | Int16Array | Uint32Array | Int32Array | Float32Array | BigUint64Array | BigInt64Array | Float64Array | readonly GgufArray[];
/** A value of the metadata; 64-bit integers are numbers where a number holds them exactly. */
export type GgufValue = number | bigint | boolean | string | GgufArray;

/** What stands before the tensors' data may have at most so many bytes: the largest vocabularies (262,144 tokens with their merges) come to 20 MB. */
export const MAX_HEADER_BYTES = 2 ** 28;
/** The most elements of all arrays together: the largest vocabularies have some 1.5 million strings and numbers. */
export const MAX_ELEMENTS = 2 ** 24;
/** Arrays in arrays: the format allows any depth, its writers use one. */
export const MAX_DEPTH = 4;
/** The longest key or name of a tensor: the format's own limit for keys. */
export const MAX_NAME_BYTES = 65_535;

const CHUNK = 1 << 20;

/** The bytes from a place of the file on. */
export class GgufCursor {
  readonly #source: RangeReader;
  #window = new Uint8Array(0);
  #view = new DataView(this.#window.buffer);
  /** Of the window's first byte, in the file. */
  #base = 0;
  #at = 0;
  #end = 0;
  #elements = 0;

  constructor(source: RangeReader) {
    this.#source = source;
  }

  /** Bytes from the start of the file. */
  get position(): number {
    return this.#base + this.#at;
  }

  /** Bytes from here to the end of the file. */
  get left(): number {
    return this.#source.size - this.position;
  }

  /** True if the window holds the next `bytes`. */
  #has(bytes: number): boolean {
    return this.#end - this.#at >= bytes;
  }

  /** Brings the next `bytes` into the window. What it holds already is kept: a file that is streamed isn't read twice. */
  async #fill(bytes: number, what: string): Promise<void> {
    if (bytes > this.left) throw truncated(what, bytes, this.left);
    if (this.position + bytes > MAX_HEADER_BYTES) throw new LorikeetError('gguf/header-too-large', `The metadata takes more than ${MAX_HEADER_BYTES} bytes (at ${what}); the file was damaged.`, { expected: MAX_HEADER_BYTES, found: this.position + bytes });
    const held = this.#end - this.#at;
    const length = Math.min(Math.max(bytes, CHUNK), this.left);
    const window = length > this.#window.length ? new Uint8Array(length) : this.#window;
    window.set(this.#window.subarray(this.#at, this.#end)); // to the front; set copies overlapping bytes rightly
    const begin = this.#base + this.#end;
    this.#base += this.#at;
    this.#at = 0;
    this.#end = held;
    if (window !== this.#window) {
      this.#window = window;
      this.#view = new DataView(window.buffer);
    }
    const chunk = await this.#source.read(begin, this.#base + length);
    if (chunk.length < length - held) throw truncated(what, length - held, chunk.length); // a source may be the caller's own
    window.set(chunk, held);
    this.#end = length;
  }

  /** Unsigned, 4 bytes. */
  async u32(what: string): Promise<number> {
    if (!this.#has(4)) await this.#fill(4, what);
    const value = this.#view.getUint32(this.#at, true);
    this.#at += 4;
    return value;
  }

  /** Unsigned, 8 bytes. Values from 2^53 on are rounded: each caller holds them against a limit far below. */
  async u64(what: string): Promise<number> {
    if (!this.#has(8)) await this.#fill(8, what);
    return this.#u64();
  }

  #u64(): number {
    const value = this.#view.getUint32(this.#at + 4, true) * 2 ** 32 + this.#view.getUint32(this.#at, true);
    this.#at += 8;
    return value;
  }

  /** A key or the name of a tensor. @throws LorikeetError `gguf/string-beyond-file`, `gguf/name-too-long`, `gguf/not-utf8`, `gguf/truncated` */
  async name(what: string): Promise<string> {
    const length = await this.#length(what);
    if (length > MAX_NAME_BYTES) throw new LorikeetError('gguf/name-too-long', `${capital(what)} is ${length} bytes long: expected at most ${MAX_NAME_BYTES}; the file was damaged.`, { expected: MAX_NAME_BYTES, found: length });
    if (!this.#has(length)) await this.#fill(length, what);
    try {
      return STRICT.decode(this.#take(length));
    } catch (cause) {
      throw new LorikeetError('gguf/not-utf8', `${capital(what)} is not valid UTF-8; the file was damaged.`, { expected: 'UTF-8', cause });
    }
  }

  async #length(what: string): Promise<number> {
    return this.#fits(await this.u64(what), what);
  }

  #fits(length: number, what: string): number {
    if (length <= this.left) return length;
    throw new LorikeetError('gguf/string-beyond-file', `${capital(what)} has a string of ${length} bytes: expected at most the ${this.left} that follow; the file was cut or damaged.`, { expected: this.left, found: length });
  }

  #take(bytes: number): Uint8Array {
    const at = this.#at;
    this.#at += bytes;
    return this.#window.subarray(at, this.#at);
  }

  /** A value of the type with this number. @throws LorikeetError `gguf/value-type`, `gguf/truncated`, `gguf/bad-bool`, … */
  async value(type: number, what: string): Promise<GgufValue> {
    if (type === STRING) return this.#string(what);
    if (type === ARRAY) return this.#array(what, 1);
    const number = NUMBERS[type];
    if (!number) throw unknownType(type, what);
    if (!this.#has(number.bytes)) await this.#fill(number.bytes, what);
    const at = this.#at;
    this.#at += number.bytes;
    return type === BOOL ? bool(this.#window[at]!, what) : number.read(this.#view, at);
  }

  /** Bytes that aren't UTF-8 become U+FFFD, as the tokens of some vocabularies are parts of characters. */
  async #string(what: string): Promise<string> {
    const length = await this.#length(what);
    if (!this.#has(length)) await this.#fill(length, what);
    return decodeText(this.#window, this.#take(length).byteOffset, length);
  }

  async #array(what: string, depth: number): Promise<GgufArray> {
    const type = await this.u32(what);
    const count = await this.u64(what);
    const number = NUMBERS[type];
    if (!number && type !== STRING && type !== ARRAY) throw unknownType(type, what);
    if (depth > MAX_DEPTH) throw new LorikeetError('gguf/nesting', `${capital(what)} nests arrays more than ${MAX_DEPTH} deep: expected at most ${MAX_DEPTH}.`, { expected: MAX_DEPTH, found: depth });
    const least = number ? number.bytes : type === STRING ? 8 : 12;
    if (count * least > this.left) throw new LorikeetError('gguf/array-beyond-file', `${capital(what)} says that it has ${count} elements: expected at most the ${Math.floor(this.left / least)} that the rest of the file can hold; it was cut or damaged.`, { expected: Math.floor(this.left / least), found: count });
    this.#elements += count;
    if (this.#elements > MAX_ELEMENTS) throw new LorikeetError('gguf/too-many-elements', `${capital(what)} brings the elements of all arrays to ${this.#elements}: expected at most ${MAX_ELEMENTS}.`, { expected: MAX_ELEMENTS, found: this.#elements });
    if (type === STRING) return this.#strings(count, what);
    if (type === ARRAY) {
      const arrays: GgufArray[] = [];
      for (let i = 0; i < count; i++) arrays.push(await this.#array(what, depth + 1));
      return arrays;
    }
    const bytes = count * number!.bytes;
    if (!this.#has(bytes)) await this.#fill(bytes, what);
    const raw = this.#take(bytes);
    if (type === BOOL) return Array.from(raw, (byte) => bool(byte, what));
    return new number!.array(raw.slice().buffer); // the host is little-endian, as WebAssembly's memory is
  }

  async #strings(count: number, what: string): Promise<GgufStrings> {
    const strings = new GgufStringsBuilder(count);
    for (;;) {
      this.#at += strings.take(this.#window, this.#at, this.#end);
      if (strings.isFull) break;
      // The next one isn't in the window as a whole.
      if (!this.#has(8)) await this.#fill(8, what);
      const length = this.#u64();
      this.#fits(length, what);
      this.#at -= 8;
      if (!this.#has(8 + length)) await this.#fill(8 + length, what);
    }
    return strings.done();
  }
}

const STRICT = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const BOOL = 7;
const STRING = 8;
const ARRAY = 9;

interface NumberType {
  readonly bytes: number;
  read(view: DataView, at: number): number | bigint;
  readonly array: new (buffer: ArrayBuffer) => Exclude<GgufArray, readonly unknown[]>;
}

/** The value types that are numbers (and bool), by their number in a file: `enum gguf_type`. */
const NUMBERS: Readonly<Record<number, NumberType>> = {
  0: { bytes: 1, read: (view, at) => view.getUint8(at), array: Uint8Array },
  1: { bytes: 1, read: (view, at) => view.getInt8(at), array: Int8Array },
  2: { bytes: 2, read: (view, at) => view.getUint16(at, true), array: Uint16Array },
  3: { bytes: 2, read: (view, at) => view.getInt16(at, true), array: Int16Array },
  4: { bytes: 4, read: (view, at) => view.getUint32(at, true), array: Uint32Array },
  5: { bytes: 4, read: (view, at) => view.getInt32(at, true), array: Int32Array },
  6: { bytes: 4, read: (view, at) => view.getFloat32(at, true), array: Float32Array },
  [BOOL]: { bytes: 1, read: (view, at) => view.getUint8(at), array: Uint8Array },
  10: { bytes: 8, read: (view, at) => exact(view.getBigUint64(at, true)), array: BigUint64Array },
  11: { bytes: 8, read: (view, at) => exact(view.getBigInt64(at, true)), array: BigInt64Array },
  12: { bytes: 8, read: (view, at) => view.getFloat64(at, true), array: Float64Array },
};

const exact = (value: bigint): number | bigint => (Number.isSafeInteger(Number(value)) ? Number(value) : value);

function bool(byte: number, what: string): boolean {
  if (byte > 1) throw new LorikeetError('gguf/bad-bool', `${capital(what)} has a bool of ${byte}: expected 0 or 1; the file was damaged.`, { expected: [0, 1], found: byte });
  return byte === 1;
}

function unknownType(type: number, what: string): LorikeetError {
  return new LorikeetError('gguf/value-type', `${capital(what)} has a value of type ${type}: expected 0 to 12; the file was damaged or is of a newer version.`, { expected: '0 to 12', found: type });
}

function truncated(what: string, expected: number, found: number): LorikeetError {
  return new LorikeetError('gguf/truncated', `The file ends in ${what}: expected ${expected} more bytes, found ${found}; it was cut.`, { expected, found });
}

const capital = (text: string): string => text[0]!.toUpperCase() + text.slice(1);
