// Scales and minimums of the eight rows of a panel block, from f16 to f32.
import { four } from '../simd/dtype';
import { firstFour, haveSubnormals, lastFour, putRight } from '../simd/f16';

/** Scales and minimums of the eight sub-blocks of Q4_K or Q5_K, 8 × f32 each, the minimums behind the scales; `step` bytes from one sub-block to the next. */
export function scalesQ4Q5(dst: usize, step: usize, panel: usize): void {
  const digits = i8x16.splat(15), six = i8x16.splat(63), top = i8x16.splat(48);
  const d = v128.load(panel), m = v128.load(panel, 16);
  let d0 = firstFour(d), d1 = lastFour(d), m0 = firstFour(m), m1 = lastFour(m);
  if (haveSubnormals(d, m)) {
    d0 = putRight(d0);
    d1 = putRight(d1);
    m0 = putRight(m0);
    m1 = putRight(m1);
  }
  m0 = f32x4.neg(m0);
  m1 = f32x4.neg(m1);
  for (let p = panel + 32, end = panel + 64; p < end; p += 16) {
    // as `scaleOf` and `minimumOf` (blocks-k.ts), for 8 rows: sub-blocks s and s + 1, then s + 4 and s + 5
    const a = v128.load(p), b = v128.load(p, 32), c = v128.load(p, 64), later = dst + (step << 2);
    const s = v128.and(a, six), n = v128.and(b, six);
    storeProducts(dst, d0, d1, i16x8.extend_low_i8x16_u(s));
    storeProducts(dst + 32, m0, m1, i16x8.extend_low_i8x16_u(n));
    storeProducts(dst + step, d0, d1, i16x8.extend_high_i8x16_u(s));
    storeProducts(dst + step + 32, m0, m1, i16x8.extend_high_i8x16_u(n));
    const t = v128.or(v128.and(c, digits), v128.and(i16x8.shr_u(a, 2), top)), o = v128.or(v128.and(i16x8.shr_u(c, 4), digits), v128.and(i16x8.shr_u(b, 2), top));
    storeProducts(later, d0, d1, i16x8.extend_low_i8x16_u(t));
    storeProducts(later + 32, m0, m1, i16x8.extend_low_i8x16_u(o));
    storeProducts(later + step, d0, d1, i16x8.extend_high_i8x16_u(t));
    storeProducts(later + step + 32, m0, m1, i16x8.extend_high_i8x16_u(o));
    dst += step << 1;
  }
}

/** Scales of the sixteen sub-blocks of Q6_K, 8 × f32 each, `step` bytes apart. */
export function scalesQ6(dst: usize, step: usize, panel: usize): void {
  const d0 = four<i16>(panel), d1 = four<i16>(panel + 8);
  for (let p = panel + 16, end = panel + 144; p < end; p += 8) {
    storeProducts(dst, d0, d1, v128.load_ext<i8>(p));
    dst += step;
  }
}

/** Eight f16. */
// @ts-ignore: decorator
@inline export function storeEight(dst: usize, p: usize): void {
  v128.store(dst, four<i16>(p));
  v128.store(dst, four<i16>(p + 8), 16);
}

/** The minimum of weights of 5 bits with a scale → that of the same weights less by 16; 16 scales are exact. */
// @ts-ignore: decorator
@inline export function minimumAround(scale: v128, minimum: v128): v128 {
  return f32x4.add(minimum, f32x4.mul(scale, f32x4.splat(16)));
}

/** Eight scales times eight integers of at most 8 bits: exact, since a scale has 11 bits. */
// @ts-ignore: decorator
@inline function storeProducts(dst: usize, d0: v128, d1: v128, factors: v128): void {
  v128.store(dst, f32x4.mul(d0, f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(factors))));
  v128.store(dst, f32x4.mul(d1, f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(factors))), 16);
}
