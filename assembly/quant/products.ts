// Products of activations with weights as each build makes them. Sums over a block are exact integers, so that every tile and order, and both relaxed builds, give the same.
//
//   wide          16 bits by 16 bits, pairs added to 32 bits: every format in the plain build, and Q8_0, which needs all its 8 bits, in any
//   relaxed       8 bits by 7 bits, pairs added to 16 bits, and the block in 16 bits, too: modulo 2^16, which is right wherever what is left when the offset is
//                 taken off fits. Weights of 4 bits: 16 · 127 · 15; of 5 bits around 16: 16 · 127 · 16; of 6 bits around 32, where a block is 16: 8 · 127 · 32
//   relaxed-dot   8 bits by 7 bits, fours added to 32 bits
//
// The second operand of a relaxed product stays in 0 … 127: above that machines differ. Q8_0 by activations of 7 bits was no more than 1.05 to 1.07 times as fast as wide (8 and 64 rows), where
// the products aren't one instruction; what it does to logits was not measured.
import { Q4_0, Q6_K } from '../simd/dtype';
import { RELAXED, RELAXED_DOT } from '../simd/features';
import { NARROW_FIRST_OFFSET, NARROW_OFFSET } from './activation8';
import { hasFifths, hasMinimum, isWide } from './formats';

/** Where sums start: from memory, since from a constant V8 up to Node 22 loses a third of the speed. */
const ZEROS: usize = memory.data<i32>([0, 0, 0, 0], 16);

const ONES: usize = memory.data<i16>([1, 1, 1, 1, 1, 1, 1, 1], 16);

/** Where the sum over a block of decoded weights, or over its first or second half, starts: what narrow weights are too large by, times the activations at x. */
// @ts-ignore: decorator
@inline export function startOf(x: usize, dtype: i32, second: bool): v128 {
  if (isWide(dtype) || (hasMinimum(dtype) && !hasFifths(dtype))) return v128.load(ZEROS);
  let start = v128.load32_splat(x, NARROW_OFFSET);
  if (dtype == Q6_K) {
    const first = v128.load32_splat(x, NARROW_FIRST_OFFSET);
    start = second ? i16x8.sub(i16x8.shl(start, 2), first) : first;
  } else if (dtype != Q4_0) {
    start = i16x8.shl(start, 1);
  }
  return RELAXED_DOT ? i32x4.extadd_pairwise_i16x8_s(start) : start;
}

/** sum + x·w. */
// @ts-ignore: decorator
@inline export function dot(sum: v128, x: v128, w: v128, dtype: i32): v128 {
  if (RELAXED) {
    if (!isWide(dtype)) return RELAXED_DOT ? v128.relaxed_dot_add<i32>(x, w, sum) : i16x8.add(sum, v128.relaxed_dot<i16>(x, w));
  }
  return i32x4.add(sum, i32x4.dot_i16x8_s(x, w));
}

/** The sums as floats. */
// @ts-ignore: decorator
@inline export function total(sum: v128, dtype: i32): v128 {
  return f32x4.convert_i32x4_s(!isWide(dtype) && !RELAXED_DOT ? i32x4.dot_i16x8_s(sum, v128.load(ONES)) : sum);
}
