import type { Runtime } from '../arena/runtime.js';
import type { Sampling } from './options.js';

/** Bytes kept for the generator's state: it takes 8 (assembly/sample/random.ts), and what follows it stays aligned to 64. */
export const SAMPLER_STATE_BYTES = 64;

/** Starts a generator from a seed (its low and high 32 bits). */
export function seedSampler({ kernels }: Runtime, state: number, seed: number): void {
  kernels.seed(state, seed % 2 ** 32, Math.floor(seed / 2 ** 32));
}

/**
 * Chooses one token from n logits in linear memory, which are left changed. `history` are the `count` ids of the sequence so far; `scratch` has room for 2·n floats.
 *
 * @returns the token's id
 */
export function sampleToken({ kernels }: Runtime, logits: number, n: number, options: Sampling, history: number, count: number, state: number, scratch: number): number {
  if (options.repetitionPenalty !== 1) kernels.penalize(logits, n, history, count, options.repetitionPenalty, scratch);
  if (options.temperature === 0) return kernels.argmax(logits, n);
  return kernels.sample(logits, n, options.temperature, options.topK, options.topP, options.minP, state, scratch);
}
