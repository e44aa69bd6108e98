// Rows of panels (panels.ts) as f32, with the bits of `widen`.
import { block } from '../simd/block';
import { blockBytes, blockWeights, Q4_1, Q4_K, Q5_0, Q5_1, Q5_K, Q6_K, Q8_0 } from '../simd/dtype';
import { fifths, Minimum, NoMinimum, scaleAt, spread } from './blocks';
import { minimumOf, scaleOf } from './blocks-k';
import { BYTE_FLIP } from './panels';

/** Row `row` of W [n, k] in panels. */
export function unpackRow(dst: usize, w: usize, row: i32, k: i32, dtype: i32): void {
  const bytes = <usize>blockBytes(dtype) << 3, weights = <usize>blockWeights(dtype) << 2, lane = <usize>(row & 7);
  let panel = w + <usize>(row >> 3) * <usize>(k / blockWeights(dtype)) * bytes;
  for (const end = dst + (<usize>k << 2); dst < end; dst += weights) {
    if (dtype < Q4_K) unpackBlock(dst, panel, lane, dtype);
    else unpackSuperblock(dst, panel, lane, dtype);
    panel += bytes;
  }
}

function unpackBlock(dst: usize, panel: usize, lane: usize, dtype: i32): void {
  const d = f32x4.splat(scaleAt(panel + (lane << 1)));
  if (dtype == Q8_0) {
    const flip = i64x2(-0x7f7f7f7f7f7f7f80, 0); // after `rowOf` the low bytes of 16 bits are the first eight
    spread<NoMinimum>(dst, v128.xor(rowOf(panel + 16, lane), flip), d, d);
    spread<NoMinimum>(dst + 64, v128.xor(rowOf(panel + 144, lane), flip), d, d);
    return;
  }
  const hasMinimum = dtype == Q4_1 || dtype == Q5_1, hasFifths = dtype >= Q5_0;
  const high = panel + (hasMinimum ? 32 : 16), nibbles = rowOf(hasFifths ? high + 32 : high, lane);
  let low = v128.and(nibbles, i8x16.splat(15)), upper = i8x16.shr_u(nibbles, 4);
  if (hasFifths) {
    store<u32>(block(), gatherFifths(load<u32>(high + (lane << 2))));
    low = v128.or(low, fifths(block()));
    upper = v128.or(upper, fifths(block() + 2));
  }
  if (hasMinimum) {
    const m = f32x4.splat(-scaleAt(panel + 16 + (lane << 1)));
    spread<Minimum>(dst, low, d, m);
    spread<Minimum>(dst + 64, upper, d, m);
  } else {
    const middle = i8x16.splat(<i8>(hasFifths ? 16 : 8));
    spread<NoMinimum>(dst, i8x16.sub(low, middle), d, d);
    spread<NoMinimum>(dst + 64, i8x16.sub(upper, middle), d, d);
  }
}

function unpackSuperblock(dst: usize, panel: usize, lane: usize, dtype: i32): void {
  const six = dtype == Q6_K, d = scaleAt(panel + (lane << 1)), scales = panel + (six ? 16 : 32) + lane;
  const high: usize = six ? 64 : dtype == Q5_K ? 32 : 0;
  let subblock = panel + (six ? 144 : 128);
  if (!six) for (let s: usize = 0; s < 12; s++) store<u8>(block() + s, load<u8>(scales + (s << 3)), 16);
  for (let s: usize = 0; s < 8; s++) {
    const nibbles = rowOf(subblock + high, lane), word = subblock + (lane << 2);
    let low = v128.and(nibbles, i8x16.splat(15)), upper = i8x16.shr_u(nibbles, 4);
    if (six) {
      const middle = i8x16.splat(32);
      low = i8x16.sub(v128.or(low, gatherPairs(load<u32>(word))), middle);
      upper = i8x16.sub(v128.or(upper, gatherPairs(load<u32>(word, 32))), middle);
      const dl = f32x4.splat(d * <f32>load<i8>(scales + (s << 4))), du = f32x4.splat(d * <f32>load<i8>(scales + (s << 4), 8));
      spread<NoMinimum>(dst, low, dl, dl);
      spread<NoMinimum>(dst + 64, upper, du, du);
    } else {
      if (high) {
        store<u32>(block(), gatherFifths(load<u32>(word)));
        low = v128.or(low, fifths(block()));
        upper = v128.or(upper, fifths(block() + 2));
      }
      const scale = f32x4.splat(d * <f32>scaleOf(block() + 16, s));
      const m = f32x4.splat(scaleAt(panel + 16 + (lane << 1)) * <f32>minimumOf(block() + 16, s));
      spread<Minimum>(dst, low, scale, m);
      spread<Minimum>(dst + 64, upper, scale, m);
    }
    subblock += high + 128;
    dst += 128;
  }
}

/** The 16 bytes of one row out of four vectors: `packRows` undone. */
// @ts-ignore: decorator
@inline function rowOf(vectors: usize, lane: usize): v128 {
  const p = vectors + (lane << 2);
  let v = v128.load32_zero(p);
  v = v128.load32_lane(p, v, 1, 32);
  v = v128.load32_lane(p, v, 2, 64);
  v = v128.load32_lane(p, v, 3, 96);
  return i8x16.shuffle(v, v, 0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15);
}

/** `spreadFifths` undone. */
function gatherFifths(word: u32): u32 {
  return apart(word & 0xffff) | apart(word >> 16) << 1;
}

// @ts-ignore: decorator
@inline function apart(bits: u32): u32 {
  bits = (bits & 0x0f0f) | (bits & 0xf0f0) << 12;
  bits = (bits | bits << 2) & 0x33333333;
  return (bits | bits << 1) & 0x55555555;
}

/** `spreadPairs` undone: two bits for each of 16 positions, in bits 4 and 5 of bytes. */
function gatherPairs(word: u32): v128 {
  const a = fourBytes(word & 0xff) | fourBytes(word >> 16 & 0xff) << 8, b = fourBytes(word >> 8 & 0xff) | fourBytes(word >> 24) << 8;
  return i16x8.shl(i64x2.replace_lane(i64x2.splat(a), 1, b), 4);
}

// @ts-ignore: decorator
@inline function fourBytes(byte: u32): u64 {
  const b = <u64>byte;
  return (b | b << 14 | b << 28 | b << 42) & 0x0003000300030003;
}
