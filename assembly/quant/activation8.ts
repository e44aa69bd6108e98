// A block of 32 activations of 8 bits, as relaxed builds read it for weights of at most 6 bits: x ≈ d·q with q in -127 … 127.
//
//   48 bytes:  [ q: 32 × i8 ][ d: f32 ][ d·Σq: f32 ][ -8·Σq: 2 × i16 ][ -32·Σq of eighths a and b: 2 × i16 ]
//
// Values lie as the bytes of panels do (panels.ts): positions 2j, 2j + 1 of eighths a and b, a b a b, j = 0 … 3; then c and d. The two numbers of a sum
// are that over positions 2j and that over positions 2j + 1: the 16-bit lanes that such products are added in, modulo 2^16.
import { eight } from './activation12';

export const NARROW_SCALE: usize = 32;
export const NARROW_TOTAL: usize = 36;
export const NARROW_OFFSET: usize = 40;
export const NARROW_FIRST_OFFSET: usize = 44;

/** d = max |x| / 127, and the values x·(127 / max |x|) are rounded to the nearest, ties to even. `largest` is max |x|. */
// @ts-ignore: decorator
@inline export function quantize8(q: usize, x: usize, largest: f32): void {
  const inverse = f32x4.splat(127 / largest), d = largest / 127;
  const ab = sixteen(x, inverse), cd = sixteen(x + 64, inverse);
  v128.store(q, ab);
  v128.store(q, cd, 16);
  const first = sums(ab), all = i16x8.add(first, sums(cd));
  store<f32>(q, d, NARROW_SCALE);
  store<f32>(q, d * <f32>i32x4.extract_lane(i32x4.extadd_pairwise_i16x8_s(all), 0), NARROW_TOTAL);
  v128.store32_lane(q, i16x8.shl(i16x8.neg(all), 3), 0, NARROW_OFFSET);
  v128.store32_lane(q, i16x8.shl(i16x8.neg(first), 5), 0, NARROW_FIRST_OFFSET);
}

/** 16 floats times `inverse`, within ±127.5, to bytes. */
// @ts-ignore: decorator
@inline function sixteen(x: usize, inverse: v128): v128 {
  const bytes = i8x16.narrow_i16x8_s(eight(x, inverse), eight(x + 32, inverse));
  return i8x16.shuffle(bytes, bytes, 0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15);
}

/** The sum over positions 2j and that over positions 2j + 1, in every 32 bits. */
// @ts-ignore: decorator
@inline function sums(bytes: v128): v128 {
  let s = i16x8.extadd_pairwise_i8x16_s(bytes);
  s = i16x8.add(s, v128.shuffle<i32>(s, s, 2, 3, 0, 1));
  return i16x8.add(s, v128.shuffle<i32>(s, s, 1, 0, 3, 2));
}
