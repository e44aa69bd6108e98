// A quantised matrix W [n, k] lies in panels of 8 rows, each the panel blocks of its row of blocks one after the other. A panel block holds
// one block of each of 8 rows (blocks.ts, blocks-k.ts): the same bytes, permuted.
//
//   Q8_0  [ d: 8 ][ bytes: 32 weights ]
//   Q4_0  [ d: 8 ][ nibbles: 32 weights ]
//   Q4_1  [ d: 8 ][ m: 8 ][ nibbles: 32 weights ]
//   Q5_0  [ d: 8 ][ fifths: 32 weights ][ nibbles: 32 weights ]
//   Q5_1  [ d: 8 ][ m: 8 ][ fifths: 32 weights ][ nibbles: 32 weights ]
//   Q4_K  [ d: 8 ][ dmin: 8 ][ scales: 12 × 8 bytes ] then 8 × [ nibbles: 32 weights ]
//   Q5_K  [ d: 8 ][ dmin: 8 ][ scales: 12 × 8 bytes ] then 8 × [ fifths: 32 weights ][ nibbles: 32 weights ]
//   Q6_K  [ d: 8 ][ scales: 16 × 8 bytes ] then 8 × [ pairs: 32 weights ][ nibbles: 32 weights ]
//
// Each 32-bit lane of a vector belongs to one row, and each of its 16-bit halves to one position: so i32x4.dot_i16x8_s adds up
// within rows. Positions of 32 weights fall into eighths of 8 (a: 0 … 7, b: 8 … 15, c: 16 … 23, d: 24 … 31); vector j, 2j + 1 holds rows
// 0 … 3, 4 … 7 of positions 2j, 2j + 1 of each of its eighths:
//
//   bytes    16 vectors   8 of eighths a and b, 8 of c and d          16 bits: b a, d c   (the second of two in the low byte)
//   nibbles   8 vectors   of all four                                 16 bits: d b c a
//   fifths    2 vectors   all j together                              16 bits: d b c a, four bits each, bit j is that of position 2j or 2j + 1
//   pairs     4 vectors   2 of eighths a and b, 2 of c and d          16 bits: b a, d c, four pairs of bits each, lowest those of j = 0
//
// The low bytes of Q8_0 have 128 added, which makes them unsigned.
import { blockBytes, blockWeights, Q4_1, Q4_K, Q5_0, Q5_1, Q5_K, Q6_K, Q8_0 } from '../simd/dtype';
import { transpose4x4 } from '../simd/transpose';

/** What bytes are flipped by, in every 16 bits. */
export const BYTE_FLIP: i32 = 0x0080;

/** A block of a row that isn't there. */
const MISSING: usize = memory.data(224);

/** Blocks, row-major → panels. A large matrix comes in stretches of rows, each but the last a multiple of 8. */
export function packBlocks(dst: usize, src: usize, rows: i32, k: i32, dtype: i32): void {
  const bytes = <usize>blockBytes(dtype), row = <usize>(k / blockWeights(dtype)) * bytes;
  for (; rows > 0; rows -= 8) {
    for (let block: usize = 0; block < row; block += bytes) {
      if (dtype < Q4_K) packBlock(dst, src + block, row, rows, dtype);
      else packSuperblock(dst, src + block, row, rows, dtype);
      dst += bytes << 3;
    }
    src += row << 3;
  }
}

/** The block of row i, of which there are `rows`. */
// @ts-ignore: decorator
@inline function blockOf(src: usize, step: usize, i: i32, rows: i32): usize {
  return i < rows ? src + <usize>i * step : MISSING;
}

function packBlock(dst: usize, src: usize, step: usize, rows: i32, dtype: i32): void {
  const hasMinimum = dtype == Q4_1 || dtype == Q5_1, hasFifths = dtype >= Q5_0;
  const fifths: usize = hasMinimum ? 4 : 2, to = dst + (hasMinimum ? 32 : 16), quants = hasFifths ? to + 32 : to;
  for (let i = 0; i < 8; i++) {
    const block = blockOf(src, step, i, rows), p = dst + (<usize>i << 1);
    store<u16>(p, load<u16>(block));
    if (hasMinimum) store<u16>(p, load<u16>(block, 2), 16);
    if (hasFifths) store<u32>(to + (<usize>i << 2), spreadFifths(load<u32>(block + fifths)));
  }
  const from: usize = hasFifths ? fifths + 4 : fifths, flip = i16x8.splat(<i16>(dtype == Q8_0 ? BYTE_FLIP : 0));
  for (let i = 0; i < 8; i += 4) {
    const a = blockOf(src, step, i, rows) + from, b = blockOf(src, step, i + 1, rows) + from;
    const c = blockOf(src, step, i + 2, rows) + from, d = blockOf(src, step, i + 3, rows) + from;
    const vectors = quants + (<usize>i << 2);
    packRows(vectors, v128.load(a), v128.load(b), v128.load(c), v128.load(d), flip);
    if (dtype == Q8_0) packRows(vectors + 128, v128.load(a, 16), v128.load(b, 16), v128.load(c, 16), v128.load(d, 16), flip);
  }
}

function packSuperblock(dst: usize, src: usize, step: usize, rows: i32, dtype: i32): void {
  const six = dtype == Q6_K, scales = dst + (six ? 16 : 32), high: usize = six ? 64 : dtype == Q5_K ? 32 : 0;
  const subblocks = scales + (six ? 128 : 96), nibbles: usize = six ? 0 : dtype == Q5_K ? 48 : 16;
  for (let i = 0; i < 8; i++) {
    const block = blockOf(src, step, i, rows), p = dst + (<usize>i << 1);
    store<u16>(p, load<u16>(six ? block + 208 : block));
    if (!six) store<u16>(p, load<u16>(block, 2), 16);
    const bytes = six ? block + 192 : block + 4;
    for (let s: usize = 0; s < <usize>(six ? 16 : 12); s++) store<u8>(scales + (s << 3) + <usize>i, load<u8>(bytes + s));
    for (let s: usize = 0; s < 8; s++) {
      const word = subblocks + s * (high + 128) + (<usize>i << 2);
      if (six) {
        const pairs = block + 128 + (s >> 2 << 5), shift = <u64>((s & 3) << 1);
        store<u32>(word, spreadPairs(load<u64>(pairs) >> shift, load<u64>(pairs, 8) >> shift));
        store<u32>(word, spreadPairs(load<u64>(pairs, 16) >> shift, load<u64>(pairs, 24) >> shift), 32);
      } else if (high) {
        const left = 7 - <i32>s;
        const bits = i8x16.bitmask(i8x16.shl(v128.load(block, 16), left)) | i8x16.bitmask(i8x16.shl(v128.load(block, 32), left)) << 16;
        store<u32>(word, spreadFifths(bits));
      }
    }
  }
  const flip = i16x8.splat(0);
  for (let s: usize = 0; s < 8; s++) {
    // 32 bytes hold this sub-block in one half of each: Q4_K and Q5_K two sub-blocks next to each other, Q6_K two that are 64 weights apart
    const bytes = nibbles + (six ? (s >> 2 << 6) + ((s & 1) << 5) : s >> 1 << 5), upper = i32(six ? (s & 2) != 0 : (s & 1) != 0);
    for (let i = 0; i < 8; i += 4) {
      packRows(
        subblocks + s * (high + 128) + high + (<usize>i << 2),
        halves(blockOf(src, step, i, rows) + bytes, upper), halves(blockOf(src, step, i + 1, rows) + bytes, upper),
        halves(blockOf(src, step, i + 2, rows) + bytes, upper), halves(blockOf(src, step, i + 3, rows) + bytes, upper), flip,
      );
    }
  }
}

/** 16 bytes of each of four rows, positions 8 … 15 in between 0 … 7, to four vectors 32 bytes apart. */
function packRows(dst: usize, a: v128, b: v128, c: v128, d: v128, flip: v128): void {
  transpose4x4(dst, 32, v128.xor(inBetween(a), flip), v128.xor(inBetween(b), flip), v128.xor(inBetween(c), flip), v128.xor(inBetween(d), flip));
}

// @ts-ignore: decorator
@inline function inBetween(v: v128): v128 {
  return i8x16.shuffle(v, v, 0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15);
}

/** The lower or upper halves of 32 bytes as 16 bytes: those of the first 16 in the lower halves. */
// @ts-ignore: decorator
@inline function halves(p: usize, upper: i32): v128 {
  const a = v128.load(p), b = v128.load(p, 16), low = i8x16.splat(15);
  return upper ? v128.or(v128.and(i16x8.shr_u(a, 4), low), v128.andnot(b, low)) : v128.or(v128.and(a, low), v128.andnot(i16x8.shl(b, 4), low));
}

/** Bit i of a position i as the two 16-bit halves of `fifths`. */
function spreadFifths(bits: u32): u32 {
  return everySecond(bits) | everySecond(bits >> 1) << 16;
}

/** Bits 2j of byte e to bit j of nibble e, and nibbles a b c d to d b c a. */
// @ts-ignore: decorator
@inline function everySecond(bits: u32): u32 {
  bits &= 0x55555555;
  bits = (bits | bits >> 1) & 0x33333333;
  bits = (bits | bits >> 2) & 0x0f0f0f0f;
  return (bits | bits >> 12) & 0xffff;
}

/** The low pairs of bits of the 16 bytes of two eighths as one word of `pairs`. */
function spreadPairs(a: u64, b: u64): u32 {
  return fourPairs(a) | fourPairs(b) << 8 | fourPairs(a >> 8) << 16 | fourPairs(b >> 8) << 24;
}

// @ts-ignore: decorator
@inline function fourPairs(bytes: u64): u32 {
  bytes &= 0x0003000300030003;
  return <u32>(bytes | bytes >> 14 | bytes >> 28 | bytes >> 42) & 0xff;
}
