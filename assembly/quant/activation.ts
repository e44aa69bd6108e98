// Activations as the products with quantised weights read them: each row in blocks of 32, of 12 bits (activation12.ts); in relaxed builds those of 8 bits (activation8.ts)
// stand before them, since layers of several formats may read one value.
//
//   plain      80 bytes a block:  [ 12 bits: 80 ]
//   relaxed   128 bytes a block:  [ 8 bits: 48 ][ 12 bits: 80 ]
import { RELAXED } from '../simd/features';
import { quantize12 } from './activation12';
import { quantize8 } from './activation8';

/** Bytes that a row of blocks takes for each 32 activations, in every build: the next row is this much times k/32 on. */
export const ACTIVATION_BYTES: usize = 128;
/** From one block of a row to the next. */
export const ACTIVATION_STEP: usize = RELAXED ? 128 : 80;
/** Where in a block those of 12 bits stand. */
export const ACTIVATION_WIDE: usize = RELAXED ? 48 : 0;

/** Blocks below this count as zeros: then no product of a scale of activations with one of weights (≥ 2^-24) is denormal. */
const LEAST: f32 = 8.271806125530277e-25; // 2^-80

/** x [m, k] → q [m, k/32] blocks; k is a multiple of 32. */
export function quantizeRows(q: usize, x: usize, ldx: i32, m: i32, k: i32): void {
  const row = <usize>k << 2;
  for (; m > 0; m--) {
    for (let p = x, end = x + row, to = q; p < end; p += 128) {
      quantizeBlock(to, p);
      to += ACTIVATION_STEP;
    }
    x += <usize>ldx << 2;
    q += <usize>(k >> 5) * ACTIVATION_BYTES;
  }
}

/** 32 floats → one block. One with an infinity or a NaN gets a scale that is none, either, so that products with it aren't finite. */
export function quantizeBlock(q: usize, x: usize): void {
  const magnitude = i32x4.splat(0x7fffffff);
  // As integers magnitudes order as they do as floats, and NaN above all.
  let most = v128.and(v128.load(x), magnitude);
  for (let p = x + 16, end = x + 128; p < end; p += 16) most = i32x4.max_s(most, v128.and(v128.load(p), magnitude));
  most = i32x4.max_s(most, v128.shuffle<i32>(most, most, 2, 3, 0, 1));
  most = i32x4.max_s(most, v128.shuffle<i32>(most, most, 1, 0, 3, 2));
  const largest = f32x4.extract_lane(most, 0);
  if (largest < LEAST) {
    memory.fill(q, 0, ACTIVATION_STEP);
    return;
  }
  if (RELAXED) quantize8(q, x, largest);
  quantize12(q + ACTIVATION_WIDE, x, largest);
}
