// Blocks of 32 weights as GGUF files hold them (ggml's `block_q…`): little endian, scale d and minimum m in f16.
//
//   Q8_0  34 bytes  [ d ][ 32 × i8 ]                               w = d·q
//   Q4_0  18 bytes  [ d ][ nibbles: 16 ]                           w = d·(q − 8)
//   Q4_1  20 bytes  [ d ][ m ][ nibbles: 16 ]                      w = d·q + m
//   Q5_0  22 bytes  [ d ][ fifth bits: u32 ][ nibbles: 16 ]        w = d·(q − 16)
//   Q5_1  24 bytes  [ d ][ m ][ fifth bits: u32 ][ nibbles: 16 ]   w = d·q + m
//
// Byte i of the nibbles holds weight i in its low half and weight 16 + i in its high half; bit i of the fifth bits is weight i's.
// Both ways give the bits of gguf-py (gguf/quants.py): one multiplication and one addition a weight, none of them fused, and
// a block's values are divided by its f32 scale, not by the f16 one that is stored.
import { fourExact, narrowed, Q4_0, Q4_1, Q5_0, Q8_0 } from '../simd/dtype';
import { maxLanes } from '../simd/lanes';

/** The f16 at p as f32; infinities and NaN stay what they are. */
// @ts-ignore: decorator
@inline export function scaleAt(p: usize): f32 {
  return f32x4.extract_lane(fourExact<i16>(p), 0);
}

/** 16 weights d·q − m; without a minimum d·q alone, whose zero keeps its sign. */
export function spread<M>(dst: usize, q: v128, d: v128, m: v128): void {
  const low = i16x8.extend_low_i8x16_s(q), high = i16x8.extend_high_i8x16_s(q);
  let a = f32x4.mul(d, f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(low)));
  let b = f32x4.mul(d, f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(low)));
  let e = f32x4.mul(d, f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(high)));
  let f = f32x4.mul(d, f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(high)));
  if (isSigned<M>()) {
    a = f32x4.sub(a, m);
    b = f32x4.sub(b, m);
    e = f32x4.sub(e, m);
    f = f32x4.sub(f, m);
  }
  v128.store(dst, a);
  v128.store(dst, b, 16);
  v128.store(dst, e, 32);
  v128.store(dst, f, 48);
}

/** Tags of `spread`: with a minimum to take off, or without. */
export type Minimum = i32;
export type NoMinimum = u32;

/** Bit i of the 16 bits at p as 16 in byte i. */
export function fifths(p: usize): v128 {
  const bytes = i8x16.swizzle(v128.load16_splat(p), i8x16(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1));
  const bit = i8x16(1, 2, 4, 8, 16, 32, 64, -128, 1, 2, 4, 8, 16, 32, 64, -128);
  return v128.and(i8x16.eq(v128.and(bytes, bit), bit), i8x16.splat(16));
}

/** `blocks` blocks → f32. */
export function widenBlocks(dst: usize, src: usize, blocks: i32, dtype: i32): void {
  if (dtype == Q8_0) {
    for (; blocks > 0; blocks--) {
      const d = f32x4.splat(scaleAt(src));
      spread<NoMinimum>(dst, v128.load(src, 2), d, d);
      spread<NoMinimum>(dst + 64, v128.load(src, 18), d, d);
      src += 34;
      dst += 128;
    }
  } else if (dtype == Q4_0) {
    for (; blocks > 0; blocks--) {
      const d = f32x4.splat(scaleAt(src)), q = v128.load(src, 2), middle = i8x16.splat(8);
      spread<NoMinimum>(dst, i8x16.sub(v128.and(q, i8x16.splat(15)), middle), d, d);
      spread<NoMinimum>(dst + 64, i8x16.sub(i8x16.shr_u(q, 4), middle), d, d);
      src += 18;
      dst += 128;
    }
  } else if (dtype == Q4_1) {
    for (; blocks > 0; blocks--) {
      const d = f32x4.splat(scaleAt(src)), m = f32x4.splat(-scaleAt(src + 2)), q = v128.load(src, 4);
      spread<Minimum>(dst, v128.and(q, i8x16.splat(15)), d, m);
      spread<Minimum>(dst + 64, i8x16.shr_u(q, 4), d, m);
      src += 20;
      dst += 128;
    }
  } else if (dtype == Q5_0) {
    for (; blocks > 0; blocks--) {
      const d = f32x4.splat(scaleAt(src)), q = v128.load(src, 6), middle = i8x16.splat(16);
      spread<NoMinimum>(dst, i8x16.sub(v128.or(v128.and(q, i8x16.splat(15)), fifths(src + 2)), middle), d, d);
      spread<NoMinimum>(dst + 64, i8x16.sub(v128.or(i8x16.shr_u(q, 4), fifths(src + 4)), middle), d, d);
      src += 22;
      dst += 128;
    }
  } else {
    for (; blocks > 0; blocks--) {
      const d = f32x4.splat(scaleAt(src)), m = f32x4.splat(-scaleAt(src + 2)), q = v128.load(src, 8);
      spread<Minimum>(dst, v128.or(v128.and(q, i8x16.splat(15)), fifths(src + 4)), d, m);
      spread<Minimum>(dst + 64, v128.or(i8x16.shr_u(q, 4), fifths(src + 6)), d, m);
      src += 24;
      dst += 128;
    }
  }
}

/** f32 → `blocks` blocks. The values are finite; a scale beyond f16 becomes infinite, so ask `allFinite` about the result. */
export function narrowBlocks(dst: usize, src: usize, blocks: i32, dtype: i32): void {
  if (dtype == Q8_0) {
    for (; blocks > 0; blocks--) {
      const d = maxLanes(largest(src)) / 127;
      storeScale(dst, d);
      const by = f32x4.splat(inverse(d));
      for (let half: usize = 0; half < 128; half += 64) {
        const from = src + half;
        const q = i8x16.narrow_i16x8_s(
          i16x8.narrow_i32x4_s(rounded(f32x4.mul(v128.load(from), by)), rounded(f32x4.mul(v128.load(from, 16), by))),
          i16x8.narrow_i32x4_s(rounded(f32x4.mul(v128.load(from, 32), by)), rounded(f32x4.mul(v128.load(from, 48), by))),
        );
        v128.store(dst + (half >> 2), q, 2);
      }
      src += 128;
      dst += 34;
    }
    return;
  }
  const isSymmetric = dtype == Q4_0 || dtype == Q5_0, has5 = dtype >= Q5_0;
  for (; blocks > 0; blocks--) {
    let d: f32, offset: f32, base: f32 = 0;
    if (isSymmetric) {
      // the value furthest from 0 becomes −8 or −16 exactly, and zero the middle
      d = furthest(src) / (has5 ? -16 : -8);
      offset = has5 ? 16.5 : 8.5;
      storeScale(dst, d);
      dst += 2;
    } else {
      base = smallest(src);
      d = (highest(src) - base) / (has5 ? 31 : 15);
      offset = 0.5;
      storeScale(dst, d);
      storeScale(dst + 2, base);
      dst += 4;
    }
    const by = f32x4.splat(inverse(d)), above = f32x4.splat(base), middle = f32x4.splat(offset), limit = i8x16.splat(has5 ? 31 : 15);
    const low = i8x16.min_u(sixteen(src, above, by, middle), limit), high = i8x16.min_u(sixteen(src + 64, above, by, middle), limit);
    if (has5) {
      store<u16>(dst, <u16>i8x16.bitmask(i8x16.shl(low, 3)));
      store<u16>(dst, <u16>i8x16.bitmask(i8x16.shl(high, 3)), 2);
      dst += 4;
    }
    v128.store(dst, v128.or(v128.and(low, i8x16.splat(15)), i8x16.shl(high, 4)));
    src += 128;
    dst += 16;
  }
}

// @ts-ignore: decorator
@inline function storeScale(p: usize, x: f32): void {
  store<u16>(p, <u16>i32x4.extract_lane(narrowed<i16>(f32x4.splat(x)), 0));
}

// @ts-ignore: decorator
@inline function inverse(d: f32): f32 {
  return d == 0 ? 0 : 1 / d;
}

/** Nearest integers, halves away from zero. */
// @ts-ignore: decorator
@inline function rounded(x: v128): v128 {
  const magnitude = f32x4.abs(x), whole = f32x4.floor(magnitude);
  const up = v128.and(f32x4.ge(f32x4.sub(magnitude, whole), f32x4.splat(0.5)), f32x4.splat(1));
  return i32x4.trunc_sat_f32x4_s(v128.or(f32x4.add(whole, up), v128.and(x, i32x4.splat(0x80000000))));
}

/** 16 values (x − above)·by + middle, cut to integers, as unsigned bytes. Taking off an `above` of 0 changes nothing. */
function sixteen(src: usize, above: v128, by: v128, middle: v128): v128 {
  const a = i32x4.trunc_sat_f32x4_s(f32x4.add(f32x4.mul(f32x4.sub(v128.load(src), above), by), middle));
  const b = i32x4.trunc_sat_f32x4_s(f32x4.add(f32x4.mul(f32x4.sub(v128.load(src, 16), above), by), middle));
  const c = i32x4.trunc_sat_f32x4_s(f32x4.add(f32x4.mul(f32x4.sub(v128.load(src, 32), above), by), middle));
  const d = i32x4.trunc_sat_f32x4_s(f32x4.add(f32x4.mul(f32x4.sub(v128.load(src, 48), above), by), middle));
  return i8x16.narrow_i16x8_u(i16x8.narrow_i32x4_s(a, b), i16x8.narrow_i32x4_s(c, d));
}

/** The largest magnitudes of 32 values, lane by lane. */
// @ts-ignore: decorator
@inline function largest(src: usize): v128 {
  const a = f32x4.max(f32x4.abs(v128.load(src)), f32x4.abs(v128.load(src, 16))), b = f32x4.max(f32x4.abs(v128.load(src, 32)), f32x4.abs(v128.load(src, 48)));
  const c = f32x4.max(f32x4.abs(v128.load(src, 64)), f32x4.abs(v128.load(src, 80))), d = f32x4.max(f32x4.abs(v128.load(src, 96)), f32x4.abs(v128.load(src, 112)));
  return f32x4.max(f32x4.max(a, b), f32x4.max(c, d));
}

/** The value of largest magnitude, of equal ones the first. */
function furthest(src: usize): f32 {
  const magnitude = f32x4.splat(maxLanes(largest(src)));
  for (let at: usize = 0; at < 128; at += 16) {
    const found = i32x4.bitmask(f32x4.eq(f32x4.abs(v128.load(src + at)), magnitude));
    if (found != 0) return load<f32>(src + at + (<usize>ctz(found) << 2));
  }
  return 0;
}

function highest(src: usize): f32 {
  let a = v128.load(src);
  for (let at: usize = 16; at < 128; at += 16) a = f32x4.max(a, v128.load(src + at));
  return maxLanes(a);
}

/** Of zeros of both signs, −0. */
function smallest(src: usize): f32 {
  let a = v128.load(src);
  for (let at: usize = 16; at < 128; at += 16) a = f32x4.min(a, v128.load(src + at));
  return min<f32>(min<f32>(f32x4.extract_lane(a, 0), f32x4.extract_lane(a, 1)), min<f32>(f32x4.extract_lane(a, 2), f32x4.extract_lane(a, 3)));
}
