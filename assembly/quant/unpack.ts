// Panels (panels.ts) as f32, with the bits of `widen`.
import { block } from '../simd/block';
import { blockBytes, blockWeights, Q4_1, Q4_K, Q5_0, Q5_1, Q5_K, Q6_K, Q8_0 } from '../simd/dtype';
import { fifths, Minimum, NoMinimum, scaleAt, spread } from './blocks';
import { BYTE_FLIP } from './panels';

/** Row `row` of W [n, k] in panels. */
export function unpackRow(dst: usize, w: usize, row: i32, k: i32, dtype: i32): void {
  const panel = w + <usize>(row >> 3) * panelBytes(k, dtype);
  for (let j = 0; j < k; j += 32) {
    unpack32(dst, panel, <usize>(row & 7), j, dtype);
    dst += 128;
  }
}

/** Positions j … j + steps (multiples of 32) of all 8 rows of a panel as steps of 8 × f32. */
export function unpackSteps(dst: usize, panel: usize, j: i32, steps: i32, dtype: i32): void {
  const row = block() + 64;
  for (const end = j + steps; j < end; j += 32) {
    for (let lane: usize = 0; lane < 8; lane++) {
      unpack32(row, panel, lane, j, dtype);
      for (let i: usize = 0; i < 32; i++) store<f32>(dst + (i << 5) + (lane << 2), load<f32>(row + (i << 2)));
    }
    dst += 1024;
  }
}

/** Bytes of a panel of rows of k weights. */
export function panelBytes(k: i32, dtype: i32): usize {
  return <usize>(k / blockWeights(dtype)) * (<usize>blockBytes(dtype) << 3);
}

/** 32 weights from position j on of row `lane` of a panel. */
function unpack32(dst: usize, panel: usize, lane: usize, j: i32, dtype: i32): void {
  const weights = blockWeights(dtype);
  panel += <usize>(j / weights) * (<usize>blockBytes(dtype) << 3);
  if (dtype < Q4_K) unpackBlock(dst, panel, lane, dtype);
  else unpackSubblock(dst, panel, lane, <usize>(j % weights >> 5), dtype);
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

/** Sub-block s of 8 (Q6_K: sub-blocks 2s and 2s + 1 of 16). */
function unpackSubblock(dst: usize, panel: usize, lane: usize, s: usize, dtype: i32): void {
  const isQ6 = dtype == Q6_K, d = scaleAt(panel + (lane << 1)), scales = panel + (isQ6 ? 16 : 32) + lane;
  const high: usize = isQ6 ? 64 : dtype == Q5_K ? 32 : 0, subblock = panel + (isQ6 ? 144 : 128) + s * (high + 128), word = subblock + (lane << 2);
  const nibbles = rowOf(subblock + high, lane);
  let low = v128.and(nibbles, i8x16.splat(15)), upper = i8x16.shr_u(nibbles, 4);
  if (isQ6) {
    const middle = i8x16.splat(32);
    low = i8x16.sub(v128.or(low, gatherPairs(load<u32>(word))), middle);
    upper = i8x16.sub(v128.or(upper, gatherPairs(load<u32>(word, 32))), middle);
    const dl = f32x4.splat(d * <f32>load<i8>(scales + (s << 4))), du = f32x4.splat(d * <f32>load<i8>(scales + (s << 4), 8));
    spread<NoMinimum>(dst, low, dl, dl);
    spread<NoMinimum>(dst + 64, upper, du, du);
    return;
  }
  if (high) {
    store<u32>(block(), gatherFifths(load<u32>(word)));
    low = v128.or(low, fifths(block()));
    upper = v128.or(upper, fifths(block() + 2));
  }
  // `scaleOf` and `minimumOf` (blocks-k.ts), their bytes 8 apart
  const own = scales + (s << 3), last = load<u8>(own, 32);
  const scale = s < 4 ? load<u8>(own) & 63 : (last & 15) | (load<u8>(own - 32) >> 6 << 4), minimum = s < 4 ? last & 63 : (last >> 4) | (load<u8>(own) >> 6 << 4);
  const dl = f32x4.splat(d * <f32>scale), m = f32x4.splat(scaleAt(panel + 16 + (lane << 1)) * <f32>minimum);
  spread<Minimum>(dst, low, dl, m);
  spread<Minimum>(dst + 64, upper, dl, m);
}

/** The 16 bytes of one row out of four vectors: `packRows` (panels.ts) undone. */
// @ts-ignore: decorator
@inline function rowOf(vectors: usize, lane: usize): v128 {
  const p = vectors + (lane << 2);
  let v = v128.load32_zero(p);
  v = v128.load32_lane(p, v, 1, 32);
  v = v128.load32_lane(p, v, 2, 64);
  v = v128.load32_lane(p, v, 3, 96);
  return i8x16.shuffle(v, v, 0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15);
}

/** `spreadFifths` (panels.ts) undone. */
function gatherFifths(word: u32): u32 {
  return apart(word & 0xffff) | apart(word >> 16) << 1;
}

// @ts-ignore: decorator
@inline function apart(bits: u32): u32 {
  bits = (bits & 0x0f0f) | (bits & 0xf0f0) << 12;
  bits = (bits | bits << 2) & 0x33333333;
  return (bits | bits << 1) & 0x55555555;
}

/** `spreadPairs` (panels.ts) undone: two bits for each of 16 positions, in bits 4 and 5 of bytes. */
function gatherPairs(word: u32): v128 {
  const a = fourBytes(word & 0xff) | fourBytes(word >> 16 & 0xff) << 8, b = fourBytes(word >> 8 & 0xff) | fourBytes(word >> 24) << 8;
  return i16x8.shl(i64x2.replace_lane(i64x2.splat(a), 1, b), 4);
}

// @ts-ignore: decorator
@inline function fourBytes(byte: u32): u64 {
  const b = <u64>byte;
  return (b | b << 14 | b << 28 | b << 42) & 0x0003000300030003;
}
