// Loads a build of the kernels beside build/reference.wasm, each over a memory of its own, and runs one kernel on both with equal buffers at
// equal addresses. Which build: LORIKEET_BUILD, set by scripts/test.mjs, which runs every file here once for each. Nothing here is a host's own but `readBuild`, so that Node, Deno and a page in a browser run the same suites.

export type Kernel = (...args: number[]) => number;
export type Exports = Record<string, Kernel>;

/** The builds that the suites run over (asconfig.json). */
export type Build = 'simd' | 'simd-threads' | 'relaxed' | 'relaxed-threads' | 'relaxed-dot' | 'relaxed-dot-threads';

export interface Kernels {
  build: Build;
  /** True for the plain builds: the reference's bits. False for the relaxed ones: what {@link Bench.result} checks is within a tolerance. */
  exact: boolean;
  /** The build under test, whichever it is. */
  simd: Exports;
  reference: Exports;
  memories: [simd: WebAssembly.Memory, reference: WebAssembly.Memory];
  /** The first address that tests may use. */
  base: number;
}

/** One check of a suite; throws where kernel and reference disagree. */
export interface Check {
  name: string;
  run(kernels: Kernels): void;
}

/** Where the buffers of a run lie: `low` from the kernels' own heap base on, `high` above 2 GiB, where a pointer is negative as an i32, `across` on both sides. */
export const places = {
  low: { pages: 1024, base: 0 },
  across: { pages: 33800, base: 2 ** 31 - 2 ** 25 },
  high: { pages: 33800, base: 2 ** 31 + 64 },
};

/** The build that this process tests. */
const chosen = ((globalThis as { process?: { env: Record<string, string | undefined> } }).process?.env['LORIKEET_BUILD'] ?? 'simd') as Build;

export async function loadKernels({ pages, base }: { pages: number; base: number }, build: Build = chosen): Promise<Kernels> {
  const memories: [WebAssembly.Memory, WebAssembly.Memory] = [
    new WebAssembly.Memory({ initial: pages, maximum: 65536, shared: build.endsWith('-threads') }),
    new WebAssembly.Memory({ initial: pages, maximum: 65536 }),
  ];
  const instantiate = async (file: string, memory: WebAssembly.Memory): Promise<Exports> => {
    const { instance } = await WebAssembly.instantiate(await readBuild(file), { env: { memory, threadLost: () => {} } });
    return instance.exports as Exports;
  };
  const simd = await instantiate(`${build}.wasm`, memories[0]);
  const reference = await instantiate('reference.wasm', memories[1]);
  // Below the kernels' constants lies what a null pointer would read: not zeros, so that it shows.
  for (const memory of memories) new Uint8Array(memory.buffer, 0, 1024).fill(POISON);
  return { build, exact: build.startsWith('simd'), simd, reference, memories, base: Math.max(base, (simd['heapBase']!() >>> 0) + 64, 65536) };
}

/** The kernels at each of the places. A test awaits all of them before it registers suites: uvu keeps the exit code of its last batch only. */
export async function everywhere(): Promise<{ place: string; kernels: Kernels }[]> {
  return Promise.all(Object.entries(places).map(async ([place, where]) => ({ place, kernels: await loadKernels(where) })));
}

/** The bytes of a file, named from build/. */
export async function readBuild(file: string): Promise<Uint8Array<ArrayBuffer>> {
  const url = new URL(`../../../${file}`, import.meta.url);
  if (url.protocol !== 'file:') return new Uint8Array(await (await fetch(url)).arrayBuffer());
  const { readFile } = await import('node:fs/promises');
  return new Uint8Array(await readFile(url));
}

/** Guard bytes around every buffer: a store outside of it is found by `untouched`. */
const GUARD = 64;
const POISON = 0xa5;

type Reader = (view: DataView, address: number) => number;
const readers: Record<'f32' | 'u32' | 'u16' | 'u8', { size: number; read: Reader }> = {
  f32: { size: 4, read: (v, a) => v.getFloat32(a, true) },
  u32: { size: 4, read: (v, a) => v.getUint32(a, true) },
  u16: { size: 2, read: (v, a) => v.getUint16(a, true) },
  u8: { size: 1, read: (v, a) => v.getUint8(a) },
};

/** dtype codes of the ABI. */
export const dtypes = [
  { code: 0, name: 'f32', size: 4 },
  { code: 1, name: 'bf16', size: 2 },
  { code: 2, name: 'f16', size: 2 },
] as const;
export type Dtype = (typeof dtypes)[number];

/** Quantised dtypes of the ABI: weights and bytes of a block, and where in it stand its scale and, in some, its minimum. */
export const quantized = [
  { code: 3, name: 'Q8_0', weights: 32, bytes: 34, scales: [0] },
  { code: 4, name: 'Q4_0', weights: 32, bytes: 18, scales: [0] },
  { code: 5, name: 'Q4_1', weights: 32, bytes: 20, scales: [0, 2] },
  { code: 6, name: 'Q5_0', weights: 32, bytes: 22, scales: [0] },
  { code: 7, name: 'Q5_1', weights: 32, bytes: 24, scales: [0, 2] },
  { code: 8, name: 'Q4_K', weights: 256, bytes: 144, scales: [0, 2] },
  { code: 9, name: 'Q5_K', weights: 256, bytes: 176, scales: [0, 2] },
  { code: 10, name: 'Q6_K', weights: 256, bytes: 210, scales: [208] },
] as const;
export type Quantized = (typeof quantized)[number];

/** How many workspaces were opened across the line: each puts the next one of its buffers on it. */
let opened = 0;

/**
 * A workspace for one check: buffers at equal addresses in both memories, filled with equal values, laid out one behind the other
 * with poisoned guards between. It starts at `kernels.base`; the next workspace overwrites it.
 */
export class Bench {
  readonly #kernels: Kernels;
  readonly #buffers: { address: number; bytes: number }[] = [];
  #next: number;
  #state: number;
  /** The number of the buffer that is to lie on both sides of 2 GiB. */
  #across = -1;

  constructor(kernels: Kernels, seed = 1) {
    this.#kernels = kernels;
    this.#next = kernels.base;
    this.#state = (seed * 2654435761 + 12345) >>> 0;
    if (kernels.base === places.across.base) this.#across = opened++ % 7;
  }

  /** xorshift32, in [0, 1). */
  random(): number {
    let s = this.#state || 1;
    s ^= s << 13; s >>>= 0;
    s ^= s >>> 17;
    s ^= s << 5; s >>>= 0;
    this.#state = s;
    return s / 2 ** 32;
  }

  /** An integer in [0, n). */
  below(n: number): number {
    return Math.floor(this.random() * n);
  }

  /** `bytes` poisoned bytes, `skew` bytes past a 16-byte boundary. */
  bytes(bytes: number, skew = 0): number {
    const start = this.#buffers.length === this.#across ? Math.max(this.#next + GUARD, 2 ** 31 - this.below(bytes)) : this.#next + GUARD;
    const address = Math.ceil(start / 16) * 16 + skew;
    this.#next = address + bytes + GUARD;
    for (const memory of this.#kernels.memories) {
      if (this.#next + GUARD > memory.buffer.byteLength) throw new Error(`the workspace needs ${this.#next + GUARD} bytes, the memory has ${memory.buffer.byteLength}`);
      new Uint8Array(memory.buffer, address - GUARD, bytes + 2 * GUARD).fill(POISON);
    }
    this.#buffers.push({ address, bytes });
    return address;
  }

  #write(address: number, values: ArrayBufferView): void {
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    for (const memory of this.#kernels.memories) new Uint8Array(memory.buffer).set(bytes, address);
  }

  /** A buffer of these floats, or of `count` random ones in [-1, 1). */
  f32(values: number | ArrayLike<number>, skew = 0): number {
    const data = typeof values === 'number' ? Float32Array.from({ length: values }, () => 2 * this.random() - 1) : Float32Array.from(values);
    const address = this.bytes(data.byteLength, skew);
    this.#write(address, data);
    return address;
  }

  /** A buffer of these u32 (ids, indices, pointers). */
  u32(values: ArrayLike<number>): number {
    const data = Uint32Array.from(values);
    const address = this.bytes(data.byteLength);
    this.#write(address, data);
    return address;
  }

  /** A buffer of these u16, or of `count` random bit patterns of finite numbers of the dtype around 1 in size (f16: some subnormal). */
  u16(values: number | ArrayLike<number>, dtype: Dtype = dtypes[2], skew = 0): number {
    const data = typeof values === 'number' ? Uint16Array.from({ length: values }, () => this.#half(dtype)) : Uint16Array.from(values);
    const address = this.bytes(data.byteLength, skew);
    this.#write(address, data);
    return address;
  }

  #half(dtype: Dtype): number {
    const sign = this.below(2) << 15;
    if (dtype.name === 'bf16') return sign | ((118 + this.below(9)) << 7) | this.below(128);
    return sign | (this.below(10) === 0 ? 0 : (8 + this.below(7)) << 10) | this.below(1024);
  }

  /** `count` random values of a dtype, as a file would hold them. */
  weights(count: number, dtype: Dtype, skew = 0): number {
    return dtype.size === 4 ? this.f32(count, skew) : this.u16(count, dtype, skew);
  }

  /** A buffer of these bytes. */
  u8(values: Uint8Array, skew = 0): number {
    const address = this.bytes(values.byteLength, skew);
    this.#write(address, values);
    return address;
  }

  /** A buffer of `count` weights as random blocks, as a file would hold them: any bits, scales around 1/64 in size (some subnormal). */
  blocks(count: number, { weights, bytes, scales }: Quantized, skew = 0): number {
    const data = Uint8Array.from({ length: (count / weights) * bytes }, () => this.below(256));
    const view = new DataView(data.buffer);
    for (let block = 0; block < data.length; block += bytes) {
      for (const at of scales) view.setUint16(block + at, (this.below(2) << 15) | (this.below(20) === 0 ? 0 : (6 + this.below(6)) << 10) | this.below(1024), true);
    }
    return this.u8(data, skew);
  }

  /** Runs the kernel on both sides; returns both results. */
  call(name: string, ...args: number[]): [simd: number, reference: number] {
    const { simd, reference } = this.#kernels;
    if (!simd[name] || !reference[name]) throw new Error(`${name} is not exported by ${simd[name] ? 'reference.wasm' : `${this.#kernels.build}.wasm`}`);
    return [simd[name](...args), reference[name](...args)];
  }

  /** Runs a kernel of the build on both memories, for preparing equal inputs with it. */
  prepare(name: string, ...args: number[]): void {
    const { simd, memories } = this.#kernels;
    simd[name]!(...args);
    const [from, to] = memories;
    for (const { address, bytes } of this.#buffers) new Uint8Array(to.buffer).set(new Uint8Array(from.buffer, address, bytes), address);
  }

  /** The values of a buffer on one side. */
  read(side: 'simd' | 'reference', address: number, count: number, type: keyof typeof readers = 'f32'): number[] {
    const { size, read } = readers[type];
    const view = new DataView(this.#kernels.memories[side === 'simd' ? 0 : 1].buffer);
    return Array.from({ length: count }, (_, i) => read(view, address + i * size));
  }

  /** Every bit of the buffer is equal on both sides. */
  same(what: string, address: number, count: number, type: keyof typeof readers = 'f32'): void {
    const bits = type === 'f32' ? 'u32' : type;
    const [a, b] = this.#kernels.memories.map((memory) => new Uint8Array(memory.buffer, address, count * readers[type].size)) as [Uint8Array, Uint8Array];
    if (a.every((byte, i) => byte === b[i])) return;
    const got = this.read('simd', address, count, bits);
    const want = this.read('reference', address, count, bits);
    const at = got.findIndex((v, i) => v !== want[i]);
    throw new Error(`${what}: element ${at} of ${count} is ${this.read('simd', address, count, type)[at]}, the reference has ${this.read('reference', address, count, type)[at]}`);
  }

  /**
   * The floats that a build may compute in its own way: every bit on the plain builds, within the tolerance of the kernel (as {@link close}) on the relaxed ones.
   * What a kernel of theirs promises bit for bit (bytes moved, decoded weights, one tile against another) stays with {@link same}.
   */
  result(what: string, address: number, count: number, relative: number, floor = 1): void {
    if (this.#kernels.exact) this.same(what, address, count);
    else this.close(what, address, count, relative, floor);
  }

  /** Each float is within `relative`·max(|reference|, `floor`) of the reference; a NaN only where the reference has one. */
  close(what: string, address: number, count: number, relative = 1e-6, floor = 1): void {
    const got = this.read('simd', address, count);
    const want = this.read('reference', address, count);
    for (let i = 0; i < count; i++) {
      const [a, b] = [got[i]!, want[i]!];
      if (Object.is(a, b) || a === b) continue;
      if (!(Math.abs(a - b) <= relative * Math.max(Math.abs(b), floor))) throw new Error(`${what}: element ${i} of ${count} is ${a}, the reference has ${b}`);
    }
  }

  /** No byte between the buffers was written, on either side. */
  untouched(what: string): void {
    for (const [side, memory] of this.#kernels.memories.entries()) {
      for (const { address, bytes } of this.#buffers) {
        for (const guard of [address - GUARD, address + bytes]) {
          const found = new Uint8Array(memory.buffer, guard, GUARD).findIndex((byte) => byte !== POISON);
          if (found >= 0) throw new Error(`${what}: ${side === 0 ? 'simd' : 'reference'} wrote ${guard + found - address} bytes from the start of a buffer of ${bytes} bytes`);
        }
      }
    }
  }
}

/** `a` equals `b`, bit for bit where they are numbers. */
export function equal(what: string, a: unknown, b: unknown): void {
  if (!Object.is(a, b)) throw new Error(`${what}: ${String(a)}, expected ${String(b)}`);
}
