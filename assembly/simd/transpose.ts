/** Four rows of four 32-bit elements at p, p + step, … become four columns at dst, dst + pitch, …. */
// @ts-ignore: decorator
@inline export function transpose4x4(dst: usize, pitch: usize, r0: v128, r1: v128, r2: v128, r3: v128): void {
  const t0 = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5);
  const t1 = v128.shuffle<f32>(r2, r3, 0, 4, 1, 5);
  const t2 = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7);
  const t3 = v128.shuffle<f32>(r2, r3, 2, 6, 3, 7);
  v128.store(dst, v128.shuffle<f32>(t0, t1, 0, 1, 4, 5));
  v128.store(dst + pitch, v128.shuffle<f32>(t0, t1, 2, 3, 6, 7));
  v128.store(dst + 2 * pitch, v128.shuffle<f32>(t2, t3, 0, 1, 4, 5));
  v128.store(dst + 3 * pitch, v128.shuffle<f32>(t2, t3, 2, 3, 6, 7));
}

/** Eight rows of eight 16-bit elements at src, src + step, … become 8 × 8 at dst, rows of 16 bytes. */
// @ts-ignore: decorator
@inline export function transpose8x8(dst: usize, src: usize, step: usize): void {
  const r0 = v128.load(src), r1 = v128.load(src + step), r2 = v128.load(src + 2 * step), r3 = v128.load(src + 3 * step);
  const below = src + 4 * step;
  const r4 = v128.load(below), r5 = v128.load(below + step), r6 = v128.load(below + 2 * step), r7 = v128.load(below + 3 * step);
  // pairs of rows, low and high halves
  const a0 = v128.shuffle<i16>(r0, r1, 0, 8, 1, 9, 2, 10, 3, 11), a1 = v128.shuffle<i16>(r0, r1, 4, 12, 5, 13, 6, 14, 7, 15);
  const a2 = v128.shuffle<i16>(r2, r3, 0, 8, 1, 9, 2, 10, 3, 11), a3 = v128.shuffle<i16>(r2, r3, 4, 12, 5, 13, 6, 14, 7, 15);
  const a4 = v128.shuffle<i16>(r4, r5, 0, 8, 1, 9, 2, 10, 3, 11), a5 = v128.shuffle<i16>(r4, r5, 4, 12, 5, 13, 6, 14, 7, 15);
  const a6 = v128.shuffle<i16>(r6, r7, 0, 8, 1, 9, 2, 10, 3, 11), a7 = v128.shuffle<i16>(r6, r7, 4, 12, 5, 13, 6, 14, 7, 15);
  // fours of rows
  const b0 = v128.shuffle<i32>(a0, a2, 0, 4, 1, 5), b1 = v128.shuffle<i32>(a0, a2, 2, 6, 3, 7);
  const b2 = v128.shuffle<i32>(a1, a3, 0, 4, 1, 5), b3 = v128.shuffle<i32>(a1, a3, 2, 6, 3, 7);
  const b4 = v128.shuffle<i32>(a4, a6, 0, 4, 1, 5), b5 = v128.shuffle<i32>(a4, a6, 2, 6, 3, 7);
  const b6 = v128.shuffle<i32>(a5, a7, 0, 4, 1, 5), b7 = v128.shuffle<i32>(a5, a7, 2, 6, 3, 7);
  v128.store(dst, v128.shuffle<i64>(b0, b4, 0, 2));
  v128.store(dst, v128.shuffle<i64>(b0, b4, 1, 3), 16);
  v128.store(dst, v128.shuffle<i64>(b1, b5, 0, 2), 32);
  v128.store(dst, v128.shuffle<i64>(b1, b5, 1, 3), 48);
  v128.store(dst, v128.shuffle<i64>(b2, b6, 0, 2), 64);
  v128.store(dst, v128.shuffle<i64>(b2, b6, 1, 3), 80);
  v128.store(dst, v128.shuffle<i64>(b3, b7, 0, 2), 96);
  v128.store(dst, v128.shuffle<i64>(b3, b7, 1, 3), 112);
}
