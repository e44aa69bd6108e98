import type { SafetensorsDtype } from '../formats/safetensors.js';
import { LorikeetError } from '../errors.js';

/** A dtype that the kernels compute on as it is; the number is its code in the kernels' ABI. */
export const DTYPES = { F32: 0, BF16: 1, F16: 2 } as const;
export type DtypeCode = (typeof DTYPES)[keyof typeof DTYPES];

/** Bytes of one element, by code. */
export const elementBytes = (dtype: DtypeCode): number => (dtype === DTYPES.F32 ? 4 : 2);

/** The name in a safetensors header of a dtype's code. */
export const dtypeName = (dtype: DtypeCode): 'F32' | 'BF16' | 'F16' => (['F32', 'BF16', 'F16'] as const)[dtype];

/** The code of a file's dtype, or a typed error that names the tensor. */
export function dtypeCode(dtype: SafetensorsDtype, tensor: string): DtypeCode {
  if (dtype === 'F32' || dtype === 'BF16' || dtype === 'F16') return DTYPES[dtype];
  throw new LorikeetError('tensor/dtype', `Tensor "${tensor}" can't be computed on: expected F32, BF16 or F16, found ${dtype}.`, { expected: ['F32', 'BF16', 'F16'], found: dtype });
}

/**
 * W [n, k] in linear memory, packed: panels of 8 output rows `[ceil(n/8)][k][8]`, missing rows zero.
 * `ptr` is its byte offset (relative to its block until the block is placed).
 */
export interface Matrix {
  ptr: number;
  readonly dtype: DtypeCode;
  readonly n: number;
  readonly k: number;
}

/** Bytes of a packed matrix. */
export const packedBytes = (n: number, k: number, dtype: DtypeCode): number => Math.ceil(n / 8) * 8 * k * elementBytes(dtype);

/** A row of n floats in linear memory (biases, norm weights, magnitudes: widened to f32 while loading). */
export interface Vector {
  ptr: number;
  readonly n: number;
}
