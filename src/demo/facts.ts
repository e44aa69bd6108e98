import type { ArenaReport } from '../arena/heap.js';
import type { AnswerStats } from '../runtime/session.js';

/** What an act measures: every number that the demo prints comes through here. */
export class Facts {
  readonly #switches: number[] = [];
  #tokens = 0;
  #decodeMs = 0;
  #recomputed = 0;
  #recomputeMs = 0;
  #returned = 0;

  /** Does a thing and takes its time, in microseconds, as one of the switches (or rescales) of this act. */
  switching(work: () => void): void {
    const started = performance.now();
    work();
    this.#switches.push((performance.now() - started) * 1000);
  }

  /** Counts an answer. Tokens per second are those of decoding: from the first token to the last. */
  answer({ tokens, decodeMs, recomputed, firstTokenMs }: AnswerStats): void {
    this.decoded(Math.max(0, tokens - 1), decodeMs);
    if (recomputed > 0) this.recompute(recomputed, firstTokenMs);
  }

  decoded(tokens: number, ms: number): void {
    this.#tokens += tokens;
    this.#decodeMs += ms;
  }

  recompute(tokens: number, ms: number): void {
    this.#recomputed += tokens;
    this.#recomputeMs += ms;
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

  /** Tokens whose keys and values were computed again under the new blend, and the time to the first token after it. */
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

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted.length === 0 ? 0 : sorted[Math.floor(sorted.length / 2)]!;
}
