/**
 * The element types of the safetensors format, with their size in bits, in the order of the reference implementation (the safetensors
 * crate, 0.8): of increasing alignment. Its writer stores tensors by descending place in this list, so that each lands aligned.
 */
const BITS = {
  BOOL: 8, F4: 4, F6_E2M3: 6, F6_E3M2: 6, U8: 8, I8: 8, F8_E5M2: 8, F8_E4M3: 8, F8_E8M0: 8, F8_E4M3FNUZ: 8, F8_E5M2FNUZ: 8,
  I16: 16, U16: 16, F16: 16, BF16: 16, I32: 32, U32: 32, F32: 32, C64: 64, F64: 64, I64: 64, U64: 64,
} as const;

export type SafetensorsDtype = keyof typeof BITS;

/** Every dtype of the format, of increasing alignment. */
export const SAFETENSORS_DTYPES = Object.freeze(Object.keys(BITS)) as readonly SafetensorsDtype[];

const RANK = new Map(SAFETENSORS_DTYPES.map((dtype, rank) => [dtype, rank]));

export function isSafetensorsDtype(name: unknown): name is SafetensorsDtype {
  return typeof name === 'string' && Object.hasOwn(BITS, name);
}

/** Bits of one element: 4 and 6 for the packed ones, else whole bytes. */
export function bitsOf(dtype: SafetensorsDtype): number {
  return BITS[dtype];
}

/** Place in {@link SAFETENSORS_DTYPES}: what the writer sorts by. */
export function alignmentRank(dtype: SafetensorsDtype): number {
  return RANK.get(dtype)!;
}

/**
 * Bytes of a tensor: elements × bits / 8.
 *
 * @returns the count; `'overflow'` beyond 2^53 − 1; `'misaligned'` where the bits don't fill whole bytes (an odd number of F4, say)
 */
export function byteLength(dtype: SafetensorsDtype, shape: readonly number[]): number | 'overflow' | 'misaligned' {
  let elements = 1;
  for (const size of shape) {
    elements *= size;
    if (!Number.isSafeInteger(elements)) return 'overflow';
  }
  const bits = elements * BITS[dtype];
  if (!Number.isSafeInteger(bits)) return 'overflow';
  return bits % 8 === 0 ? bits / 8 : 'misaligned';
}
