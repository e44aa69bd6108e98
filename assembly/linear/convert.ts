// Between dtypes, and between panels (pack.ts) and f32 rows.
import { transpose4x4 } from '../simd/transpose';
import { narrowBlocks, widenBlocks } from '../quant/blocks';
import { widenSuperblocks } from '../quant/blocks-k';
import { unpackRow } from '../quant/unpack';
import { block } from '../simd/block';
import { BF16, blockBytes, blockWeights, F32, four, fourExact, one, Q4_1, Q4_K, Q5_1, Q5_K, Q6_K, Q8_0, storeFour, storeOne } from '../simd/dtype';
import { pack } from './pack';

/** `count` values (whole blocks of a quantised dtype) to f32; infinities and NaN stay what they are. */
export function widen(dst: usize, src: usize, count: i32, dtype: i32): void {
  if (dtype >= Q4_K) widenSuperblocks(dst, src, count >> 8, dtype);
  else if (dtype >= Q8_0) widenBlocks(dst, src, count >> 5, dtype);
  else if (dtype == F32) memory.copy(dst, src, <usize>count << 2);
  else if (dtype == BF16) widenAll<u16>(dst, src, count);
  else widenAll<i16>(dst, src, count);
}

/** `count` f32 to dtype, rounded to the nearest, ties to even (into blocks: as they say); what, or whose scale, is too large for f16 becomes infinite. */
export function narrow(dst: usize, src: usize, count: i32, dtype: i32): void {
  if (dtype >= Q8_0) narrowBlocks(dst, src, count >> 5, dtype);
  else if (dtype == F32) memory.copy(dst, src, <usize>count << 2);
  else if (dtype == BF16) narrowAll<u16>(dst, src, count);
  else narrowAll<i16>(dst, src, count);
}

function widenAll<W>(dst: usize, src: usize, count: i32): void {
  for (; count >= 4; count -= 4) {
    v128.store(dst, fourExact<W>(src));
    dst += 16;
    src += 8;
  }
  for (; count > 0; count--) {
    // reads up to 6 bytes past the end, which every operand may be
    store<f32>(dst, f32x4.extract_lane(fourExact<W>(src), 0));
    dst += 4;
    src += 2;
  }
}

function narrowAll<W>(dst: usize, src: usize, count: i32): void {
  for (; count >= 4; count -= 4) {
    storeFour<W>(dst, v128.load(src));
    dst += 8;
    src += 16;
  }
  for (; count > 0; count--) {
    storeOne<W>(dst, load<f32>(src));
    dst += 2;
    src += 4;
  }
}

/** f32 row-major [rows, k] → panels of dtype, rounded as by `narrow`. */
export function packRounded(dst: usize, src: usize, rows: i32, k: i32, dtype: i32): void {
  if (dtype >= Q8_0) packBlocks(dst, src, rows, k, dtype);
  else if (dtype == F32) packAs<f32>(dst, src, rows, k);
  else if (dtype == BF16) packAs<u16>(dst, src, rows, k);
  else packAs<i16>(dst, src, rows, k);
}

/** A panel's worth of blocks is rounded at a time, one of each of 8 rows, into `block`, and packed from there. */
function packBlocks(dst: usize, src: usize, rows: i32, k: i32, dtype: i32): void {
  const weights = blockWeights(dtype), bytes = <usize>blockBytes(dtype), step = <usize>k << 2;
  for (; rows > 0; rows -= 8) {
    const count = min(rows, 8);
    for (let j: usize = 0; j < step; j += <usize>weights << 2) {
      for (let i: usize = 0; i < <usize>count; i++) narrowBlocks(block() + i * bytes, src + i * step + j, 1, dtype);
      pack(dst, block(), count, weights, dtype);
      dst += bytes << 3;
    }
    src += step << 3;
  }
}

function packAs<W>(dst: usize, src: usize, rows: i32, k: i32): void {
  const step = <usize>k << 2;
  for (; rows > 0; rows -= 8) {
    for (let j: usize = 0; j < step; j += 4) {
      let from = src + j;
      for (let half = 0; half < 2; half++) {
        let lanes = f32x4.splat(0);
        const left = rows - (half << 2);
        if (left > 0) lanes = v128.load32_lane(from, lanes, 0);
        if (left > 1) lanes = v128.load32_lane(from + step, lanes, 1);
        if (left > 2) lanes = v128.load32_lane(from + 2 * step, lanes, 2);
        if (left > 3) lanes = v128.load32_lane(from + 3 * step, lanes, 3);
        storeFour<W>(dst, lanes);
        dst += sizeof<W>() << 2;
        from += 4 * step;
      }
    }
    src += step << 3;
  }
}

/** Rows from … to of W [n, k] in panels → f32 row-major; dst takes row `from` first. Weights are finite. */
export function unpack(dst: usize, src: usize, n: i32, k: i32, dtype: i32, from: i32, to: i32): void {
  to = min(to, n);
  if (dtype >= Q8_0) {
    for (; from < to; from++) {
      unpackRow(dst, src, from, k, dtype);
      dst += <usize>k << 2;
    }
  } else if (dtype == F32) unpackAs<f32>(dst, src, k, from, to);
  else if (dtype == BF16) unpackAs<u16>(dst, src, k, from, to);
  else unpackAs<i16>(dst, src, k, from, to);
}

function unpackAs<W>(dst: usize, src: usize, k: i32, from: i32, to: i32): void {
  const step = <usize>k << 2, stride = sizeof<W>() << 3;
  while (from < to) {
    const lane = <usize>(from & 7);
    let w = src + <usize>(from >> 3) * <usize>k * stride + lane * sizeof<W>();
    if ((lane & 3) == 0 && to - from >= 4) {
      let y = dst;
      let j = k;
      for (; j >= 4; j -= 4) {
        transpose4x4(y, step, four<W>(w), four<W>(w + stride), four<W>(w + 2 * stride), four<W>(w + 3 * stride));
        y += 16;
        w += stride << 2;
      }
      for (; j > 0; j--) {
        for (let i: usize = 0; i < 4; i++) store<f32>(y + i * step, one<W>(w + i * sizeof<W>()));
        y += 4;
        w += stride;
      }
      dst += step << 2;
      from += 4;
    } else {
      for (const end = dst + step; dst < end; dst += 4) {
        store<f32>(dst, one<W>(w));
        w += stride;
      }
      from++;
    }
  }
}

/** 1 when all `count` values of the dtype are finite, else 0; of blocks, when their scales are. */
export function allFinite(x: usize, count: i32, dtype: i32): i32 {
  if (dtype >= Q8_0) return finiteScales(x, count / blockWeights(dtype), dtype);
  return dtype == F32 ? finite32(x, count) : finite16(x, count, dtype == BF16 ? 0x7f80 : 0x7c00);
}

// An exponent of all ones is an infinity or a NaN.

/** A block begins with its scale and, in most dtypes, its minimum; Q6_K's scale stands at its end. */
function finiteScales(x: usize, blocks: i32, dtype: i32): i32 {
  const bytes = <usize>blockBytes(dtype), scale: usize = dtype == Q6_K ? 208 : 0, minimum: usize = dtype == Q4_1 || dtype == Q5_1 || dtype == Q4_K || dtype == Q5_K ? 2 : scale;
  for (; blocks > 0; blocks--) {
    if ((load<u16>(x + scale) & 0x7c00) == 0x7c00 || (load<u16>(x + minimum) & 0x7c00) == 0x7c00) return 0;
    x += bytes;
  }
  return 1;
}

function finite32(x: usize, count: i32): i32 {
  const exponent = i32x4.splat(0x7f800000);
  for (; count >= 16; count -= 16) {
    const a = i32x4.eq(v128.and(v128.load(x), exponent), exponent), b = i32x4.eq(v128.and(v128.load(x, 16), exponent), exponent);
    const c = i32x4.eq(v128.and(v128.load(x, 32), exponent), exponent), d = i32x4.eq(v128.and(v128.load(x, 48), exponent), exponent);
    if (v128.any_true(v128.or(v128.or(a, b), v128.or(c, d)))) return 0;
    x += 64;
  }
  for (; count > 0; count--) {
    if ((load<u32>(x) & 0x7f800000) == 0x7f800000) return 0;
    x += 4;
  }
  return 1;
}

function finite16(x: usize, count: i32, bits: i32): i32 {
  const exponent = i16x8.splat(<i16>bits);
  for (; count >= 32; count -= 32) {
    const a = i16x8.eq(v128.and(v128.load(x), exponent), exponent), b = i16x8.eq(v128.and(v128.load(x, 16), exponent), exponent);
    const c = i16x8.eq(v128.and(v128.load(x, 32), exponent), exponent), d = i16x8.eq(v128.and(v128.load(x, 48), exponent), exponent);
    if (v128.any_true(v128.or(v128.or(a, b), v128.or(c, d)))) return 0;
    x += 64;
  }
  for (; count > 0; count--) {
    if ((<i32>load<u16>(x) & bits) == bits) return 0;
    x += 2;
  }
  return 1;
}
