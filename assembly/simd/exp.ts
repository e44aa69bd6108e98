// exp of four floats at once, in one multiply and one add per step, so that every engine gives the same bits.
//
// x = n·ln 2 + r with |r| ≤ ln 2 / 2 (Cody and Waite: n·LN2_HIGH is exact), e^r by the polynomial of Cephes' expf (S. Moshier,
// netlib.org/cephes/single/expf.c), times 2ⁿ. n comes by adding 1.5·2²³, whose last bits then hold it: the operations that say
// the same in one word (nearest, trunc_sat, min, max) are ten instructions each on x86.
//
// The polynomial is taken by pairs of its terms: step by step it is one chain of operations, and a processor that waits for each holds too few of its neighbours in flight.
//
// For x ≤ 88 it is at most 2 ulp off. The result is never denormal (they cost 200× on some CPUs): below LOWEST it is 0. NaN stays NaN.
// The constants stand in memory: an engine's first compiler tiers build a vector constant anew at each use.

/** ln 2⁻¹²⁶ rounded up: the smallest x whose exponential is a normal float. */
const LOWEST: f32 = -87.3365;
const ROUND: f32 = 12582912;

const TABLE: usize = memory.data<f32>([
  LOWEST, LOWEST, LOWEST, LOWEST,
  1.44269504088896341, 1.44269504088896341, 1.44269504088896341, 1.44269504088896341,
  ROUND, ROUND, ROUND, ROUND,
  0.693359375, 0.693359375, 0.693359375, 0.693359375,
  -2.12194440e-4, -2.12194440e-4, -2.12194440e-4, -2.12194440e-4,
  1.9875691500e-4, 1.9875691500e-4, 1.9875691500e-4, 1.9875691500e-4,
  1.3981999507e-3, 1.3981999507e-3, 1.3981999507e-3, 1.3981999507e-3,
  8.3334519073e-3, 8.3334519073e-3, 8.3334519073e-3, 8.3334519073e-3,
  4.1665795894e-2, 4.1665795894e-2, 4.1665795894e-2, 4.1665795894e-2,
  1.6666665459e-1, 1.6666665459e-1, 1.6666665459e-1, 1.6666665459e-1,
  5.0000001201e-1, 5.0000001201e-1, 5.0000001201e-1, 5.0000001201e-1,
  1, 1, 1, 1,
], 16);

/** e^x for −87.33 ≤ x ≤ 88. */
// @ts-ignore: decorator
@inline
export function power4(x: v128): v128 {
  const round = v128.load(TABLE, 32), one = v128.load(TABLE, 176);
  const shifted = f32x4.add(f32x4.mul(x, v128.load(TABLE, 16)), round);
  const n = f32x4.sub(shifted, round);
  const r = f32x4.sub(f32x4.sub(x, f32x4.mul(n, v128.load(TABLE, 48))), f32x4.mul(n, v128.load(TABLE, 64))), square = f32x4.mul(r, r);
  const high = f32x4.add(f32x4.mul(v128.load(TABLE, 80), r), v128.load(TABLE, 96));
  const middle = f32x4.add(f32x4.mul(v128.load(TABLE, 112), r), v128.load(TABLE, 128));
  const low = f32x4.add(f32x4.mul(v128.load(TABLE, 144), r), v128.load(TABLE, 160));
  const p = f32x4.add(f32x4.mul(f32x4.add(f32x4.mul(high, square), middle), square), low);
  return f32x4.mul(f32x4.add(f32x4.add(f32x4.mul(p, square), r), one), i32x4.add(i32x4.shl(shifted, 23), one)); // 2ⁿ: the exponent field of 1 plus n
}

/** e^x for x ≤ 88, as after subtracting a maximum. */
// @ts-ignore: decorator
@inline
export function exp4(x: v128): v128 {
  const lowest = v128.load(TABLE);
  return v128.andnot(power4(f32x4.pmax(x, lowest)), f32x4.lt(x, lowest)); // pmax: x < lowest ? lowest : x, so a NaN passes
}
