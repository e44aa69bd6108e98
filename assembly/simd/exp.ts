// exp of four floats at once, in one multiply and one add per step, so that every engine gives the same bits.
//
// x = n·ln 2 + r with |r| ≤ ln 2 / 2 (Cody and Waite: n·LN2_HIGH is exact for |n| < 2¹⁵), e^r by the polynomial of Cephes' expf
// (S. Moshier, netlib.org/cephes/single/expf.c), 2ⁿ added to the exponent field. At most 2 ulp off over the whole range.
// The result is never denormal (they cost 200× on some CPUs): below LOWEST it is 0. Above HIGHEST it is +infinity. NaN stays NaN.
//
// The constants stand in memory: an engine's first compiler tiers build a vector constant anew at each use.

/** ln 2⁻¹²⁶ rounded up: the smallest x whose exponential is a normal float. */
const LOWEST: f32 = -87.3365;
/** Just below the logarithm of the largest float. */
const HIGHEST: f32 = 88.72283;

// @ts-ignore: decorator
@inline const TABLE_ALIGN: i32 = 16;

const TABLE: usize = memory.data<f32>([
  LOWEST, LOWEST, LOWEST, LOWEST,
  1.44269504088896341, 1.44269504088896341, 1.44269504088896341, 1.44269504088896341,
  0.693359375, 0.693359375, 0.693359375, 0.693359375,
  -2.12194440e-4, -2.12194440e-4, -2.12194440e-4, -2.12194440e-4,
  1.9875691500e-4, 1.9875691500e-4, 1.9875691500e-4, 1.9875691500e-4,
  1.3981999507e-3, 1.3981999507e-3, 1.3981999507e-3, 1.3981999507e-3,
  8.3334519073e-3, 8.3334519073e-3, 8.3334519073e-3, 8.3334519073e-3,
  4.1665795894e-2, 4.1665795894e-2, 4.1665795894e-2, 4.1665795894e-2,
  1.6666665459e-1, 1.6666665459e-1, 1.6666665459e-1, 1.6666665459e-1,
  5.0000001201e-1, 5.0000001201e-1, 5.0000001201e-1, 5.0000001201e-1,
  1, 1, 1, 1,
  HIGHEST, HIGHEST, HIGHEST, HIGHEST,
  Infinity, Infinity, Infinity, Infinity,
], TABLE_ALIGN);

/** e^x for x ≤ HIGHEST (as after subtracting a maximum): everything but the upper clamp. */
// @ts-ignore: decorator
@inline
export function expBelow4(x: v128): v128 {
  const clamped = f32x4.max(x, v128.load(TABLE));
  const n = f32x4.nearest(f32x4.mul(clamped, v128.load(TABLE, 16)));
  const r = f32x4.sub(f32x4.sub(clamped, f32x4.mul(n, v128.load(TABLE, 32))), f32x4.mul(n, v128.load(TABLE, 48)));
  let p = f32x4.add(f32x4.mul(v128.load(TABLE, 64), r), v128.load(TABLE, 80));
  p = f32x4.add(f32x4.mul(p, r), v128.load(TABLE, 96));
  p = f32x4.add(f32x4.mul(p, r), v128.load(TABLE, 112));
  p = f32x4.add(f32x4.mul(p, r), v128.load(TABLE, 128));
  p = f32x4.add(f32x4.mul(p, r), v128.load(TABLE, 144));
  p = f32x4.add(f32x4.add(f32x4.mul(p, f32x4.mul(r, r)), r), v128.load(TABLE, 160));
  const scaled = i32x4.add(p, i32x4.shl(i32x4.trunc_sat_f32x4_s(n), 23));
  return v128.andnot(scaled, f32x4.lt(x, v128.load(TABLE)));
}

/** e^x for any x. */
// @ts-ignore: decorator
@inline
export function exp4(x: v128): v128 {
  const inside = expBelow4(f32x4.min(x, v128.load(TABLE, 176)));
  return v128.bitselect(v128.load(TABLE, 192), inside, f32x4.gt(x, v128.load(TABLE, 176)));
}

/** e^x of one float ≤ HIGHEST: the same bits as a lane of `expBelow4`. */
// @ts-ignore: decorator
@inline
export function expBelow1(x: f32): f32 {
  return f32x4.extract_lane(expBelow4(f32x4.splat(x)), 0);
}
