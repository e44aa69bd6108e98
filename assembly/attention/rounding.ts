// Queries and weights as 16-bit integers, for products with a cache of bytes.
import { laneMask } from '../simd/lanes';
import { largestOf, rounded } from './kv';

const SMALLEST: f32 = 1e-30;

/** A query as 16-bit integers, largest 32767, zeros up to a multiple of 8; returns what one is worth. */
export function bytesOfQuery(to: usize, q: usize, headDim: i32): f32 {
  const largest = largestOf(q, headDim);
  // Not finite: the integers are anything, and worth NaN.
  const inverse: f32 = largest < SMALLEST ? 0 : <f32>32767 / largest;
  for (let d = 0; d < headDim; d += 4, q += 16, to += 8) {
    const integers = v128.and(rounded(q, inverse), laneMask(headDim - d));
    v128.store64_lane(to, i16x8.narrow_i32x4_s(integers, integers), 0);
  }
  if ((headDim + 3 >> 2) & 1) store<u64>(to, 0);
  if (!(largest < Infinity)) return NaN;
  return largest < SMALLEST ? 0 : largest / 32767;
}

/** 32 weights times the scales of their values as 16-bit integers, in their place; zeros but for from … to. What one is worth goes to `worth`, eight times. */
export function bytesOfWeights(p: usize, scales: usize, from: i32, to: i32, worth: usize): void {
  let top = f32x4.splat(0);
  for (let t = 0; t < 32; t += 4) {
    const at = <usize>t << 2;
    const seen = v128.andnot(laneMask(to - t), laneMask(from - t));
    const w = v128.and(f32x4.mul(v128.load(p + at), v128.load(scales + at)), seen);
    v128.store(p + at, w);
    top = f32x4.max(top, w);
  }
  const largest = max<f32>(max<f32>(f32x4.extract_lane(top, 0), f32x4.extract_lane(top, 1)), max<f32>(f32x4.extract_lane(top, 2), f32x4.extract_lane(top, 3)));
  const inverse: f32 = largest < SMALLEST ? 0 : <f32>32767 / largest;
  for (let i: usize = 0; i < 4; i++) {
    const at = p + (i << 5);
    v128.store(p + (i << 4), i16x8.narrow_i32x4_s(rounded(at, inverse), rounded(at + 16, inverse)));
  }
  const one = f32x4.splat(!(largest < Infinity) ? NaN : largest < SMALLEST ? 0 : largest / 32767);
  v128.store(worth, one);
  v128.store(worth, one, 16);
}
