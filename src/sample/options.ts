import { LorikeetError } from '../errors.js';

/** How a token is chosen from the logits; names and order as in transformers. Temperature 0 (the default) takes the most likely token. */
export interface SamplingOptions {
  temperature?: number;
  /** Keep the k most likely tokens; 0: all. */
  topK?: number;
  /** Keep the most likely tokens whose probabilities reach p; 1: all. */
  topP?: number;
  /** Keep tokens at least p times as likely as the most likely one; 0: all. */
  minP?: number;
  /** Divides (or multiplies, where negative) the logits of tokens that stand in the sequence already; 1: off. */
  repetitionPenalty?: number;
}

/** Checked options, complete. */
export type Sampling = Readonly<Required<SamplingOptions>>;

const RULES: Readonly<Record<keyof SamplingOptions, { fallback: number; valid: (v: number) => boolean; expected: string }>> = {
  temperature: { fallback: 0, valid: (v) => v >= 0, expected: 'a number of at least 0' },
  topK: { fallback: 0, valid: (v) => Number.isInteger(v) && v >= 0, expected: 'a whole number of at least 0' },
  topP: { fallback: 1, valid: (v) => v > 0 && v <= 1, expected: 'a number above 0, at most 1' },
  minP: { fallback: 0, valid: (v) => v >= 0 && v <= 1, expected: 'a number from 0 to 1' },
  repetitionPenalty: { fallback: 1, valid: (v) => v > 0, expected: 'a number above 0' },
};

/**
 * Fills in defaults and checks every option.
 *
 * @throws LorikeetError `sample/option`, naming the option
 */
export function samplingOptions(given: SamplingOptions): Sampling {
  const made: Record<string, number> = {};
  for (const [key, { fallback, valid, expected }] of Object.entries(RULES)) {
    const value = given[key as keyof SamplingOptions] ?? fallback;
    if (typeof value !== 'number' || !Number.isFinite(value) || !valid(value)) throw new LorikeetError('sample/option', `"${key}" expected ${expected}, got ${String(value)}.`, { expected, found: value });
    made[key] = value;
  }
  return made as unknown as Sampling;
}

/** Checks a seed: a whole number from 0 to 2⁵³ − 1; none given: 0, so that a run can be repeated. */
export function checkSeed(seed: number | undefined): number {
  const value = seed ?? 0;
  if (!Number.isSafeInteger(value) || value < 0) throw new LorikeetError('sample/seed', `"seed" expected a whole number from 0 to 2^53 - 1, got ${String(value)}.`, { expected: 'a whole number', found: value });
  return value;
}
