import { availableThreads, type Share } from '../threads/available.js';
import type { ThreadSource } from '../threads/host.js';
import { lostError, startPool, threadBytes, type Pool } from '../threads/pool.js';
import type { Backend, BuildName } from '../wasm/build.js';
import { loadKernels, type WasmSource } from '../wasm/load.js';
import type { Kernels } from '../wasm/kernels.js';
import { LorikeetError } from '../errors.js';
import { FreeListArena } from './free-list.js';
import { Heap, MOST_BYTES, PAGE, type ArenaReport } from './heap.js';
import { ScratchArena } from './marks.js';
import { Views } from './views.js';

/** Options of {@link createRuntime}. */
export interface RuntimeOptions {
  /** The most that the linear memory may grow to, in bytes (default and limit: 4 GiB; phones often refuse to reserve that much). */
  memoryLimit?: number;
  /**
   * Where the kernels' binaries are, if not beside the code: the address of their folder, which ends with a slash; or one binary (address, bytes, compiled module), which is then taken, whichever build it is.
   */
  wasm?: WasmSource;
  /**
   * Threads to compute on: a number, or `'auto'` for half of the cores, at most 4. Never more than there are cores, and 1 (the default) where memory can't be shared: `backend.why.threads` then says why. In a page
   * the engine has to sit in a worker of its own, and the page to be cross-origin isolated. The answers are the same to the bit.
   */
  threads?: number | 'auto';
  /** The module of a thread (`thread.js` of this package), where it isn't beside the code. */
  thread?: ThreadSource;
  /** The build of the kernels to take: `simd`, `relaxed` (relaxed SIMD) or `relaxed-dot` (and its dot products). Default: the fastest that this engine runs and computes rightly with; `backend` says which that is. */
  build?: BuildName;
  /** true: the same bits on every machine and engine, so the build `simd`. Every other gives the same bits each time on one machine, and others on another. Default: false. */
  deterministic?: boolean;
}

/** `findable`: bytes of cached blocks that nobody uses, kept to be found again and given up when memory is needed. They are neither used nor free. */
export interface KvReport extends ArenaReport {
  findable: number;
}

/** What every arena holds, in bytes. `bytes` is the size of the linear memory itself; `heap` the pages that arenas hold, and those that came back from them. */
export interface MemoryReport {
  readonly bytes: number;
  readonly heap: ArenaReport;
  readonly weights: ArenaReport;
  readonly adapters: ArenaReport;
  readonly kv: KvReport;
  readonly activations: ArenaReport;
  readonly scratch: ArenaReport;
}

/** One instance of the kernels, its linear memory, and the arenas on it. Everything that computes is handed one. */
export interface Runtime {
  readonly kernels: Kernels;
  readonly memory: WebAssembly.Memory;
  readonly heap: Heap;
  readonly views: Views;
  readonly backend: Backend;
  /** One block for each model or stand-alone layer. */
  readonly weights: FreeListArena;
  /** One block for each adapter. */
  readonly adapters: FreeListArena;
  /** KV blocks and what else a session keeps. */
  readonly kv: FreeListArena;
  /** The planned buffers of programs. */
  readonly activations: FreeListArena;
  /** Temporaries of one synchronous piece of work: mark, allocate, release. */
  readonly scratch: ScratchArena;
  /** Ends the threads. What was computed stays; whatever is computed later runs on the caller's thread. */
  dispose(): void;
}

/** The kernels' own data and working memory take most of it, and a page is never handed out: less leaves nothing. */
const LEAST_BYTES = 16 * PAGE;

/**
 * Instantiates the kernels over a fresh linear memory and lays the arenas on it.
 *
 * @throws LorikeetError `memory/limit` for an impossible limit, `threads/count`, `wasm/…` where the kernels can't run
 * @example
 * const runtime = await createRuntime({ memoryLimit: 512 * 2 ** 20 });
 */
export async function createRuntime({ memoryLimit = MOST_BYTES, wasm, build: asked, deterministic, threads = 1, thread }: RuntimeOptions = {}): Promise<Runtime> {
  if (!Number.isSafeInteger(memoryLimit) || memoryLimit < LEAST_BYTES || memoryLimit > MOST_BYTES) {
    throw new LorikeetError('memory/limit', `"memoryLimit" expected a whole number of bytes from ${LEAST_BYTES} to ${MOST_BYTES}, got ${memoryLimit}.`, { expected: [LEAST_BYTES, MOST_BYTES], found: memoryLimit });
  }
  const share = await availableThreads(threads);
  const loaded = await loadKernels({ wasm, build: asked, deterministic }, {
    shared: share.count > 1,
    memory: (shared) => new WebAssembly.Memory({ initial: LEAST_BYTES / PAGE, maximum: Math.floor(memoryLimit / PAGE), shared }),
    threadLost: () => { throw lostError(); },
  });
  const { kernels, module, memory, build } = loaded;
  const count = loaded.shared ? share.count : 1;
  const base = (kernels.heapBase() >>> 0) + threadBytes(kernels, count);
  const { pool, why } = count > 1 ? await startThreads(kernels, module, memory, share, base, memoryLimit, thread) : { pool: null, why: share.why };
  const heap = new Heap(memory, base, memoryLimit);
  return {
    kernels, memory, heap, views: new Views(memory),
    backend: { build, threads: pool?.count ?? 1, why: why === undefined ? loaded.why : { ...loaded.why, threads: why } },
    weights: new FreeListArena(heap, 'weights'),
    // The first MiB stays with the adapters, so that what an unload returns is seen in its free list.
    adapters: new FreeListArena(heap, 'adapters', { keepBytes: 2 ** 20 }),
    kv: new FreeListArena(heap, 'kv'),
    activations: new FreeListArena(heap, 'activations'),
    scratch: new ScratchArena(heap, 'scratch'),
    dispose: () => { pool?.stop(); },
  };
}

/** The threads on what lies below `base`; none where they can't be started, and why. */
async function startThreads(kernels: Kernels, module: WebAssembly.Module, memory: WebAssembly.Memory, { count, why }: Share, base: number, memoryLimit: number, source: ThreadSource | undefined): Promise<{ pool: Pool | null; why: string | undefined }> {
  const missing = base - memory.buffer.byteLength;
  if (base > memoryLimit) throw new LorikeetError('memory/limit', `"memoryLimit" expected at least ${base} bytes for ${count} threads, got ${memoryLimit}.`, { expected: base, found: memoryLimit });
  if (missing > 0) memory.grow(Math.ceil(missing / PAGE));
  try {
    return { pool: await startPool({ kernels, module, memory, count, source }), why };
  } catch (error) {
    return { pool: null, why: (error as Error).message };
  }
}

/** What every arena of the runtime holds; `findable` bytes, in `findableBlocks` of the cached blocks, are nobody's. */
export function memoryReport(runtime: Runtime, findable = 0, findableBlocks = 0): MemoryReport {
  const kv = runtime.kv.report();
  return {
    bytes: runtime.memory.buffer.byteLength,
    heap: runtime.heap.report(),
    weights: runtime.weights.report(),
    adapters: runtime.adapters.report(),
    kv: { ...kv, used: kv.used - findable, blocks: kv.blocks - findableBlocks, findable },
    activations: runtime.activations.report(),
    scratch: runtime.scratch.report(),
  };
}
