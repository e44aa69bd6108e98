import { LorikeetError } from '../../errors.js';
import { inTerms } from '../explain.js';
import type { TensorInfo } from '../../formats/safetensors.js';

/** A tensor as an inspection shows it. */
export interface TensorRow {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: number;
}

/** Why something would be refused: the error that loading it would end with. */
export interface Refusal {
  readonly code: string;
  readonly message: string;
}

export const rowOf = ({ name, dtype, shape, begin, end }: TensorInfo): TensorRow => ({ name, dtype, shape, bytes: end - begin });

export const elements = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);

/** Bytes of each dtype, the most of them first. */
export function bytesByDtype(rows: readonly TensorRow[]): Record<string, number> {
  const sums = new Map<string, number>();
  for (const { dtype, bytes } of rows) sums.set(dtype, (sums.get(dtype) ?? 0) + bytes);
  return Object.fromEntries([...sums].sort((a, b) => b[1] - a[1]));
}

/** The refusal that an error stands for. A file that can't be read at all, and any error that isn't lorikeet's, is thrown on. */
export function refusalOf(error: unknown): Refusal {
  if (!(error instanceof LorikeetError) || /^(?:store|safetensors)\//.test(error.code)) throw error;
  return { code: error.code, message: inTerms(error.message) };
}
