import type { ArenaReport } from '../arena/heap.js';
import type { AnswerStats } from '../runtime/session.js';

const ROUNDS = 20;

/** What an act measures: every number that the demo prints comes through here. */
export class Facts {
  readonly #switches: number[] = [];
  #tokens = 0;
  #decodeMs = 0;
  #recomputed = 0;
  #recomputeMs = 0;
  #returned = 0;

  /**
   * Sets something, a blend or a scale, to each of these values in turn, the last of which stays, and takes the time of each, in microseconds. A switch takes about one once it
   * is compiled, so they are gone through several times first, to time it as a running game sees it.
   */
  switching<T>(values: readonly T[], set: (value: T) => void, rounds = ROUNDS): void {
    for (let round = 0; round < rounds; round++) {
      for (const value of values) {
        const started = performance.now();
        set(value);
        this.#switches.push((performance.now() - started) * 1000);
      }
    }
  }

  /** Counts an answer. Tokens per second are those of decoding, from the first token to the last, without what recomputing took where it fell `withinAnswer`. */
  answer({ tokens, decodeMs, recomputed, recomputeMs }: AnswerStats, withinAnswer = false): void {
    this.#tokens += Math.max(0, tokens - 1);
    this.#decodeMs += withinAnswer ? decodeMs - recomputeMs : decodeMs;
    this.#recomputed += recomputed;
    this.#recomputeMs += recomputeMs;
  }

  returned(bytes: number): void {
    this.#returned += bytes;
  }

  get speed(): string {
    return `${count(this.#decodeMs > 0 ? this.#tokens / (this.#decodeMs / 1000) : 0)} tok/s`;
  }

  /** The median: the first calls of a function also wait for its compilation. */
  get switch(): string {
    return `${microseconds(median(this.#switches))} µs`;
  }

  /** Tokens whose keys and values were computed again under a new blend, and the time that this took. */
  get kvCache(): string {
    return `KV ${count(this.#recomputed)} tokens in ${milliseconds(this.#recomputeMs)}`;
  }

  /** What the adapter arena holds now, and what it got back in this act. */
  arena({ used, free }: ArenaReport): string {
    return `${arena(used, free)}${this.#returned ? `, ${count(this.#returned)} bytes returned` : ''}`;
  }
}

export const arena = (used: number, free: number): string => `${(used / 2 ** 20).toFixed(1)} MiB used, ${(free / 2 ** 20).toFixed(1)} free`;

export const count = (n: number): string => Math.round(n).toLocaleString('en-US');

export const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(2)} MiB`;

export const milliseconds = (ms: number): string => `${ms.toFixed(ms < 10 ? 1 : 0)} ms`;

const microseconds = (us: number): string => us.toFixed(us < 10 ? 1 : 0);

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.slice(Math.ceil(sorted.length / 2) - 1, Math.floor(sorted.length / 2) + 1);
  return middle.reduce((sum, value) => sum + value, 0) / Math.max(1, middle.length);
}
