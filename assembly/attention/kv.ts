// The KV cache of one layer: blocks of 32 positions, aligned to absolute positions; `table` holds a u32 pointer for each, entry p/32 for
// position p. A block holds, for each kv head (D = headDim):
//
//   f32 (code 0)   Kᵀ [4][D][8] f32       panels of 8 positions: element d of the key at position t stands in panel t/8 at 8d + t%8
//                  V  [D'/8][32][8] f32   panels of 8 elements: element d of the value at position t stands in panel d/8 at 8t + d%8
//   f16 (code 2)   scales [32] f32        of the keys, one a position
//                  Kᵀ [4][D][8] f16
//                  scales [32] f32        of the values
//                  V  [D'/8][32][8] f16
//   q8  (code 3)   scales [⌈D/32⌉][32] f32, of the keys: one for each group of 32 elements of a position
//                  Kᵀ [⌈D/32⌉][4][⌈G/2⌉][8][2] i8   of each group (G = 32 elements, or what is left) panels of 8 positions, two elements side by side, as a product of pairs wants
//                                         them; an odd D gets a 0
//                  scales [32] f32        of the values, one a position
//                  V  [D'/8][16][8][2] i8 panels of 8 elements, those of positions t, t + 1 side by side
//
// D' = D rounded up to 8; what stands in V beyond D is 0. The panels are those of a packed matrix: products read them from their beginning to their end.
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
import { mask, quad, rebias } from './halves';
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
  const columns = <usize>((headDim + 7) & ~7);
  if (dtype == F32) return columns << 7;
  if (dtype == F16) return 128 + (columns << 6);
  return 128 + (columns << 5);
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
  for (let to = keys + <usize>(t >> 3) * (row << 3) + (<usize>(t & 7) << 2), end = k + row; k < end; k += 4, to += 32) store<f32>(to, load<f32>(k));
  let to = keys + half + (<usize>t << 5);
  for (let left = <i32>(row >> 2); left > 0; left -= 8, v += 32, to += 1024) {
    v128.store(to, v128.and(v128.load(v), laneMask(left)));
    v128.store(to, v128.and(v128.load(v, 16), laneMask(left - 4)), 16);
  }
}

function storeHalves(keys: usize, half: usize, k: usize, v: usize, t: i32, headDim: i32): void {
  const values = keys + half;
  const at = <usize>t << 2;
  const columns = (headDim + 7) & ~7;
  halves(keys + at, keys + 128 + <usize>(t >> 3) * (<usize>headDim << 4) + (<usize>(t & 7) << 1), 16, 128, k, headDim, headDim);
  halves(values + at, values + 128 + (<usize>t << 4), 2, 512, v, headDim, columns);
}

/** One row as halves, `pitch` bytes apart, from each eight to the next `next`, and its scale; zeros from `count` to `columns`. */
function halves(scale: usize, to: usize, pitch: usize, next: usize, x: usize, count: i32, columns: i32): void {
  const largest = largestOf(x, count);
  const exponent = reinterpret<u32>(largest) >> 23;
  let inverse: f32 = 0;
  if (!(largest < Infinity)) store<f32>(scale, NaN);
  else if (largest < SMALLEST) store<f32>(scale, 0);
  else {
    store<f32>(scale, reinterpret<f32>((exponent - 14) << 23));
    inverse = reinterpret<f32>((268 - exponent) << 23);
  }
  for (let d = 0; d < columns; d += 4, x += 16) {
    const y = f32x4.mul(v128.load(x), f32x4.splat(inverse));
    const normal = v128.and(f32x4.ge(f32x4.abs(y), f32x4.splat(6.103515625e-5)), laneMask(count - d)); // 2⁻¹⁴
    const h = narrowed<i16>(v128.and(y, normal));
    store<u16>(to, <u16>i32x4.extract_lane(h, 0));
    if (d + 1 < columns) store<u16>(to + pitch, <u16>i32x4.extract_lane(h, 1));
    if (d + 2 < columns) store<u16>(to + 2 * pitch, <u16>i32x4.extract_lane(h, 2));
    if (d + 3 < columns) store<u16>(to + 3 * pitch, <u16>i32x4.extract_lane(h, 3));
    to += d & 4 ? next - 4 * pitch : 4 * pitch;
  }
}

function storeBytes(keys: usize, half: usize, k: usize, v: usize, t: i32, headDim: i32): void {
  const values = keys + half;
  const at = <usize>t << 2;
  let panels = keys + (<usize>((headDim + GROUP - 1) / GROUP) << 7);
  for (let d = 0; d < headDim; d += GROUP) {
    const count = min<i32>(GROUP, headDim - d);
    const inverse = byteScale(keys + (<usize>d << 2) + at, k + (<usize>d << 2), count);
    const steps = <usize>((count + 1) >> 1);
    let pair = panels + <usize>(t >> 3) * (steps << 4) + (<usize>(t & 7) << 1);
    for (let i = 0; i < count; i += 4, pair += 32) {
      const q = v128.and(rounded(k + (<usize>(d + i) << 2), inverse), laneMask(count - i));
      const pairs = i8x16.shuffle(q, q, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12);
      v128.store16_lane(pair, pairs, 0);
      if (i + 2 < count) v128.store16_lane(pair, pairs, 1, 16);
    }
    panels += steps << 6;
  }

  const inverse = byteScale(values + at, v, headDim);
  let to = values + 128 + (<usize>(t >> 1) << 4) + <usize>(t & 1);
  for (let d = 0; d < headDim; d += 8, v += 32, to += 256) {
    four(to, v128.and(rounded(v, inverse), laneMask(headDim - d)));
    four(to + 8, v128.and(rounded(v + 16, inverse), laneMask(headDim - d - 4)));
  }
}

/** Four bytes, each the first of a pair. */
// @ts-ignore: decorator
@inline
function four(to: usize, q: v128): void {
  store<u8>(to, <u8>i32x4.extract_lane(q, 0));
  store<u8>(to, <u8>i32x4.extract_lane(q, 1), 2);
  store<u8>(to, <u8>i32x4.extract_lane(q, 2), 4);
  store<u8>(to, <u8>i32x4.extract_lane(q, 3), 6);
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

/** What `fetch` read: nobody looks at it, but without it nothing would be read. */
const FETCHED: usize = memory.data(4, 16);
/** So much of what begins elsewhere is fetched before it is worked on. The machine's own prefetching takes a microsecond until it runs ahead of the products; twice as much, or half, wins less. */
const AHEAD: usize = 2048;

/** Brings the beginning of a block near. */
export function fetch(from: usize): void {
  let seen: i32 = 0;
  for (const end = from + AHEAD; from < end; from += 256) seen |= load<i32>(from) | load<i32>(from, 64) | load<i32>(from, 128) | load<i32>(from, 192);
  store<i32>(FETCHED, seen);
}

/** `columns`, a multiple of 8, times 32 halves of a block as floats. */
export function widenHalves(to: usize, from: usize, columns: usize): void {
  const m = mask(), h = rebias();
  for (const end = to + (columns << 7); to < end; to += 32, from += 16) {
    v128.store(to, quad<i16>(from, m, h));
    v128.store(to, quad<i16>(from + 8, m, h), 16);
  }
}
