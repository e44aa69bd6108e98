import { Heap } from '../../src/arena/heap.js';
import type { Kernels } from '../../src/wasm/kernels.js';

/** What a test may do to the kernels of an engine made by {@link spiedOn}. */
export interface Spy {
  /** Every call by this name throws a {@link Trap}. */
  trap: keyof Kernels | null;
  /** Names of the kernels called, while it is a set. */
  called: Set<string> | null;
  /** The engine's heap. */
  heap: Heap;
}

/** What a trapped kernel throws. */
export class Trap extends Error {
  constructor(readonly kernel: string) {
    super(`the kernel ${kernel} is a trap`);
  }
}

/** Runs `make` (which creates a runtime or an engine) such that every kernel goes through a spy, and its heap is at hand. */
export async function spiedOn<T>(make: () => Promise<T>, given: Partial<Spy> = {}): Promise<{ made: T; spy: Spy }> {
  const spy: Spy = { trap: null, called: null, heap: undefined as unknown as Heap, ...given };
  const { Instance } = WebAssembly;
  const { tryReserve } = Heap.prototype;
  const spied = (instance: WebAssembly.Instance): WebAssembly.Instance => ({
    exports: Object.fromEntries(Object.entries(instance.exports).map(([name, kernel]) => [name, (...args: number[]): unknown => {
      spy.called?.add(name);
      if (spy.trap === name) throw new Trap(name);
      return (kernel as (...args: number[]) => unknown)(...args);
    }])),
  });
  WebAssembly.Instance = function (module: WebAssembly.Module, imports: WebAssembly.Imports) { return spied(new Instance(module, imports)); } as unknown as typeof Instance;
  Heap.prototype.tryReserve = function (bytes) {
    spy.heap = this;
    return tryReserve.call(this, bytes);
  };
  try {
    return { made: await make(), spy };
  } finally {
    WebAssembly.Instance = Instance;
    Heap.prototype.tryReserve = tryReserve;
  }
}

/** Makes the allocation with this index (from 0, counted over all arenas) fail; returns how many there were so far. */
export function failAllocation(heap: Heap, index: number): { count: () => number; stop: () => void } {
  let count = 0;
  heap.onAlloc = (arena, bytes) => {
    if (count++ === index) throw heap.exhausted(`arena ${arena}`, bytes);
  };
  return { count: () => count, stop: () => { heap.onAlloc = undefined; } };
}
