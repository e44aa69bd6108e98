// A block of 32 activations of 12 bits, as products of 16 bits read it (products.ts): x ≈ d·q with q in -2047 … 2047.
//
//   80 bytes:  [ q: 32 × i16 ][ d: f32 ][ d·Σq: f32 ][ sums: 4 × i16 ]
//
// Products of 16 bits take 12 as they would take 8, and round a sixteenth as much: 8 bits moved a logit of SmolLM2 by up to 1.2, 12 by 0.1.
//
// `sums` are Σq of positions 0 … 7, 16 … 23, 8 … 15, 24 … 31: a constant that a format adds to all weights of one of these
// eighths costs a product with them; two of them added still are 16-bit numbers. Σq itself is multiplied by d for formats with a minimum.

export const WIDE_SCALE: usize = 64;
export const WIDE_TOTAL: usize = 68;
export const WIDE_SUMS: usize = 72;

/** d = max |x| / 2047, and the values x·(2047 / max |x|) are rounded to the nearest, ties to even. `largest` is max |x|. */
// @ts-ignore: decorator
@inline export function quantize12(q: usize, x: usize, largest: f32): void {
  const inverse = f32x4.splat(2047 / largest), ones = i16x8.splat(1);
  const q0 = eight(x, inverse), q1 = eight(x + 32, inverse), q2 = eight(x + 64, inverse), q3 = eight(x + 96, inverse);
  v128.store(q, q0);
  v128.store(q, q1, 16);
  v128.store(q, q2, 32);
  v128.store(q, q3, 48);
  // four times four partial sums → [ Σq0, Σq2, Σq1, Σq3 ]
  const s0 = i32x4.dot_i16x8_s(q0, ones), s1 = i32x4.dot_i16x8_s(q1, ones), s2 = i32x4.dot_i16x8_s(q2, ones), s3 = i32x4.dot_i16x8_s(q3, ones);
  const t02 = i32x4.add(v128.shuffle<i32>(s0, s2, 0, 1, 4, 5), v128.shuffle<i32>(s0, s2, 2, 3, 6, 7));
  const t13 = i32x4.add(v128.shuffle<i32>(s1, s3, 0, 1, 4, 5), v128.shuffle<i32>(s1, s3, 2, 3, 6, 7));
  const sums = i32x4.add(v128.shuffle<i32>(t02, t13, 0, 2, 4, 6), v128.shuffle<i32>(t02, t13, 1, 3, 5, 7));
  const total = i32x4.extract_lane(sums, 0) + i32x4.extract_lane(sums, 1) + (i32x4.extract_lane(sums, 2) + i32x4.extract_lane(sums, 3));
  const d = largest / 2047;
  store<f32>(q, d, WIDE_SCALE);
  store<f32>(q, d * <f32>total, WIDE_TOTAL);
  v128.store64_lane(q, i16x8.narrow_i32x4_s(sums, sums), 0, WIDE_SUMS);
}

/** Eight floats times `inverse`, within ±2²¹, to integers: 1.5·2²³ added rounds them, and its last bits then hold them. */
// @ts-ignore: decorator
@inline export function eight(x: usize, inverse: v128): v128 {
  const round = f32x4.splat(12582912), bits = i32x4.splat(0x4b400000);
  return i16x8.narrow_i32x4_s(
    i32x4.sub(f32x4.add(f32x4.mul(v128.load(x), inverse), round), bits),
    i32x4.sub(f32x4.add(f32x4.mul(v128.load(x, 16), inverse), round), bits),
  );
}
