// Panel blocks (panels.ts) spread out for products with many rows: decoded once, read by every tile.
//
//   unit of 32 weights:       [ a, b ][ c, d ][ scales: 8 × f32 ][ minimums: 8 × f32 ]
//   unit of 2 × 16 (Q6_K):    [ a, b ][ scales: 8 × f32 ][ c, d ][ scales: 8 × f32 ]
//
// A step is 32 bytes, four of each of 8 rows. Wide (products.ts): two positions of an eighth × i16, four steps an eighth, what the scale multiplies. Narrow:
// two positions of two eighths × u8, as in the panel, so that an offset is to be taken off; the minimums of weights of 5 bits then go with those around 16.
import { blockBytes, Q4_0, Q4_1, Q4_K, Q5_0, Q5_1, Q5_K, Q6_K, Q8_0 } from '../simd/dtype';
import { RELAXED } from '../simd/features';
import { hasMinimum, isWide } from './formats';
import { minimumAround, scalesQ4Q5, scalesQ6, storeEight } from './scales';

/** Bytes of two eighths. */
// @ts-ignore: decorator
@inline export function halfBytes(dtype: i32): usize {
  return isWide(dtype) ? 256 : 128;
}

// @ts-ignore: decorator
@inline export function unitBytes(dtype: i32): usize {
  return 2 * halfBytes(dtype) + 64;
}

/** Those of every format but Q8_0. */
const HALF: usize = RELAXED ? 128 : 256;
const STEPS: usize = 2 * HALF, UNIT: usize = STEPS + 64;

/** Units of a panel block. */
// @ts-ignore: decorator
@inline export function unitsOf(dtype: i32): i32 {
  return dtype < Q4_K ? 1 : 8;
}

/** `blocks` panel blocks to their units. */
export function decode(dst: usize, panel: usize, blocks: i32, dtype: i32): void {
  const bytes = <usize>blockBytes(dtype) << 3;
  for (; blocks > 0; blocks--) {
    if (dtype == Q8_0) decodeBytes(dst, panel);
    else if (dtype < Q4_K) decodeBlock(dst, panel, dtype);
    else if (dtype == Q6_K) decodeQ6(dst, panel);
    else decodeQ4Q5(dst, panel, dtype);
    dst += unitBytes(dtype) * <usize>unitsOf(dtype);
    panel += bytes;
  }
}

function decodeBytes(dst: usize, panel: usize): void {
  storeEight(dst + 512, panel);
  panel += 16;
  const low = i16x8.splat(0xff), flipped = i16x8.splat(128);
  for (let i: usize = 0; i < 2; i++) {
    for (let p: usize = 0; p < 128; p += 16) {
      const v = v128.load(panel + p);
      v128.store(dst + p, i16x8.sub(v128.and(v, low), flipped));
      v128.store(dst + p, i16x8.shr_s(v, 8), 128);
    }
    panel += 128;
    dst += 256;
  }
}

function decodeBlock(dst: usize, panel: usize, dtype: i32): void {
  storeEight(dst + STEPS, panel);
  panel += 16;
  if (hasMinimum(dtype)) {
    storeEight(dst + STEPS + 32, panel);
    if (dtype == Q5_1) aroundMiddle(dst + STEPS);
    panel += 16;
  }
  if (dtype == Q4_0) decodeNibbles(dst, panel, 8);
  else if (dtype == Q4_1) decodeNibbles(dst, panel, 0);
  else decodeFifths(dst, panel, dtype == Q5_0 ? 16 : 0);
}

function decodeQ4Q5(dst: usize, panel: usize, dtype: i32): void {
  const high: usize = dtype == Q5_K ? 32 : 0;
  scalesQ4Q5(dst + STEPS, UNIT, panel);
  let subblock = panel + 128;
  for (let s = 0; s < 8; s++) {
    if (high) aroundMiddle(dst + STEPS);
    if (high) decodeFifths(dst, subblock, 0);
    else decodeNibbles(dst, subblock, 0);
    subblock += high + 128;
    dst += UNIT;
  }
}

function decodeQ6(dst: usize, panel: usize): void {
  scalesQ6(dst + HALF, HALF + 32, panel);
  let subblock = panel + 144;
  for (let s = 0; s < 8; s++) {
    decodePairs(dst, subblock);
    subblock += 192;
    dst += UNIT;
  }
}

// @ts-ignore: decorator
@inline function decodeNibbles(dst: usize, nibbles: usize, offset: i32): void {
  const digits = i16x8.splat(0x0f0f);
  for (let p: usize = 0; p < 128; p += 16) {
    const v = v128.load(nibbles + p);
    storePair(dst + p, v128.and(v, digits), offset);
    storePair(dst + p + HALF, v128.and(i16x8.shr_u(v, 4), digits), offset);
  }
}

function decodeFifths(dst: usize, fifths: usize, offset: i32): void {
  const digits = i16x8.splat(0x0f0f), bit = i16x8.splat(0x0101);
  for (let p: usize = 0; p < 128; p += 16) {
    const v = v128.load(fifths + p, 32), high = i16x8.shr_u(v128.load(fifths + (p & 16)), <i32>(p >> 5));
    storePair(dst + p, v128.or(v128.and(v, digits), i16x8.shl(v128.and(high, bit), 4)), offset);
    storePair(dst + p + HALF, v128.or(v128.and(i16x8.shr_u(v, 4), digits), v128.and(high, i16x8.shl(bit, 4))), offset);
  }
}

function decodePairs(dst: usize, pairs: usize): void {
  const digits = i16x8.splat(0x0f0f), bits = i16x8.splat(0x0303);
  for (let p: usize = 0; p < 128; p += 16) {
    const v = v128.load(pairs + p, 64), from = pairs + (p & 16), shift = <i32>(p >> 4) & 6;
    const first = i16x8.shl(v128.and(i16x8.shr_u(v128.load(from), shift), bits), 4), second = i16x8.shl(v128.and(i16x8.shr_u(v128.load(from, 32), shift), bits), 4);
    storePair(dst + p, v128.or(v128.and(v, digits), first), 32);
    storePair(dst + p + HALF + 32, v128.or(v128.and(i16x8.shr_u(v, 4), digits), second), 32);
  }
}

/** Minimums of weights of 5 bits to those of the same weights less by 16, where that is what is multiplied. */
// @ts-ignore: decorator
@inline function aroundMiddle(scales: usize): void {
  if (!RELAXED) return;
  v128.store(scales, minimumAround(v128.load(scales), v128.load(scales, 32)), 32);
  v128.store(scales, minimumAround(v128.load(scales, 16), v128.load(scales, 48)), 48);
}

/** Of v·256 + u, v to the second of two eighths, u to the first, each less by `offset`. */
// @ts-ignore: decorator
@inline function storePair(dst: usize, both: v128, offset: i32): void {
  if (RELAXED) {
    v128.store(dst, both);
    return;
  }
  const first = v128.and(both, i16x8.splat(0xff)), second = i16x8.shr_u(both, 8);
  v128.store(dst, offset ? i16x8.sub(first, i16x8.splat(<i16>offset)) : first);
  v128.store(dst, offset ? i16x8.sub(second, i16x8.splat(<i16>offset)) : second, 128);
}
