import { readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseHeader, readHeaderLength } from '../../src/formats/safetensors.js';

/** The repository's root, from build/js/tests/models. */
export const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));
export const GOLDEN = `${ROOT}tests/golden/`;

/** One forward pass that transformers and PEFT made: see tests/golden/README.md. */
export interface GoldenCase {
  readonly name: string;
  readonly tokens: readonly number[];
  readonly adapters: Readonly<Record<string, number>>;
  readonly logits: string;
  readonly selective?: boolean;
}

export const goldenModels = (): string[] => readdirSync(`${GOLDEN}models`).sort();

export const goldenCases = (model: string): GoldenCase[] => JSON.parse(readFileSync(`${GOLDEN}models/${model}/cases.json`, 'utf8')) as GoldenCase[];

/** The F32 tensors of a safetensors file, by name. */
export function readTensors(path: string): Map<string, { shape: readonly number[]; data: Float32Array }> {
  const bytes = new Uint8Array(readFileSync(path));
  const length = readHeaderLength(bytes.subarray(0, 8), bytes.length);
  const { tensors } = parseHeader(bytes.subarray(8, 8 + length), bytes.length);
  return new Map([...tensors.values()].filter((t) => t.dtype === 'F32').map((t) => [t.name, { shape: t.shape, data: new Float32Array(bytes.slice(t.begin, t.end).buffer) }]));
}

/** The largest |a − b|, relative to the size of the values where that is above 1. */
export function difference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Infinity;
  let largest = 1;
  let gap = 0;
  for (let i = 0; i < b.length; i++) largest = Math.max(largest, Math.abs(b[i]!));
  for (let i = 0; i < b.length; i++) gap = Math.max(gap, Number.isFinite(a[i]!) ? Math.abs(a[i]! - b[i]!) : Infinity);
  return gap / largest;
}
