// Weights stay in the dtype of their file and are widened in registers. A kernel is written once over a tag W:
//
//   dtype  code  tag W  bits
//   f32    0     f32    1 + 8 + 23
//   bf16   1     u16    1 + 8 + 7: the upper half of an f32
//   f16    2     i16    1 + 5 + 10
//
// f16 must not pass through denormal f32 (hundreds of cycles each on some CPUs), so not by a multiplication with 2^112.
// Moved into f32's fields with 112 added to the exponent, h reads as v = 2^(e-15)·1.m, which is right unless e = 0.
// There it should be 2^-14·0.m = 2v - 2^-14, and 2v - 2^-14 < v holds exactly where v < 2^-14, that is where e = 0.
// Hence min(v, 2v - 2^-14) on magnitudes. Infinities and NaN come out as finite numbers of 2^16 and above: loading
// refuses them (`allFinite`), and `widen`, which has time for it, keeps them.

import { exponents, firstFour, hasSubnormals, lastFour } from './f16';

export const F32: i32 = 0;
export const BF16: i32 = 1;
export const F16: i32 = 2;

// Quantised: blocks of weights along k that share a scale (and a minimum). The bytes of a block are drawn in quant/blocks.ts.
export const Q8_0: i32 = 3;
export const Q4_0: i32 = 4;
export const Q4_1: i32 = 5;
export const Q5_0: i32 = 6;
export const Q5_1: i32 = 7;
export const Q4_K: i32 = 8;
export const Q5_K: i32 = 9;
export const Q6_K: i32 = 10;

/** Weights of one block; 1 for floats. */
export function blockWeights(dtype: i32): i32 {
  return dtype < Q8_0 ? 1 : dtype < Q4_K ? 32 : 256;
}

/** Bytes of one block; of one value for floats. */
export function blockBytes(dtype: i32): i32 {
  if (dtype < Q8_0) return dtype == F32 ? 4 : 2;
  if (dtype < Q4_K) return dtype == Q8_0 ? 34 : 10 + 2 * dtype; // Q4_0 18, Q4_1 20, Q5_0 22, Q5_1 24
  return dtype == Q4_K ? 144 : dtype == Q5_K ? 176 : 210;
}

/** Four consecutive weights as f32; `offset`, a constant, is added to p in the load itself. */
// @ts-ignore: decorator
@inline export function four<W>(p: usize, offset: usize = 0): v128 {
  if (isFloat<W>()) return v128.load(p + offset);
  if (!isSigned<W>()) return i32x4.shl(v128.load_ext<u16>(p + offset), 16);
  const bits = i32x4.shl(v128.load_ext<i16>(p + offset), 13);
  const v = i32x4.add(v128.and(bits, i32x4.splat(0x0fffe000)), i32x4.splat(0x38000000));
  const subnormal = f32x4.sub(f32x4.add(v, v), i32x4.splat(0x38800000));
  return v128.or(f32x4.pmin(v, subnormal), v128.and(bits, i32x4.splat(0x80000000)));
}

// Eight consecutive weights, for loops that read each panel once: two bytes a weight are cheaper split from one load.
//   const bytes = head<W>(p); … low<W>(bytes) … high<W>(bytes, p)
// Of f16 only where none is subnormal or zero (`irregular`): that takes half the operations, and seldom isn't so; else `four`.

// @ts-ignore: decorator
@inline export function head<W>(p: usize): v128 {
  return v128.load(p);
}

/** The first four of the eight weights. */
// @ts-ignore: decorator
@inline export function low<W>(bytes: v128): v128 {
  if (isFloat<W>()) return bytes;
  return isSigned<W>() ? firstFour(bytes) : v128.shuffle<i16>(i32x4.splat(0), bytes, 0, 8, 1, 9, 2, 10, 3, 11);
}

/** The last four of the eight weights at p. */
// @ts-ignore: decorator
@inline export function high<W>(bytes: v128, p: usize): v128 {
  if (isFloat<W>()) return v128.load(p, 16);
  return isSigned<W>() ? lastFour(bytes) : v128.shuffle<i16>(i32x4.splat(0), bytes, 4, 12, 5, 13, 6, 14, 7, 15);
}

/** Are there f16 among eight times four weights that `low` and `high` can't read? Of other dtypes never. */
// @ts-ignore: decorator
@inline export function irregular<W>(a: v128, b: v128, c: v128, d: v128): bool {
  if (isFloat<W>() || !isSigned<W>()) return false;
  return hasSubnormals(i16x8.min_u(i16x8.min_u(exponents(a), exponents(b)), i16x8.min_u(exponents(c), exponents(d))));
}

/** One weight as f32. */
// @ts-ignore: decorator
@inline export function one<W>(p: usize): f32 {
  if (isFloat<W>()) return load<f32>(p);
  const h = <u32>load<u16>(p);
  if (!isSigned<W>()) return reinterpret<f32>(h << 16);
  const v = reinterpret<f32>(((h & 0x7fff) << 13) + 0x38000000);
  const subnormal = v + v - reinterpret<f32>(0x38800000);
  return reinterpret<f32>(reinterpret<u32>(subnormal < v ? subnormal : v) | (h & 0x8000) << 16);
}

/** As `four`, with infinities and NaN of f16 kept. */
// @ts-ignore: decorator
@inline export function fourExact<W>(p: usize): v128 {
  const v = four<W>(p);
  if (isFloat<W>() || !isSigned<W>()) return v;
  const magnitude = v128.and(v, i32x4.splat(0x7fffffff));
  return v128.or(v, v128.and(i32x4.ge_s(magnitude, i32x4.splat(0x47800000)), i32x4.splat(0x7f800000)));
}

/** Four f32 as the bits of W in the low halves of four i32 lanes, rounded to the nearest, ties to even. */
// @ts-ignore: decorator
@inline export function narrowed<W>(x: v128): v128 {
  const magnitude = v128.and(x, i32x4.splat(0x7fffffff));
  const nan = i32x4.gt_s(magnitude, i32x4.splat(0x7f800000));
  if (!isSigned<W>()) {
    const odd = v128.and(i32x4.shr_u(x, 16), i32x4.splat(1));
    const rounded = i32x4.shr_u(i32x4.add(x, i32x4.add(odd, i32x4.splat(0x7fff))), 16);
    return v128.bitselect(v128.or(i32x4.shr_u(x, 16), i32x4.splat(0x40)), rounded, nan);
  }
  const sign = v128.and(i32x4.shr_u(x, 16), i32x4.splat(0x8000));
  // Normal halves: rebias the exponent and round away 13 bits. Below 2^-14: an addition of 0.5, whose last place is 2^-24, rounds.
  const odd = v128.and(i32x4.shr_u(magnitude, 13), i32x4.splat(1));
  const normal = i32x4.shr_u(i32x4.add(i32x4.add(magnitude, odd), i32x4.splat(0xc8000fff)), 13);
  const subnormal = i32x4.sub(f32x4.add(magnitude, f32x4.splat(0.5)), i32x4.splat(0x3f000000));
  let half = v128.bitselect(subnormal, normal, i32x4.lt_s(magnitude, i32x4.splat(0x38800000)));
  half = v128.bitselect(i32x4.splat(0x7c00), half, i32x4.ge_s(magnitude, i32x4.splat(0x477ff000))); // 65520 and above
  half = v128.bitselect(v128.or(i32x4.splat(0x7e00), v128.and(i32x4.shr_u(x, 13), i32x4.splat(0x3ff))), half, nan);
  return v128.or(half, sign);
}

/** Stores four f32 as W. */
// @ts-ignore: decorator
@inline export function storeFour<W>(p: usize, x: v128): void {
  if (isFloat<W>()) v128.store(p, x);
  else v128.store64_lane(p, i8x16.shuffle(narrowed<W>(x), x, 0, 1, 4, 5, 8, 9, 12, 13, 0, 1, 0, 1, 0, 1, 0, 1), 0);
}

/** Stores one f32 as W. */
// @ts-ignore: decorator
@inline export function storeOne<W>(p: usize, x: f32): void {
  if (isFloat<W>()) store<f32>(p, x);
  else store<u16>(p, <u16>i32x4.extract_lane(narrowed<W>(f32x4.splat(x)), 0));
}
