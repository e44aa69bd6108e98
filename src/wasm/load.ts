import { instantiate } from '@assemblyscript/loader';
import { LorikeetError } from '../errors.js';
import type { Kernels } from './kernels.js';

/** Where the binary lies from this file, with its last slash: set by the build (this file and its bundles stand in different folders). */
declare const WASM_DIRECTORY: string;

/** The kernels as the caller may hand them in: a place, its bytes, or (workerd, which compiles no bytes) a compiled module. */
export type WasmSource = string | URL | BufferSource | WebAssembly.Module;

/** Which build runs, on how many threads, and why no other was taken. */
export interface Backend {
  readonly build: 'simd';
  readonly threads: number;
  readonly why: Readonly<Record<string, string>>;
}

/** `(module (func (drop (v128.const i32x4 0 0 0 0))))`: validates only where SIMD is there. */
const SIMD_PROBE = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 10, 23, 1, 21, 0, 253, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 26, 11]);

/** True where this engine runs 128-bit WebAssembly SIMD (every browser since 2023, Node, Deno). */
const hasSimd = (): boolean => WebAssembly.validate(SIMD_PROBE);

/** Kernels, and the compiled module that they are an instance of: threads are instances of it, too. */
export interface Loaded {
  readonly kernels: Kernels;
  readonly module: WebAssembly.Module;
}

/**
 * Compiles the kernels and instantiates them over `memory`: the build with threads where that is shared, which then imports `threadLost` besides.
 *
 * @throws LorikeetError `wasm/no-simd` where the engine lacks SIMD, `wasm/not-found` where the binary can't be had,
 *   `wasm/invalid` where it doesn't compile, `wasm/self-test` where it computes wrongly.
 */
export async function loadKernels(memory: WebAssembly.Memory, source?: WasmSource, threadLost?: () => void): Promise<Loaded> {
  if (!hasSimd()) {
    throw new LorikeetError('wasm/no-simd', 'This engine has no WebAssembly SIMD: expected a browser of 2023 or later, Node 20 or Deno, found one whose WebAssembly.validate refuses v128.',
      { expected: 'WebAssembly SIMD', found: 'none' });
  }
  const shared = typeof SharedArrayBuffer !== 'undefined' && memory.buffer instanceof SharedArrayBuffer;
  const module = await compile(source ?? new URL(`${WASM_DIRECTORY}simd${shared ? '-threads' : ''}.wasm`, import.meta.url));
  const { instance } = await instantiate(module, { env: { memory, ...(threadLost && { threadLost }) } });
  // The instance's own exports: the loader's copies of them take rest arguments, an array for every call of a kernel.
  const kernels = instance.exports as unknown as Kernels;
  selfTest(kernels, memory);
  return { kernels, module };
}

async function compile(source: WasmSource): Promise<WebAssembly.Module> {
  if (source instanceof WebAssembly.Module) return source;
  const bytes = typeof source === 'string' || source instanceof URL ? await fetchBytes(new URL(source, import.meta.url)) : source;
  try {
    return await WebAssembly.compile(bytes);
  } catch (cause) {
    throw new LorikeetError('wasm/invalid', `The kernels don't compile: expected lorikeet's simd.wasm, found ${bytes.byteLength} bytes that this engine refuses.`, { cause });
  }
}

/** Reads the binary; over HTTP its MIME type doesn't matter (static hosts and webviews often send another). */
async function fetchBytes(url: URL): Promise<BufferSource> {
  try {
    if (url.protocol === 'file:' && 'process' in globalThis) {
      const { readFile } = await import('node:fs/promises');
      return await readFile(url);
    }
    const response = await fetch(url);
    if (!response.ok) throw new Error(`HTTP status ${response.status}`);
    return await response.arrayBuffer();
  } catch (cause) {
    throw new LorikeetError('wasm/not-found', `The kernels can't be read: expected simd.wasm at ${url.href}; pass \`wasm\` where your bundler put it elsewhere.`, { expected: url.href, cause });
  }
}

/** A known answer before the first real one: W [9, 2] = row index + column, x = (1, 2), so y[j] = 3·j + 2; nine rows cross the panel's edge. */
function selfTest(kernels: Kernels, memory: WebAssembly.Memory): void {
  const base = (kernels.heapBase() + 63) & ~63;
  const missing = base + 512 - memory.buffer.byteLength;
  if (missing > 0) memory.grow(Math.ceil(missing / 65536));
  const f32 = new Float32Array(memory.buffer, base, 128);
  const before = f32.slice();
  for (let j = 0; j < 9; j++) f32.set([j, j + 1], 2 * j);
  f32.set([1, 2], 24);
  kernels.pack(base + 128, base, 9, 2, 0);
  kernels.matmul(base + 320, 9, base + 96, 2, base + 128, 0, 0, 1, 9, 2, 0, 0, 9);
  const y = f32.slice(80, 89);
  f32.set(before);
  if (y.some((v, j) => v !== 3 * j + 2)) {
    throw new LorikeetError('wasm/self-test', `The kernels compute wrongly on this engine: expected 2, 5, 8 … 26, found ${y.join(', ')}.`, { found: [...y] });
  }
}
