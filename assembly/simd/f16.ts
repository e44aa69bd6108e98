// Eight f16 in a register to f32, where each is read once: the upper 16 bits of eight f32 are made together, then the lower ones put beside them. As in dtype.ts
// subnormals come out wrong and are put right, here behind a branch for all eight, since scales and weights are seldom that small.

/** Mask of sign, exponent and upper mantissa of f16 >> 3; the exponent of f16; what rebiases the exponent; the smallest normal. */
const HALVES: usize = memory.data<i16>([
  -0x7001, -0x7001, -0x7001, -0x7001, -0x7001, -0x7001, -0x7001, -0x7001,
  0x7c00, 0x7c00, 0x7c00, 0x7c00, 0x7c00, 0x7c00, 0x7c00, 0x7c00,
  0x3800, 0x3800, 0x3800, 0x3800, 0x3800, 0x3800, 0x3800, 0x3800,
  0, 0x3880, 0, 0x3880, 0, 0x3880, 0, 0x3880,
], 16);

/** The first four of eight f16. */
// @ts-ignore: decorator
@inline export function firstFour(h: v128): v128 {
  return v128.shuffle<i16>(i16x8.shl(h, 13), upperBits(h), 0, 8, 1, 9, 2, 10, 3, 11);
}

/** The last four. */
// @ts-ignore: decorator
@inline export function lastFour(h: v128): v128 {
  return v128.shuffle<i16>(i16x8.shl(h, 13), upperBits(h), 4, 12, 5, 13, 6, 14, 7, 15);
}

// @ts-ignore: decorator
@inline function upperBits(h: v128): v128 {
  return i16x8.add(v128.and(i16x8.shr_s(h, 3), v128.load(HALVES)), v128.load(HALVES, 32));
}

// @ts-ignore: decorator
@inline export function exponents(h: v128): v128 {
  return v128.and(h, v128.load(HALVES, 16));
}

/** Or zeros. */
// @ts-ignore: decorator
@inline export function hasSubnormals(h: v128): bool {
  return !i16x8.all_true(exponents(h));
}

/** Or zeros, in either. */
// @ts-ignore: decorator
@inline export function haveSubnormals(h: v128, l: v128): bool {
  return !i16x8.all_true(i16x8.min_u(exponents(h), exponents(l)));
}

/** Four of them, if some of the eight are subnormal. */
// @ts-ignore: decorator
@inline export function putRight(v: v128): v128 {
  const sign = v128.and(v, i32x4.splat(0x80000000)), magnitude = v128.xor(v, sign);
  return v128.or(f32x4.pmin(magnitude, f32x4.sub(f32x4.add(magnitude, magnitude), v128.load(HALVES, 48))), sign);
}
