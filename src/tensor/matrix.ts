import { LorikeetError } from '../errors.js';

/** A dtype that the kernels compute on as it is; the number is its code in the kernels' ABI. */
export const DTYPES = { F32: 0, BF16: 1, F16: 2, Q8_0: 3, Q4_0: 4, Q4_1: 5, Q5_0: 6, Q5_1: 7, Q4_K: 8, Q5_K: 9, Q6_K: 10 } as const;
export type DtypeName = keyof typeof DTYPES;
/** Those that safetensors and adapters have. */
export type FloatName = 'F32' | 'BF16' | 'F16';
export type DtypeCode = (typeof DTYPES)[DtypeName];
/** Those that weights can be rounded to: K-quants have no quantiser here. */
export const ROUNDED = ['F32', 'F16', 'BF16', 'Q8_0', 'Q4_0', 'Q4_1', 'Q5_0', 'Q5_1'] as const satisfies readonly DtypeName[];
export type RoundedName = (typeof ROUNDED)[number];
/** A dtype as options and command lines spell it: `q8_0`. */
export type WeightDtype = Lowercase<RoundedName>;

const NAMES = Object.keys(DTYPES) as DtypeName[];

/** Weights of a block along k, and bytes of a block, by code. A float is a block of one. Sizes as in ggml's `block_q…`. */
const BLOCKS: readonly (readonly [weights: number, bytes: number])[] = [[1, 4], [1, 2], [1, 2], [32, 34], [32, 18], [32, 20], [32, 22], [32, 24], [256, 144], [256, 176], [256, 210]];

/** True if weights of this dtype stand in blocks with scales: their products take quantised activations. */
export const isQuantized = (dtype: DtypeCode): boolean => dtype >= DTYPES.Q8_0;

/** Weights of one block: rows of a matrix hold a multiple of it. 1 for floats. */
export const blockWeights = (dtype: DtypeCode): number => BLOCKS[dtype]![0];

/** Bytes of `count` weights in a row; `count` is a multiple of {@link blockWeights}. */
export const rowBytes = (count: number, dtype: DtypeCode): number => (count / BLOCKS[dtype]![0]) * BLOCKS[dtype]![1];

/** Bytes of a row of k activations as `quantizeRows` leaves them: the layout is that of assembly/quant/activation.ts. */
export const activationBytes = (k: number): number => (k / 32) * 128;

/** The name in a file's header of a dtype's code. */
export const dtypeName = (dtype: DtypeCode): DtypeName => NAMES[dtype]!;

/** The code of a file's dtype, or a typed error that names the tensor. */
export function dtypeCode(dtype: string, tensor: string): DtypeCode {
  if (Object.hasOwn(DTYPES, dtype)) return DTYPES[dtype as DtypeName];
  throw new LorikeetError('tensor/dtype', `Tensor "${tensor}" can't be computed on: expected ${NAMES.join(', ')}, found ${dtype}.`, { expected: NAMES, found: dtype });
}

/**
 * The name in files of a dtype that weights are to be rounded to.
 *
 * @param what the option's name, for the message
 * @throws LorikeetError `model/dtype`
 */
export function roundedName(dtype: string, what: string): RoundedName {
  const found = ROUNDED.find((name) => name.toLowerCase() === dtype);
  if (found) return found;
  const known = ROUNDED.map((name) => name.toLowerCase());
  throw new LorikeetError('model/dtype', `${what} expected one of ${known.join(', ')}, found ${JSON.stringify(dtype)}.`, { expected: known, found: dtype });
}

/**
 * W [n, k] in linear memory, packed: panels of 8 output rows `[ceil(n/8)][k][8]` (quantised: `[ceil(n/8)][k/block]`, 8 rows of one block), missing rows zero.
 * `ptr` is its byte offset (relative to its block until the block is placed).
 */
export interface Matrix {
  ptr: number;
  readonly dtype: DtypeCode;
  readonly n: number;
  readonly k: number;
}

/** Bytes of a packed matrix. */
export const packedBytes = (n: number, k: number, dtype: DtypeCode): number => Math.ceil(n / 8) * 8 * rowBytes(k, dtype);

/** A row of n floats in linear memory (biases, norm weights, magnitudes: widened to f32 while loading). */
export interface Vector {
  ptr: number;
  readonly n: number;
}
