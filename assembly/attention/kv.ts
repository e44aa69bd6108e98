// The KV cache of one layer: blocks of 32 positions, aligned to absolute positions; `table` holds a u32 pointer for each, entry p/32 for
// position p. A block holds, for each kv head (D = headDim):
//
//   f32 (code 0)   Kᵀ [D][32] f32       element d of the key at position t stands at d·32 + t, so that 32 scores are 8 vectors, summed over d
//                  V  [32][D] f32       row t is the value at position t
//   f16 (code 2)   scales [32] f32      of the keys, one a position
//                  Kᵀ [D][32] f16
//                  scales [32] f32      of the values
//                  V  [32][D] f16
//   q8  (code 3)   scales [⌈D/32⌉][32]  f32, of the keys: one for each 32 elements of a position
//                  K  [⌈D/2⌉][32][2] i8 elements d, d + 1 of position t side by side, as a product of pairs wants them; an odd D gets a 0
//                  scales [32] f32      of the values, one a position
//                  V  [16][D'][2] i8    element d of positions t, t + 1 side by side; D' = D rounded up to 8, the rest is never looked at
//
// A value is stored as x = scale · stored, each position for itself: what stands in a block before or behind doesn't show in its bits.
//
//   f16   the scale is the power of two that brings the row's largest element to 2¹⁴ … 2¹⁵. So an element is within 2⁻¹¹ of itself, or, where it is
//         below 2⁻²⁸ of the largest, 0: halves have no subnormals here, which makes reading them two operations, and nothing overflows.
//   q8    the scale is the largest |x| / 127, stored = x / scale to the nearest: an element is within largest / 254.
//
// Rows whose largest element is below 1e-30 are zeros. A row that isn't finite has the scale NaN, so that what is computed of it is NaN, too.
// What lies beyond the last stored position is never counted, whatever it holds.
import { F16, F32, narrowed } from '../simd/dtype';
import { laneMask } from '../simd/lanes';

export const BLOCK: i32 = 32;
/** The cache's third dtype. */
export const Q8: i32 = 3;
/** Elements of a key that share a scale in q8. */
export const GROUP: i32 = 32;

const SMALLEST: f32 = 1e-30;
/** Added and taken away again, it rounds |x| < 2²² to the nearest integer, ties to even; the integer is the difference of the bits. */
const ROUND: f32 = 12582912;

/** Where the block of a position starts. */
// @ts-ignore: decorator
@inline
export function blockOf(table: usize, block: i32): usize {
  return <usize>load<u32>(table + (<usize>block << 2));
}

/** Bytes of one head's scales of keys, then keys, in a block. */
// @ts-ignore: decorator
@inline
export function keyBytes(headDim: i32, dtype: i32): usize {
  if (dtype == F32) return <usize>headDim << 7;
  if (dtype == F16) return 128 + (<usize>headDim << 6);
  return (<usize>((headDim + GROUP - 1) / GROUP) << 7) + (<usize>((headDim + 1) >> 1) << 6);
}

/** Bytes of one head's scales of values, then values, in a block. */
// @ts-ignore: decorator
@inline
export function valueBytes(headDim: i32, dtype: i32): usize {
  if (dtype == F32) return <usize>headDim << 7;
  if (dtype == F16) return 128 + (<usize>headDim << 6);
  return 128 + (<usize>((headDim + 7) & ~7) << 5);
}

/** Bytes of one layer's block, a multiple of 16. */
export function kvBlockBytes(kvHeads: i32, headDim: i32, dtype: i32): i32 {
  return kvHeads * <i32>(keyBytes(headDim, dtype) + valueBytes(headDim, dtype));
}

/** Stores rows of k and v (kvHeads·headDim floats each, ldk and ldv apart) at position, position + 1, … */
export function kvStore(table: usize, k: usize, ldk: i32, v: usize, ldv: i32, position: i32, rows: i32, kvHeads: i32, headDim: i32, dtype: i32): void {
  const half = keyBytes(headDim, dtype), whole = half + valueBytes(headDim, dtype);
  const row = <usize>headDim << 2;
  for (let i = 0; i < rows; i++) {
    const p = position + i;
    const t = p & (BLOCK - 1);
    let keys = blockOf(table, p / BLOCK);
    for (let column: usize = 0, end = <usize>kvHeads * row; column < end; column += row, keys += whole) {
      if (dtype == F32) storeFloats(keys, half, k + column, v + column, t, row);
      else if (dtype == F16) storeHalves(keys, half, k + column, v + column, t, headDim);
      else storeBytes(keys, half, k + column, v + column, t, headDim);
    }
    k += <usize>ldk << 2;
    v += <usize>ldv << 2;
  }
}

function storeFloats(keys: usize, half: usize, k: usize, v: usize, t: i32, row: usize): void {
  memory.copy(keys + half + <usize>t * row, v, row);
  for (let to = keys + (<usize>t << 2), end = k + row; k < end; k += 4, to += 128) store<f32>(to, load<f32>(k));
}

function storeHalves(keys: usize, half: usize, k: usize, v: usize, t: i32, headDim: i32): void {
  const values = keys + half;
  const at = <usize>t << 2;
  halves(keys + at, keys + 128 + (<usize>t << 1), 64, k, headDim);
  halves(values + at, values + 128 + <usize>t * (<usize>headDim << 1), 2, v, headDim);
}

/** One row as halves, `pitch` bytes apart, and its scale. */
function halves(scale: usize, to: usize, pitch: usize, x: usize, count: i32): void {
  const largest = largestOf(x, count);
  const exponent = reinterpret<u32>(largest) >> 23;
  let inverse: f32 = 0;
  if (!(largest < Infinity)) store<f32>(scale, NaN);
  else if (largest < SMALLEST) store<f32>(scale, 0);
  else {
    store<f32>(scale, reinterpret<f32>((exponent - 14) << 23));
    inverse = reinterpret<f32>((268 - exponent) << 23);
  }
  for (; count > 0; count -= 4, x += 16) {
    const y = f32x4.mul(v128.load(x), f32x4.splat(inverse));
    const normal = f32x4.ge(f32x4.abs(y), f32x4.splat(6.103515625e-5)); // 2⁻¹⁴
    const h = narrowed<i16>(v128.and(y, normal));
    store<u16>(to, <u16>i32x4.extract_lane(h, 0));
    if (count > 1) store<u16>(to + pitch, <u16>i32x4.extract_lane(h, 1));
    if (count > 2) store<u16>(to + 2 * pitch, <u16>i32x4.extract_lane(h, 2));
    if (count > 3) store<u16>(to + 3 * pitch, <u16>i32x4.extract_lane(h, 3));
    to += pitch << 2;
  }
}

function storeBytes(keys: usize, half: usize, k: usize, v: usize, t: i32, headDim: i32): void {
  const values = keys + half;
  const columns = <usize>((headDim + 7) & ~7);
  const at = <usize>t << 2;
  const pairs = keys + (<usize>((headDim + GROUP - 1) / GROUP) << 7) + (<usize>t << 1);
  for (let d = 0; d < headDim; d += GROUP) {
    const count = min<i32>(GROUP, headDim - d);
    const inverse = byteScale(keys + (<usize>d << 2) + at, k + (<usize>d << 2), count);
    const to = pairs + (<usize>d << 5);
    for (let i = 0; i < count; i += 4) {
      const q = rounded(k + (<usize>(d + i) << 2), inverse);
      const pair = to + (<usize>i << 5);
      store<u8>(pair, <u8>i32x4.extract_lane(q, 0));
      if (i + 1 < count) {
        store<u8>(pair, <u8>i32x4.extract_lane(q, 1), 1);
        if (i + 2 < count) store<u8>(pair, <u8>i32x4.extract_lane(q, 2), 64);
        if (i + 3 < count) store<u8>(pair, <u8>i32x4.extract_lane(q, 3), 65);
      }
    }
  }
  if (headDim & 1) store<u8>(pairs + (<usize>(headDim >> 1) << 6), 0, 1);

  const inverse = byteScale(values + at, v, headDim);
  let to = values + 128 + (<usize>(t >> 1) * columns << 1) + <usize>(t & 1);
  for (let d = 0; d < headDim; d += 4, to += 8) {
    const q = rounded(v + (<usize>d << 2), inverse);
    store<u8>(to, <u8>i32x4.extract_lane(q, 0));
    if (d + 1 < headDim) store<u8>(to, <u8>i32x4.extract_lane(q, 1), 2);
    if (d + 2 < headDim) store<u8>(to, <u8>i32x4.extract_lane(q, 2), 4);
    if (d + 3 < headDim) store<u8>(to, <u8>i32x4.extract_lane(q, 3), 6);
  }
}

/** Stores the scale of `count` floats as bytes and returns what they are multiplied by. */
function byteScale(scale: usize, x: usize, count: i32): f32 {
  const largest = largestOf(x, count);
  if (!(largest < Infinity)) {
    store<f32>(scale, NaN);
    return 0;
  }
  if (largest < SMALLEST) {
    store<f32>(scale, 0);
    return 0;
  }
  store<f32>(scale, largest / 127);
  return <f32>127 / largest;
}

/** Four floats times a factor as the nearest integers, for results below 2²². */
// @ts-ignore: decorator
@inline
export function rounded(x: usize, factor: f32): v128 {
  return i32x4.sub(f32x4.add(f32x4.mul(v128.load(x), f32x4.splat(factor)), f32x4.splat(ROUND)), f32x4.splat(ROUND));
}

/** The largest |x|; NaN if one is. */
export function largestOf(x: usize, count: i32): f32 {
  let top = f32x4.splat(0);
  for (; count >= 4; count -= 4, x += 16) top = f32x4.max(top, f32x4.abs(v128.load(x)));
  if (count) top = f32x4.max(top, v128.and(f32x4.abs(v128.load(x)), laneMask(count)));
  return max<f32>(max<f32>(f32x4.extract_lane(top, 0), f32x4.extract_lane(top, 1)), max<f32>(f32x4.extract_lane(top, 2), f32x4.extract_lane(top, 3)));
}

const EXPONENT_MASK: usize = memory.data<u32>([0x8fffe000, 0x8fffe000, 0x8fffe000, 0x8fffe000], 16);
/** 2¹¹²: what the exponent of a half lacks in the place of a float's. */
const REBIAS: usize = memory.data<u32>([0x77800000, 0x77800000, 0x77800000, 0x77800000], 16);

/** 32 · headDim halves, as they stand in a block, as floats. */
export function widenHalves(to: usize, from: usize, headDim: i32): void {
  const mask = v128.load(EXPONENT_MASK), rebias = v128.load(REBIAS);
  for (const end = to + (<usize>headDim << 7); to < end; to += 64, from += 32) {
    v128.store(to, f32x4.mul(v128.and(i32x4.shl(v128.load_ext<i16>(from), 13), mask), rebias));
    v128.store(to, f32x4.mul(v128.and(i32x4.shl(v128.load_ext<i16>(from, 8), 13), mask), rebias), 16);
    v128.store(to, f32x4.mul(v128.and(i32x4.shl(v128.load_ext<i16>(from, 16), 13), mask), rebias), 32);
    v128.store(to, f32x4.mul(v128.and(i32x4.shl(v128.load_ext<i16>(from, 24), 13), mask), rebias), 48);
  }
}

/** What `fetch` read: nobody looks at it, but without it nothing would be read. */
const FETCHED: usize = memory.data(4, 16);

/** Brings `bytes` bytes near, one cache line behind the other, as the machine's own prefetching likes it: the tiles go through them in strides. */
export function fetch(from: usize, bytes: usize): void {
  let seen: i32 = 0;
  for (const end = from + bytes; from < end; from += 64) seen |= load<i32>(from);
  store<i32>(FETCHED, seen);
}
