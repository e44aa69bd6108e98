/**
 * Products whose results are known, computed by the very instance that is to run. Engines differ in the relaxed instructions: some compute the dot product of bytes wrongly in one of
 * their tiers, some saturate where others wrap. So each kind of kernel is held against exact sums in the engine's first tier, and then again, bit by bit, while it warms up.
 */
import type { Kernels } from './kernels.js';

/** Quantised dtypes by code, of each family at least one: weights of 8, 4 (signed, and with a minimum), 5 and 6 bits. Weights and bytes of a block, and where in it stand its f16 scales. */
const FORMATS = [
  { dtype: 3, name: 'Q8_0', weights: 32, bytes: 34, scales: [0] },
  { dtype: 4, name: 'Q4_0', weights: 32, bytes: 18, scales: [0] },
  { dtype: 6, name: 'Q5_0', weights: 32, bytes: 22, scales: [0] },
  { dtype: 5, name: 'Q4_1', weights: 32, bytes: 20, scales: [0, 2] },
  { dtype: 10, name: 'Q6_K', weights: 256, bytes: 210, scales: [208] },
] as const;

/** Outputs: four panels, and a ragged fifth. */
const OUTPUTS = 37;
/** Rows: a vector, fewer than a tile, and two tiles with a rest. Fewer rows are computed more often, so that each tile is warm after about as many rounds. */
const ROWS = [{ rows: 1, times: 8 }, { rows: 3, times: 3 }, { rows: 17, times: 1 }] as const;
const MOST_ROWS = 17;
/** Rows of x repeat after these. */
const PATTERNS = 4;
/** Bytes that the first rows of weights are filled with: both ends and the middle of every format, -128 and 127 of a byte, 0, 15, 31 and 63 of fewer bits. */
const ENDS = [0x00, 0xff, 0x80, 0x7f, 0x0f, 0xf0] as const;

/** What a product with quantised weights may be off by, as a share of the magnitudes that it adds: roundings of f32, 2⁻²¹. A wrong unit in a sum of integers is more. */
const QUANTIZED_SHARE = 4.76837158203125e-7;

interface Case {
  readonly name: string;
  readonly times: number;
  readonly run: () => void;
  /** Outputs, row-major in f64; their number. */
  readonly exact: Float64Array;
  /** What an output may be off, as a share of the magnitudes that were added. */
  readonly share: number;
  readonly magnitudes: Float64Array;
  /** The bits of the first result. */
  first: Uint32Array | null;
}

export class KnownAnswers {
  readonly #cases: Case[] = [];
  readonly #y: number;
  readonly #memory: WebAssembly.Memory;
  readonly #from: number;
  #next: number;
  /** The end of what was ever written. */
  #end: number;
  #state = 2463534242;

  /** Lays operands out from the kernels' heap base on, in memory that nobody uses yet. `thorough`: of every kind of product; else one that any engine gets right, unless it is broken or the binary is. */
  constructor(private readonly kernels: Kernels, memory: WebAssembly.Memory, thorough: boolean) {
    this.#memory = memory;
    this.#from = this.#next = this.#end = (kernels.heapBase() + 63) & ~63;
    this.#y = this.#take(MOST_ROWS * OUTPUTS * 4);
    this.#addFloats(thorough ? 64 : 4);
    if (thorough) for (const format of FORMATS) this.#addQuantized(format, Math.max(64, format.weights));
  }

  /**
   * Computes every case, and compares.
   *
   * @returns null, or which case came out wrong
   */
  check(): string | null {
    for (const known of this.#cases) {
      for (let time = 0; time < known.times; time++) {
        try {
          known.run();
        } catch (error) {
          return `${known.name} stopped: ${String(error)}`;
        }
        const wrong = this.#compare(known);
        if (wrong !== null) return wrong;
      }
    }
    return null;
  }

  /** Leaves the memory as it was: zeros. */
  dispose(): void {
    new Uint8Array(this.#memory.buffer, this.#from, this.#end - this.#from).fill(0);
  }

  #compare(known: Case): string | null {
    const count = known.exact.length;
    const bits = new Uint32Array(this.#memory.buffer, this.#y, count);
    if (known.first !== null) {
      const { first } = known;
      for (let i = 0; i < count; i++) if (bits[i] !== first[i]) return `${known.name} gave other bits once it was compiled for speed`;
      return null;
    }
    const found = new Float32Array(this.#memory.buffer, this.#y, count);
    for (let i = 0; i < count; i++) {
      if (!(Math.abs(found[i]! - known.exact[i]!) <= known.share * known.magnitudes[i]!)) return `${known.name} expected ${known.exact[i]}, found ${found[i]}`;
    }
    known.first = bits.slice();
    return null;
  }

  /** Small whole numbers: no order of adding and no fusing rounds them. */
  #addFloats(k: number): void {
    const { kernels } = this;
    const values = this.#activations(k, (random) => (random % 15) - 7);
    const x = this.#floats(values);
    const source = new Float32Array(OUTPUTS * k);
    for (let i = 0; i < source.length; i++) source[i] = this.#below(255) - 127;
    const w = this.#take(40 * k * 4);
    kernels.pack(w, this.#floats(source), OUTPUTS, k, 0);
    this.#addProducts('matmul', values, source, k, 0, (rows) => { kernels.matmul(this.#y, OUTPUTS, x, k, w, 0, 0, rows, OUTPUTS, k, 0, 0, OUTPUTS); });
  }

  /** Activations at both ends and zero: every rounding keeps them. Sums over blocks are whole numbers times one scale. */
  #addQuantized({ dtype, name, weights, bytes, scales }: (typeof FORMATS)[number], k: number): void {
    const { kernels } = this;
    const blocks = k / weights, rowBytes = blocks * bytes;
    const x = this.#activations(k, (random, row, i) => (row === 0 ? 1 : row === 1 ? -1 : row === 2 ? (i & 2) - 1 : (random % 3) - 1));
    const data = new Uint8Array(OUTPUTS * rowBytes);
    for (let i = 0; i < data.length; i++) data[i] = this.#below(256);
    for (const [row, byte] of ENDS.entries()) data.fill(byte, row * rowBytes, (row + 1) * rowBytes);
    const view = new DataView(data.buffer);
    for (let block = 0; block < data.length; block += bytes) for (const at of scales) view.setUint16(block + at, 0x3c00, true);
    const mark = this.#next;
    const source = this.#bytes(data);
    const wide = this.#take(OUTPUTS * k * 4);
    kernels.widen(wide, source, OUTPUTS * k, dtype);
    const matrix = this.#read(wide, OUTPUTS * k).slice();
    // What follows lies where the source was: only packed weights and activations stay.
    this.#next = mark;
    const w = this.#take(Math.ceil(OUTPUTS / 8) * 8 * rowBytes);
    const q = this.#take((MOST_ROWS * k * 128) / 32);
    const again = this.#next;
    kernels.quantizeRows(q, this.#floats(x), k, MOST_ROWS, k);
    kernels.pack(w, this.#bytes(data), OUTPUTS, k, dtype);
    this.#next = again;
    this.#addProducts(`matmulQuantized of ${name}`, x, matrix, k, QUANTIZED_SHARE, (rows) => { kernels.matmulQuantized(this.#y, OUTPUTS, q, w, 0, 0, rows, OUTPUTS, k, dtype, 0, OUTPUTS); });
  }

  #addProducts(name: string, x: Float32Array, w: Float32Array, k: number, share: number, run: (rows: number) => void): void {
    const exact = new Float64Array(MOST_ROWS * OUTPUTS), magnitudes = new Float64Array(MOST_ROWS * OUTPUTS);
    for (let i = 0; i < PATTERNS; i++) {
      for (let j = 0; j < OUTPUTS; j++) {
        let [sum, magnitude] = [0, 0];
        for (let p = 0, a = i * k, b = j * k; p < k; p++) {
          const product = x[a++]! * w[b++]!;
          sum += product;
          magnitude += Math.abs(product);
        }
        exact[i * OUTPUTS + j] = sum;
        magnitudes[i * OUTPUTS + j] = magnitude;
      }
    }
    for (const values of [exact, magnitudes]) for (let i = PATTERNS * OUTPUTS; i < values.length; i++) values[i] = values[i - PATTERNS * OUTPUTS]!;
    for (const { rows, times } of ROWS) {
      const count = rows * OUTPUTS;
      this.#cases.push({ name: `${name}, ${rows === 1 ? '1 row' : `${rows} rows`},`, times, run: () => { run(rows); }, exact: exact.subarray(0, count), share, magnitudes: magnitudes.subarray(0, count), first: null });
    }
  }

  /** x [MOST_ROWS, k]: a few rows, over and over. */
  #activations(k: number, value: (random: number, row: number, i: number) => number): Float32Array {
    const x = new Float32Array(MOST_ROWS * k);
    for (let i = 0; i < PATTERNS * k; i++) x[i] = value(this.#below(65536), Math.floor(i / k), i % k);
    for (let i = PATTERNS * k; i < x.length; i++) x[i] = x[i - PATTERNS * k]!;
    return x;
  }

  /** A whole number in [0, n): xorshift32. */
  #below(n: number): number {
    let s = this.#state;
    s ^= s << 13;
    s ^= s >>> 17;
    s ^= s << 5;
    this.#state = s;
    return (s >>> 0) % n;
  }

  #take(bytes: number): number {
    const at = this.#next;
    this.#next = (at + bytes + 63) & ~63;
    this.#end = Math.max(this.#end, this.#next);
    const missing = this.#next + 64 - this.#memory.buffer.byteLength;
    if (missing > 0) this.#memory.grow(Math.ceil(missing / 65536));
    return at;
  }

  #bytes(data: Uint8Array): number {
    const at = this.#take(data.length);
    new Uint8Array(this.#memory.buffer, at).set(data);
    return at;
  }

  #floats(data: Float32Array): number {
    return this.#bytes(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }

  #read(at: number, count: number): Float32Array {
    return new Float32Array(this.#memory.buffer, at, count);
  }
}
