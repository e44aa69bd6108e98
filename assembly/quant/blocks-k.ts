// Superblocks of 256 weights as GGUF files hold them (ggml's `block_q…_K`): d and dmin in f16, scales and minimums of sub-blocks in a few bits each.
//
//   Q4_K  144 bytes  [ d ][ dmin ][ scales: 12 ][ nibbles: 128 ]                      8 sub-blocks of 32, w = (d·scale)·q − dmin·min
//   Q5_K  176 bytes  [ d ][ dmin ][ scales: 12 ][ fifth bits: 32 ][ nibbles: 128 ]    the same
//   Q6_K  210 bytes  [ low nibbles: 128 ][ high pairs: 64 ][ scales: 16 × i8 ][ d ]   16 sub-blocks of 16, w = (d·scale)·(q − 32)
//
// Q4_K, Q5_K: bytes 32j … of the nibbles hold sub-block 2j in their low halves and 2j + 1 in their high ones; bit s of byte i of the fifth bits is
// weight i's of sub-block s. The 12 bytes hold eight scales and eight minimums of six bits (see `scaleOf`).
// Q6_K: of each half of 128 weights 64 bytes of nibbles and 32 of pairs; weights 32s … 32s + 31 of the half take nibble s / 2 of bytes 32·(s % 2) … and pair s.
import { Q4_K, Q6_K } from '../simd/dtype';
import { Minimum, NoMinimum, scaleAt, spread } from './blocks';

/** `blocks` superblocks → f32. */
export function widenSuperblocks(dst: usize, src: usize, blocks: i32, dtype: i32): void {
  for (; blocks > 0; blocks--) {
    if (dtype == Q6_K) {
      widenQ6(dst, src);
      src += 210;
    } else if (dtype == Q4_K) {
      widenQ4Q5(dst, src, src + 16, 0);
      src += 144;
    } else {
      widenQ4Q5(dst, src, src + 48, src + 16);
      src += 176;
    }
    dst += 1024;
  }
}

/** Scale s (of 8) from the 12 bytes: the first four take the low six bits of bytes 0 … 3, the others the low nibble of bytes 8 … 11 and the upper two bits of bytes 0 … 3. */
// @ts-ignore: decorator
@inline export function scaleOf(bytes: usize, s: usize): i32 {
  return s < 4 ? load<u8>(bytes + s) & 63 : (load<u8>(bytes + s + 4) & 15) | (load<u8>(bytes + s - 4) >> 6 << 4);
}

/** Minimum s: in the same way bytes 4 … 7, the high nibbles of 8 … 11 and the upper two bits of 4 … 7. */
// @ts-ignore: decorator
@inline export function minimumOf(bytes: usize, s: usize): i32 {
  return s < 4 ? load<u8>(bytes + s + 4) & 63 : (load<u8>(bytes + s + 4) >> 4) | (load<u8>(bytes + s) >> 6 << 4);
}

/** `fifth` 0: none. */
function widenQ4Q5(dst: usize, src: usize, nibbles: usize, fifth: usize): void {
  const d = scaleAt(src), least = scaleAt(src + 2);
  for (let s: usize = 0; s < 8; s++) {
    const scale = f32x4.splat(d * <f32>scaleOf(src + 4, s)), m = f32x4.splat(least * <f32>minimumOf(src + 4, s));
    const bytes = nibbles + (s >> 1 << 5);
    for (let half: usize = 0; half < 32; half += 16) {
      const pair = v128.load(bytes + half);
      let q = s & 1 ? i8x16.shr_u(pair, 4) : v128.and(pair, i8x16.splat(15));
      if (fifth) q = v128.or(q, i8x16.shl(v128.and(i8x16.shr_u(v128.load(fifth + half), <i32>s), i8x16.splat(1)), 4));
      spread<Minimum>(dst, q, scale, m);
      dst += 64;
    }
  }
}

function widenQ6(dst: usize, src: usize): void {
  const d = scaleAt(src + 208);
  for (let half: usize = 0; half < 2; half++) {
    for (let s: usize = 0; s < 4; s++) {
      for (let part: usize = 0; part < 2; part++) {
        const nibbles = v128.load(src + (half << 6) + ((s & 1) << 5) + (part << 4)), pairs = v128.load(src + 128 + (half << 5) + (part << 4));
        const low = s >> 1 ? i8x16.shr_u(nibbles, 4) : v128.and(nibbles, i8x16.splat(15));
        const high = i8x16.shl(v128.and(i8x16.shr_u(pairs, <i32>s << 1), i8x16.splat(3)), 4);
        const scale = f32x4.splat(d * <f32>load<i8>(src + 192 + (half << 3) + (s << 1) + part));
        spread<NoMinimum>(dst, i8x16.sub(v128.or(low, high), i8x16.splat(32)), scale, scale);
        dst += 64;
      }
    }
  }
}
