import { loadKernels, type Backend, type WasmSource } from '../wasm/load.js';
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
  /** The kernels' binary, where it isn't beside the code. */
  wasm?: WasmSource;
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
}

/** A page for the kernels' own data and one that is never handed out: less leaves nothing. */
const LEAST_BYTES = 2 * PAGE;

/**
 * Instantiates the kernels over a fresh linear memory and lays the arenas on it.
 *
 * @throws LorikeetError `memory/limit` for an impossible limit, `wasm/…` where the kernels can't run
 * @example
 * const runtime = await createRuntime({ memoryLimit: 512 * 2 ** 20 });
 */
export async function createRuntime({ memoryLimit = MOST_BYTES, wasm }: RuntimeOptions = {}): Promise<Runtime> {
  if (!Number.isSafeInteger(memoryLimit) || memoryLimit < LEAST_BYTES || memoryLimit > MOST_BYTES) {
    throw new LorikeetError('memory/limit', `"memoryLimit" expected a whole number of bytes from ${LEAST_BYTES} to ${MOST_BYTES}, got ${memoryLimit}.`, { expected: [LEAST_BYTES, MOST_BYTES], found: memoryLimit });
  }
  const memory = new WebAssembly.Memory({ initial: LEAST_BYTES / PAGE, maximum: Math.floor(memoryLimit / PAGE) });
  const kernels = await loadKernels(memory, wasm);
  const heap = new Heap(memory, kernels.heapBase() >>> 0, memoryLimit);
  return {
    kernels, memory, heap, views: new Views(memory),
    backend: { build: 'simd', threads: 1, why: {} },
    weights: new FreeListArena(heap, 'weights'),
    // The first MiB stays with the adapters, so that what an unload returns is seen in its free list.
    adapters: new FreeListArena(heap, 'adapters', { keepBytes: 2 ** 20 }),
    kv: new FreeListArena(heap, 'kv'),
    activations: new FreeListArena(heap, 'activations'),
    scratch: new ScratchArena(heap, 'scratch'),
  };
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
