// A part of tokenizer.json: a normalizer, pre-tokenizer, post-processor or decoder as an object with a `type`. The file is a stranger's: every field is
// read through these.
import { LorikeetError } from '../errors.js';

export type Part = Readonly<Record<string, unknown>>;

/** The error of a tokenizer.json that can't be used. */
export function invalid(message: string, found?: unknown, cause?: unknown): LorikeetError {
  return new LorikeetError('text/tokenizer-invalid', `tokenizer.json can't be used: ${message}.`, { expected: 'a tokenizer.json of Hugging Face tokenizers', found, cause });
}

export function partOf(value: unknown, name: string): Part {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid(`${name} must be an object`, value);
  return value as Part;
}

/** The parts of a Sequence. */
export function partsOf(part: Part, key: string): Part[] {
  return listOf(part, key).map((value) => partOf(value, `an entry of ${key}`));
}

export function listOf(part: Part, key: string): readonly unknown[] {
  const value = part[key];
  if (!Array.isArray(value)) throw invalid(`${key} must be a list`, value);
  return value as unknown[];
}

export function textOf(part: Part, key: string, fallback?: string): string {
  const value = part[key] ?? fallback;
  if (typeof value !== 'string') throw invalid(`${key} must be a text`, value);
  return value;
}

export function flagOf(part: Part, key: string, fallback: boolean): boolean {
  const value = part[key] ?? fallback;
  if (typeof value !== 'boolean') throw invalid(`${key} must be true or false`, value);
  return value;
}

export function countOf(part: Part, key: string, fallback: number): number {
  const value = part[key] ?? fallback;
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw invalid(`${key} must be a whole number`, value);
  return value as number;
}

export function idOf(value: unknown, name: string): number {
  // The bound keeps a file from asking for an array of four thousand million places.
  if (!Number.isInteger(value) || (value as number) < 0 || (value as number) >= 2 ** 24) throw invalid(`${name} must be an id below ${2 ** 24}`, value);
  return value as number;
}
