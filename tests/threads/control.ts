import { setTimeout as delay } from 'node:timers/promises';
import type { Runtime } from '../../src/index.js';

/** The words of a runtime's control block that tests look at; assembly/parallel/control.ts draws them. */
export class Control {
  readonly #words: Int32Array;
  readonly #ticket: BigUint64Array;

  constructor({ kernels, memory }: { kernels: Pick<Runtime['kernels'], 'heapBase'>; memory: WebAssembly.Memory }) {
    const at = kernels.heapBase() >>> 0;
    this.#words = new Int32Array(memory.buffer, at, 128);
    this.#ticket = new BigUint64Array(memory.buffer, at, 1);
  }

  /** Regions worked so far. */
  get regions(): number {
    return Number(Atomics.load(this.#ticket, 0) >> 16n);
  }

  get sleepers(): number {
    return Atomics.load(this.#words, 32);
  }

  /** How often a thread went to sleep. */
  get sleeps(): number {
    return Atomics.load(this.#words, 65);
  }

  /** Waits until `count` threads sleep and none has woken for 100 ms; returns how often they went to sleep. One that woke by itself, now and then, would never let them rest. */
  async rest(count: number): Promise<number> {
    let last = -1;
    await this.until(async () => {
      const { sleepers, sleeps } = this;
      await delay(100);
      last = sleeps;
      return sleepers === count && this.sleepers === count && this.sleeps === sleeps;
    });
    return last;
  }

  /** Waits until it holds; after ten seconds it never will. */
  async until(holds: () => boolean | Promise<boolean>): Promise<void> {
    for (const start = performance.now(); !await holds();) {
      if (performance.now() - start > 10_000) throw new Error(`${this.sleepers} threads sleep, after ${this.sleeps} times`);
      await delay(10);
    }
  }
}
