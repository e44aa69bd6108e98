/** FNV-1a over 32-bit words, 64 bits wide: enough to tell whether two engines have the same bits. */
export class Digest {
  #hash = 0xcbf29ce484222325n;

  /** Takes the bits of `words` in, as they lie. */
  add(words: Uint32Array | Int32Array | Float32Array): this {
    const bits = new Uint32Array(words.buffer, words.byteOffset, words.length);
    let [low, high] = [Number(this.#hash & 0xffffffffn), Number(this.#hash >> 32n)];
    for (const word of bits) {
      low = (low ^ word) >>> 0;
      // × 0x100000001b3 = 2⁴⁰ + 0x1b3, in two halves
      const product = low * 0x1b3;
      high = (Math.imul(high, 0x1b3) + Math.floor(product / 2 ** 32) + (low << 8)) >>> 0;
      low = product >>> 0;
    }
    this.#hash = (BigInt(high) << 32n) | BigInt(low);
    return this;
  }

  toString(): string {
    return this.#hash.toString(16).padStart(16, '0');
  }
}
