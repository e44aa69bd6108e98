/**
 * The strings of an array of a GGUF, kept as the file has them: a vocabulary has a hundred thousand, most of which nobody ever asks for, and as strings of the host each takes several times its bytes.
 *
 *   bytes   [ length u64 ][ string 0 ][ length u64 ][ string 1 ] …    UTF-8
 *   ends    where string 0 ends, where string 1 ends, …
 */
export class GgufStrings implements Iterable<string> {
  readonly bytes: Uint8Array;
  readonly ends: Uint32Array;
  /** Bytes between two strings. */
  readonly gap = LENGTH;

  constructor(bytes: Uint8Array, ends: Uint32Array) {
    this.bytes = bytes;
    this.ends = ends;
  }

  get length(): number {
    return this.ends.length;
  }

  /** Bytes that aren't UTF-8 are told by U+FFFD, as the tokens of some vocabularies are parts of characters. */
  at(index: number): string {
    const begin = LENGTH + (index === 0 ? 0 : this.ends[index - 1]!);
    return decodeText(this.bytes, begin, this.ends[index]! - begin);
  }

  /** As a list of strings tells itself. */
  toString(): string {
    return [...this].join();
  }

  *[Symbol.iterator](): Generator<string> {
    for (let i = 0; i < this.ends.length; i++) yield this.at(i);
  }
}

const LENGTH = 8;

/** Takes the strings of an array in as the bytes come. */
export class GgufStringsBuilder {
  #bytes = new Uint8Array(0);
  readonly #ends: Uint32Array;
  #count = 0;
  #used = 0;

  constructor(count: number) {
    this.#ends = new Uint32Array(count);
  }

  get isFull(): boolean {
    return this.#count === this.#ends.length;
  }

  /** Takes the whole strings of `from`, of which the first begins at `begin`, and returns their bytes. */
  take(from: Uint8Array, begin: number, end: number): number {
    const ends = this.#ends;
    const shift = this.#used - begin;
    let count = this.#count;
    let at = begin;
    // The commonest loop of a cold start: it works on bytes alone, so that even the interpreter is soon through.
    while (count < ends.length && end - at >= LENGTH) {
      const length = from[at]! | (from[at + 1]! << 8) | (from[at + 2]! << 16) | (from[at + 3]! << 24);
      // A length of 2^31 or more is beyond any window.
      if ((from[at + 4]! | from[at + 5]! | from[at + 6]! | from[at + 7]!) !== 0 || length < 0 || length > end - at - LENGTH) break;
      at += LENGTH + length;
      ends[count++] = at + shift;
    }
    this.#append(from.subarray(begin, at));
    this.#count = count;
    return at - begin;
  }

  #append(bytes: Uint8Array): void {
    const used = this.#used + bytes.length;
    if (used > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(used, 2 * this.#used));
      larger.set(this.#bytes.subarray(0, this.#used));
      this.#bytes = larger;
    }
    this.#bytes.set(bytes, this.#used);
    this.#used = used;
  }

  done(): GgufStrings {
    return new GgufStrings(this.#bytes.slice(0, this.#used), this.#ends);
  }
}

const LENIENT = new TextDecoder('utf-8', { ignoreBOM: true });

/** The longest string that is decoded here: for those of a vocabulary a call of the decoder costs more than its work. */
const SHORT = 48;
const units = new Uint16Array(SHORT);

/** Bytes as text; those that aren't UTF-8 become U+FFFD. */
export function decodeText(bytes: Uint8Array, from: number, length: number): string {
  const end = from + length;
  if (length > SHORT) return LENIENT.decode(bytes.subarray(from, end));
  let count = 0;
  for (let at = from; at < end;) {
    const byte = bytes[at]!;
    if (byte < 0x80) {
      units[count++] = byte;
      at++;
    } else if (byte >= 0xc2 && byte < 0xe0 && at + 1 < end && (bytes[at + 1]! & 0xc0) === 0x80) {
      units[count++] = ((byte & 0x1f) << 6) | (bytes[at + 1]! & 0x3f);
      at += 2;
    } else if (byte >= 0xe1 && byte < 0xed && at + 2 < end && (bytes[at + 1]! & 0xc0) === 0x80 && (bytes[at + 2]! & 0xc0) === 0x80) {
      units[count++] = ((byte & 0x0f) << 12) | ((bytes[at + 1]! & 0x3f) << 6) | (bytes[at + 2]! & 0x3f);
      at += 3;
    } else return LENIENT.decode(bytes.subarray(from, end)); // rare ones, and what is not UTF-8
  }
  return String.fromCharCode.apply(null, units.subarray(0, count) as unknown as number[]);
}
