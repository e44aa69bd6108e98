// 2^x of four floats at once: exp.ts without the reduction by ln 2, for those who can have their exponents in base 2.
//
// x = n + r with |r| ≤ ½ (adding 1.5·2²³ leaves n in the last bits), 2^r by the polynomial of Cephes' exp2f (S. Moshier, netlib.org/cephes/single/exp2f.c), times 2ⁿ. At most 2 ulp
// off; 2⁰ is 1; NaN stays NaN. The polynomial is taken by pairs of its terms, as there.
import { madd } from './arithmetic';

const LOWEST: f32 = -64;
const ROUND: f32 = 12582912;

/** In memory: an engine's first compiler tiers build a vector constant anew at each use. */
const TABLE: usize = memory.data<f32>([
  LOWEST, LOWEST, LOWEST, LOWEST,
  ROUND, ROUND, ROUND, ROUND,
  1.535336188319500e-4, 1.535336188319500e-4, 1.535336188319500e-4, 1.535336188319500e-4,
  1.339887440266574e-3, 1.339887440266574e-3, 1.339887440266574e-3, 1.339887440266574e-3,
  9.618437357674640e-3, 9.618437357674640e-3, 9.618437357674640e-3, 9.618437357674640e-3,
  5.550332471162809e-2, 5.550332471162809e-2, 5.550332471162809e-2, 5.550332471162809e-2,
  2.402264791363012e-1, 2.402264791363012e-1, 2.402264791363012e-1, 2.402264791363012e-1,
  6.931472028550421e-1, 6.931472028550421e-1, 6.931472028550421e-1, 6.931472028550421e-1,
  1, 1, 1, 1,
], 16);

/**
 * 2^x for x ≤ 0, as after subtracting a maximum; 0 below −64: beside a 1 in the same sum nobody sees such a weight, and products with it would soon be denormal, which cost 200× on some
 * CPUs.
 */
// @ts-ignore: decorator
@inline
export function exp2of4(x: v128): v128 {
  const lowest = v128.load(TABLE), round = v128.load(TABLE, 16), one = v128.load(TABLE, 128);
  const clamped = f32x4.pmax(x, lowest); // x < lowest ? lowest : x, so a NaN passes
  const shifted = f32x4.add(clamped, round);
  const r = f32x4.sub(clamped, f32x4.sub(shifted, round)), square = f32x4.mul(r, r);
  const high = madd(v128.load(TABLE, 32), r, v128.load(TABLE, 48));
  const middle = madd(v128.load(TABLE, 64), r, v128.load(TABLE, 80));
  const low = madd(v128.load(TABLE, 96), r, v128.load(TABLE, 112));
  const p = madd(madd(madd(high, square, middle), square, low), r, one);
  const power = i32x4.add(i32x4.shl(shifted, 23), one); // 2ⁿ: the exponent field of 1 plus n
  return v128.andnot(f32x4.mul(p, power), f32x4.lt(x, lowest));
}
