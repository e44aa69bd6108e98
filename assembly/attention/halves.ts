// Reading the cache's halves in registers. They have no subnormals, infinities or NaN (kv.ts): a shift into a float's fields and the missing exponent make a float of
// one. The constants are the caller's, in registers for as long as its loop runs.

const EXPONENT_MASK: usize = memory.data<u32>([0x8fffe000, 0x8fffe000, 0x8fffe000, 0x8fffe000], 16);
/** 2¹¹²: what the exponent of a half lacks in the place of a float's. */
const REBIAS: usize = memory.data<u32>([0x77800000, 0x77800000, 0x77800000, 0x77800000], 16);

// @ts-ignore: decorator
@inline
export function mask(): v128 {
  return v128.load(EXPONENT_MASK);
}

// @ts-ignore: decorator
@inline
export function rebias(): v128 {
  return v128.load(REBIAS);
}

/** Four elements of the cache as floats: W is f32, or i16 for halves. */
// @ts-ignore: decorator
@inline
export function quad<W>(p: usize, mask: v128, rebias: v128): v128 {
  if (isFloat<W>()) return v128.load(p);
  return f32x4.mul(v128.and(i32x4.shl(v128.load_ext<i16>(p), 13), mask), rebias);
}
