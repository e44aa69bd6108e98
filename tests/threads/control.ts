import { setTimeout as delay } from 'node:timers/promises';
import type { Runtime } from '../../src/index.js';

/** The words of a runtime's control block that tests look at; assembly/parallel/control.ts draws them. */
export class Control {
  readonly #words: Int32Array;
  readonly #ticket: BigUint64Array;

  constructor({ kernels, memory }: Runtime) {
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

  /** Waits, for ten seconds at most, until `count` threads sleep. */
  async untilAsleep(count: number): Promise<void> {
    for (let i = 0; i < 1000 && this.sleepers !== count; i++) await delay(10);
  }
}
