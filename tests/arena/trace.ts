import * as assert from 'uvu/assert';
import type { ArenaReport } from '../../src/arena/heap.js';

/** A seeded stream of integers in [0, n): mulberry32. */
export function randomIntegers(seed: number): (n: number) => number {
  let state = seed >>> 0;
  return (n) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4294967296) * n);
  };
}

/** The naive model of an allocator: a list of what is in use. It knows no policy, only what must hold under any. */
export class Model {
  readonly live = new Map<number, number>(); // offset → bytes, rounded up to 64

  add(offset: number, bytes: number): void {
    const size = Math.max(64, Math.ceil(bytes / 64) * 64);
    assert.is(offset % 64, 0, `offset ${offset} is not aligned`);
    for (const [other, length] of this.live) {
      assert.ok(offset + size <= other || other + length <= offset, `${offset}+${size} overlaps ${other}+${length}`);
    }
    this.live.set(offset, size);
  }

  remove(offset: number): number {
    const size = this.live.get(offset)!;
    this.live.delete(offset);
    return size;
  }

  get used(): number {
    return [...this.live.values()].reduce((sum, size) => sum + size, 0);
  }

  /** The live block at place i of the order in which they came. */
  at(i: number): number {
    return [...this.live.keys()][i]!;
  }

  check(report: ArenaReport): void {
    assert.is(report.used, this.used);
    assert.is(report.blocks, this.live.size);
    assert.ok(report.highWater >= report.used);
    assert.ok(report.largestFree <= report.free);
    assert.is(report.freeBlocks === 0, report.free === 0);
    assert.is(report.freeBlocks <= 1, report.largestFree === report.free);
  }
}

/** Asserts that `run` throws a LorikeetError of this code, and returns its two facts. */
export function throwsCode(run: () => unknown, code: string): { expected: unknown; found: unknown } {
  try {
    run();
  } catch (error) {
    const { name, code: actual, expected, found } = error as { name: string; code: string; expected: unknown; found: unknown };
    assert.is(name, 'LorikeetError');
    assert.is(actual, code);
    return { expected, found };
  }
  throw new Error(`expected ${code}, but nothing was thrown`);
}
