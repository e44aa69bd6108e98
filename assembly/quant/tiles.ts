// Micro-kernels on decoded units (decode.ts): R rows of activations by the 8 rows of a panel, over `count` units of 32 positions.
//
//   c[i][j] = init[i][j], then for each block in order
//   c[i][j] += float(Σ q·w) · (scale[j] · d[i])                        the sum is exact; `madd` rounds twice in the plain build, once in relaxed ones
//   c[i][j] += minimum[j] · (d[i]·Σq)                                 where the format has minimums
//
// The blocks are those of the scales: 32 positions, or 16 (Q6_K). c holds the sums in between: R rows of 8 floats, `ldc` bytes apart.
import { madd } from '../simd/arithmetic';
import { Q6_K } from '../simd/dtype';
import { ACTIVATION_STEP, ACTIVATION_WIDE } from './activation';
import { NARROW_SCALE, NARROW_TOTAL } from './activation8';
import { WIDE_SCALE, WIDE_TOTAL } from './activation12';
import { halfBytes, unitBytes } from './decode';
import { hasMinimum, isWide } from './formats';
import { dot, startOf, total } from './products';

export function tile1x8<F>(c: usize, x: usize, units: usize, count: i32, init: usize): void {
  const dtype = changetype<F>(0).dtype;
  if (isWide(dtype)) x += ACTIVATION_WIDE;
  start(c, init);
  for (const end = units + <usize>count * unitBytes(dtype); units < end; units += unitBytes(dtype)) {
    sums1<F>(c, x, units, false);
    if (dtype == Q6_K) sums1<F>(c, x, units + halfBytes(dtype) + 32, true);
    x += ACTIVATION_STEP;
  }
}

export function tile2x8<F>(c: usize, ldc: usize, x: usize, ldx: usize, units: usize, count: i32, init: usize, ldi: usize): void {
  const dtype = changetype<F>(0).dtype;
  if (isWide(dtype)) x += ACTIVATION_WIDE;
  start(c, init);
  start(c + ldc, init + ldi);
  for (const end = units + <usize>count * unitBytes(dtype); units < end; units += unitBytes(dtype)) {
    sums2<F>(c, ldc, x, ldx, units, false);
    if (dtype == Q6_K) sums2<F>(c, ldc, x, ldx, units + halfBytes(dtype) + 32, true);
    x += ACTIVATION_STEP;
  }
}

export function tile4x8<F>(c: usize, ldc: usize, x: usize, ldx: usize, units: usize, count: i32, init: usize, ldi: usize): void {
  const dtype = changetype<F>(0).dtype;
  if (isWide(dtype)) x += ACTIVATION_WIDE;
  start(c, init);
  start(c + ldc, init + ldi);
  start(c + 2 * ldc, init + 2 * ldi);
  start(c + 3 * ldc, init + 3 * ldi);
  for (const end = units + <usize>count * unitBytes(dtype); units < end; units += unitBytes(dtype)) {
    sums4<F>(c, ldc, x, ldx, units, false);
    if (dtype == Q6_K) sums4<F>(c, ldc, x, ldx, units + halfBytes(dtype) + 32, true);
    x += ACTIVATION_STEP;
  }
}

/** The sums of a row begin in c, as a copy of init. */
// @ts-ignore: decorator
@inline export function start(c: usize, init: usize): void {
  v128.store(c, v128.load(init));
  v128.store(c, v128.load(init, 16), 16);
}

// One block, or its second half: steps, followed by the scales.

// @ts-ignore: decorator
@inline function sums1<F>(c: usize, x: usize, w: usize, second: bool): void {
  const dtype = changetype<F>(0).dtype, bytes = halfBytes(dtype) << (dtype == Q6_K ? 0 : 1), row = x;
  let a0 = startOf(row, dtype, second), a1 = a0;
  if (second) x += isWide(dtype) ? 32 : 16;
  for (const end = w + bytes; w < end; w += 32) {
    const a = v128.load32_splat(x);
    a0 = dot(a0, a, v128.load(w), dtype);
    a1 = dot(a1, a, v128.load(w, 16), dtype);
    x += 4;
  }
  const s0 = v128.load(w), s1 = v128.load(w, 16), l0 = v128.load(w, 32), l1 = v128.load(w, 48);
  add<F>(c, row, a0, a1, s0, s1, l0, l1);
}

// @ts-ignore: decorator
@inline function sums2<F>(c: usize, ldc: usize, x: usize, ldx: usize, w: usize, second: bool): void {
  const dtype = changetype<F>(0).dtype, bytes = halfBytes(dtype) << (dtype == Q6_K ? 0 : 1), row = x;
  let a0 = startOf(row, dtype, second), a1 = a0, b0 = startOf(row + ldx, dtype, second), b1 = b0;
  if (second) x += isWide(dtype) ? 32 : 16;
  for (const end = w + bytes; w < end; w += 32) {
    const w0 = v128.load(w), w1 = v128.load(w, 16);
    const a = v128.load32_splat(x), b = v128.load32_splat(x + ldx);
    a0 = dot(a0, a, w0, dtype);
    a1 = dot(a1, a, w1, dtype);
    b0 = dot(b0, b, w0, dtype);
    b1 = dot(b1, b, w1, dtype);
    x += 4;
  }
  const s0 = v128.load(w), s1 = v128.load(w, 16), l0 = v128.load(w, 32), l1 = v128.load(w, 48);
  add<F>(c, row, a0, a1, s0, s1, l0, l1);
  add<F>(c + ldc, row + ldx, b0, b1, s0, s1, l0, l1);
}

// @ts-ignore: decorator
@inline function sums4<F>(c: usize, ldc: usize, x: usize, ldx: usize, w: usize, second: bool): void {
  const dtype = changetype<F>(0).dtype, bytes = halfBytes(dtype) << (dtype == Q6_K ? 0 : 1), row = x;
  const ldx2 = ldx << 1, ldx3 = ldx2 + ldx;
  let a0 = startOf(row, dtype, second), a1 = a0, b0 = startOf(row + ldx, dtype, second), b1 = b0;
  let d0 = startOf(row + ldx2, dtype, second), d1 = d0, e0 = startOf(row + ldx3, dtype, second), e1 = e0;
  if (second) x += isWide(dtype) ? 32 : 16;
  for (const end = w + bytes; w < end; w += 32) {
    const w0 = v128.load(w), w1 = v128.load(w, 16);
    const a = v128.load32_splat(x);
    a0 = dot(a0, a, w0, dtype);
    a1 = dot(a1, a, w1, dtype);
    const b = v128.load32_splat(x + ldx);
    b0 = dot(b0, b, w0, dtype);
    b1 = dot(b1, b, w1, dtype);
    const d = v128.load32_splat(x + ldx2);
    d0 = dot(d0, d, w0, dtype);
    d1 = dot(d1, d, w1, dtype);
    const e = v128.load32_splat(x + ldx3);
    e0 = dot(e0, e, w0, dtype);
    e1 = dot(e1, e, w1, dtype);
    x += 4;
  }
  const s0 = v128.load(w), s1 = v128.load(w, 16), l0 = v128.load(w, 32), l1 = v128.load(w, 48);
  add<F>(c, row, a0, a1, s0, s1, l0, l1);
  add<F>(c + ldc, row + ldx, b0, b1, s0, s1, l0, l1);
  add<F>(c + 2 * ldc, row + ldx2, d0, d1, s0, s1, l0, l1);
  add<F>(c + 3 * ldc, row + ldx3, e0, e1, s0, s1, l0, l1);
}

/** The sums of one block of one row into c; s and l are the block's scales and minimums. */
// @ts-ignore: decorator
@inline export function add<F>(c: usize, x: usize, a0: v128, a1: v128, s0: v128, s1: v128, l0: v128, l1: v128): void {
  const dtype = changetype<F>(0).dtype;
  const d = isWide(dtype) ? v128.load32_splat(x, WIDE_SCALE) : v128.load32_splat(x, NARROW_SCALE);
  let c0 = madd(total(a0, dtype), f32x4.mul(s0, d), v128.load(c));
  let c1 = madd(total(a1, dtype), f32x4.mul(s1, d), v128.load(c, 16));
  if (hasMinimum(dtype)) {
    const all = isWide(dtype) ? v128.load32_splat(x, WIDE_TOTAL) : v128.load32_splat(x, NARROW_TOTAL);
    c0 = madd(l0, all, c0);
    c1 = madd(l1, all, c1);
  }
  v128.store(c, c0);
  v128.store(c, c1, 16);
}
