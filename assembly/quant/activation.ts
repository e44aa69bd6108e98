// Activations of 8 bits, as the products with quantised weights read them: each row in blocks of 32, x ≈ d·q with q in -127 … 127.
//
//   80 bytes a block:  [ c: 32 × i16 ][ d: f32 ][ d·Σq: f32 ][ sums: 4 × i16 ]
//
// A weight that shares its 16-bit lane with another one needn't be moved out of it. For weights u and v of positions i and i + 8,
//
//   (256·v + u)·q[i+8] + u·(256·q[i] - q[i+8]) = 256·(u·q[i] + v·q[i+8])
//
// so a pair costs one mask, and c holds what the two are multiplied by, in the order of the positions:
// c[i] = 256·q[i] - q[i+8] and c[i+8] = q[i+8], for i in 0 … 7 and 16 … 23. All sums of products are 256 times what they stand for, exactly.
//
// `sums` are Σq of positions 0 … 7, 16 … 23, 8 … 15, 24 … 31: a constant that a format adds to all weights of one of these
// eighths costs a product with them. Σq itself is multiplied by d for formats with a minimum.

/** Bytes of one block of 32 activations. */
export const ACTIVATION_BYTES: usize = 80;
export const ACTIVATION_SCALE: usize = 64;
export const ACTIVATION_TOTAL: usize = 68;
export const ACTIVATION_SUMS: usize = 72;

/** Blocks below this count as zeros: then no product of a scale of activations with one of weights (≥ 2^-24 / 256) is denormal. */
const LEAST: f32 = 8.271806125530277e-25; // 2^-80

/**
 * x [m, k] → q [m, k/32] blocks; k is a multiple of 32. d = max |x| / 127, and the values x·(127 / max |x|) are rounded to the nearest, ties to even.
 * A block with an infinity or a NaN gets a scale that is none, either, so that products with it aren't finite.
 */
export function quantizeRows(q: usize, x: usize, ldx: i32, m: i32, k: i32): void {
  const row = <usize>k << 2;
  for (; m > 0; m--) {
    for (let p = x, end = x + row; p < end; p += 128) {
      quantizeBlock(q, p);
      q += ACTIVATION_BYTES;
    }
    x += <usize>ldx << 2;
  }
}

function quantizeBlock(q: usize, x: usize): void {
  const magnitude = i32x4.splat(0x7fffffff);
  // As integers magnitudes order as they do as floats, and NaN above all.
  let most = v128.and(v128.load(x), magnitude);
  for (let p = x + 16, end = x + 128; p < end; p += 16) most = i32x4.max_s(most, v128.and(v128.load(p), magnitude));
  most = i32x4.max_s(most, v128.shuffle<i32>(most, most, 2, 3, 0, 1));
  most = i32x4.max_s(most, v128.shuffle<i32>(most, most, 1, 0, 3, 2));
  const largest = f32x4.extract_lane(most, 0);
  if (largest < LEAST) {
    memory.fill(q, 0, ACTIVATION_BYTES);
    return;
  }
  const inverse = f32x4.splat(127 / largest), ones = i16x8.splat(1);
  const q0 = eight(x, inverse), q1 = eight(x + 32, inverse), q2 = eight(x + 64, inverse), q3 = eight(x + 96, inverse);
  v128.store(q, i16x8.sub(i16x8.shl(q0, 8), q1));
  v128.store(q, q1, 16);
  v128.store(q, i16x8.sub(i16x8.shl(q2, 8), q3), 32);
  v128.store(q, q3, 48);
  // four times four partial sums → [ Σq0, Σq2, Σq1, Σq3 ]
  const s0 = i32x4.dot_i16x8_s(q0, ones), s1 = i32x4.dot_i16x8_s(q1, ones), s2 = i32x4.dot_i16x8_s(q2, ones), s3 = i32x4.dot_i16x8_s(q3, ones);
  const t02 = i32x4.add(v128.shuffle<i32>(s0, s2, 0, 1, 4, 5), v128.shuffle<i32>(s0, s2, 2, 3, 6, 7));
  const t13 = i32x4.add(v128.shuffle<i32>(s1, s3, 0, 1, 4, 5), v128.shuffle<i32>(s1, s3, 2, 3, 6, 7));
  const sums = i32x4.add(v128.shuffle<i32>(t02, t13, 0, 2, 4, 6), v128.shuffle<i32>(t02, t13, 1, 3, 5, 7));
  const total = i32x4.extract_lane(sums, 0) + i32x4.extract_lane(sums, 1) + (i32x4.extract_lane(sums, 2) + i32x4.extract_lane(sums, 3));
  const d = largest / 127;
  store<f32>(q, d, ACTIVATION_SCALE);
  store<f32>(q, d * <f32>total, ACTIVATION_TOTAL);
  v128.store64_lane(q, i16x8.narrow_i32x4_s(sums, sums), 0, ACTIVATION_SUMS);
}

/** Eight floats times `inverse`, within ±127.5, to integers: 1.5·2²³ added rounds them, and its last bits then hold them. */
// @ts-ignore: decorator
@inline function eight(x: usize, inverse: v128): v128 {
  const round = f32x4.splat(12582912), bits = i32x4.splat(0x4b400000);
  return i16x8.narrow_i32x4_s(
    i32x4.sub(f32x4.add(f32x4.mul(v128.load(x), inverse), round), bits),
    i32x4.sub(f32x4.add(f32x4.mul(v128.load(x, 16), inverse), round), bits),
  );
}
