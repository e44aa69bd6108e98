import { readFileSync } from 'node:fs';
import { GOLDEN, ROOT } from '../models/golden.js';

/** The strings of tests/golden/token_strings.py. */
export const STRINGS = JSON.parse(readFileSync(`${GOLDEN}tokens/strings.json`, 'utf8')) as string[];

export type Description = Record<string, unknown> & { model: Record<string, unknown> };

/** One of the small tokenizers, or the demo's. */
export const descriptionOf = (name: string): Description => JSON.parse(readFileSync(name === 'tavern' ? `${ROOT}models/tavern/tokenizer.json` : `${GOLDEN}tokens/${name}.json`, 'utf8')) as Description;

export interface TokenCase {
  readonly name: string;
  readonly tokenizer: string;
  readonly parts: Readonly<Record<string, unknown>>;
  readonly model: Readonly<Record<string, unknown>>;
  /** Of the text "ok", with what the post-processor adds. */
  readonly framed: readonly number[];
  /** Indices of strings that are left out. */
  readonly skipped: readonly number[];
  /** Of the last strings. */
  readonly ids: readonly (readonly number[])[];
  readonly checksums: readonly number[];
}

export const { block: BLOCK, cases: CASES } = JSON.parse(readFileSync(`${GOLDEN}tokens/cases.json`, 'utf8')) as { block: number; cases: readonly TokenCase[] };

export function describe({ tokenizer, parts, model }: TokenCase): Description {
  const description = descriptionOf(tokenizer);
  return { ...description, ...parts, model: { ...description.model, ...model } };
}

const encoder = new TextEncoder();

/** FNV-1a, 32 bits, over the UTF-8 of the texts. */
export function checksum(texts: readonly string[]): number {
  let value = 0x811c9dc5;
  for (const text of texts) for (const byte of encoder.encode(text)) value = Math.imul(value ^ byte, 0x01000193);
  return value >>> 0;
}

/** The text of ids that come one by one. */
export function streamed(stream: { push(id: number): string; end(): string }, ids: readonly number[]): string[] {
  return [...ids.map((id) => stream.push(id)), stream.end()];
}
