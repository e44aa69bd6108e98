// Micro-kernels on decoded units (decode.ts): R rows of activations by the 8 rows of a panel, over `count` units of 32 positions.
//
//   c[i][j] = init[i][j], then for each block in order
//   c[i][j] += float(Σ q·w) · (scale[j] · d[i])                        the sum is exact; two roundings and one of the addition
//   c[i][j] += minimum[j] · (d[i]·Σq)                                 where the format has minimums
//
// The blocks are those of the scales: 32 positions, or 16 (Halves). c holds the sums in between: R rows of 8 floats, `ldc` bytes apart.
import { ACTIVATION_BYTES, ACTIVATION_SCALE, ACTIVATION_TOTAL } from './activation';
import { UNIT_BYTES } from './decode';

/** Where sums start: from memory, since from a constant V8 up to Node 22 loses a third of the speed. */
const ZEROS: usize = memory.data<i32>([0, 0, 0, 0], 16);

/** What a unit is made of: traits, whose methods are constants. `changetype<Kind>(0)` is an instance. */
@unmanaged export class Plain {
  // @ts-ignore: decorator
  @inline get halves(): bool { return false; }
  // @ts-ignore: decorator
  @inline get minimum(): bool { return false; }
}

@unmanaged export class Minimum {
  // @ts-ignore: decorator
  @inline get halves(): bool { return false; }
  // @ts-ignore: decorator
  @inline get minimum(): bool { return true; }
}

@unmanaged export class Halves {
  // @ts-ignore: decorator
  @inline get halves(): bool { return true; }
  // @ts-ignore: decorator
  @inline get minimum(): bool { return false; }
}

export function tile1x8<K>(c: usize, x: usize, units: usize, count: i32, init: usize): void {
  start(c, init);
  for (const end = units + <usize>count * UNIT_BYTES; units < end; units += UNIT_BYTES) {
    if (changetype<K>(0).halves) {
      sums1<K>(c, x, units, 256, ACTIVATION_SCALE);
      sums1<K>(c, x + 32, units + 288, 256, ACTIVATION_SCALE - 32);
    } else {
      sums1<K>(c, x, units, 512, ACTIVATION_SCALE);
    }
    x += ACTIVATION_BYTES;
  }
}

export function tile2x8<K>(c: usize, ldc: usize, x: usize, ldx: usize, units: usize, count: i32, init: usize, ldi: usize): void {
  start(c, init);
  start(c + ldc, init + ldi);
  for (const end = units + <usize>count * UNIT_BYTES; units < end; units += UNIT_BYTES) {
    if (changetype<K>(0).halves) {
      sums2<K>(c, ldc, x, ldx, units, 256, ACTIVATION_SCALE);
      sums2<K>(c, ldc, x + 32, ldx, units + 288, 256, ACTIVATION_SCALE - 32);
    } else {
      sums2<K>(c, ldc, x, ldx, units, 512, ACTIVATION_SCALE);
    }
    x += ACTIVATION_BYTES;
  }
}

export function tile4x8<K>(c: usize, ldc: usize, x: usize, ldx: usize, units: usize, count: i32, init: usize, ldi: usize): void {
  start(c, init);
  start(c + ldc, init + ldi);
  start(c + 2 * ldc, init + 2 * ldi);
  start(c + 3 * ldc, init + 3 * ldi);
  for (const end = units + <usize>count * UNIT_BYTES; units < end; units += UNIT_BYTES) {
    if (changetype<K>(0).halves) {
      sums4<K>(c, ldc, x, ldx, units, 256, ACTIVATION_SCALE);
      sums4<K>(c, ldc, x + 32, ldx, units + 288, 256, ACTIVATION_SCALE - 32);
    } else {
      sums4<K>(c, ldc, x, ldx, units, 512, ACTIVATION_SCALE);
    }
    x += ACTIVATION_BYTES;
  }
}

// @ts-ignore: decorator
@inline function start(c: usize, init: usize): void {
  v128.store(c, v128.load(init));
  v128.store(c, v128.load(init, 16), 16);
}

// One block: `bytes` of steps, followed by the scales; the scale of the activations stands `scale` bytes behind them.

// @ts-ignore: decorator
@inline function sums1<K>(c: usize, x: usize, w: usize, bytes: usize, scale: usize): void {
  let a0 = v128.load(ZEROS), a1 = a0;
  const tail = x;
  for (const end = w + bytes; w < end; w += 32) {
    const a = v128.load32_splat(x);
    a0 = i32x4.add(a0, i32x4.dot_i16x8_s(a, v128.load(w)));
    a1 = i32x4.add(a1, i32x4.dot_i16x8_s(a, v128.load(w, 16)));
    x += 4;
  }
  add<K>(c, tail, scale, w, a0, a1);
}

// @ts-ignore: decorator
@inline function sums2<K>(c: usize, ldc: usize, x: usize, ldx: usize, w: usize, bytes: usize, scale: usize): void {
  let a0 = v128.load(ZEROS), a1 = a0, b0 = a0, b1 = a0;
  const tail = x;
  for (const end = w + bytes; w < end; w += 32) {
    const w0 = v128.load(w), w1 = v128.load(w, 16);
    const a = v128.load32_splat(x), b = v128.load32_splat(x + ldx);
    a0 = i32x4.add(a0, i32x4.dot_i16x8_s(a, w0));
    a1 = i32x4.add(a1, i32x4.dot_i16x8_s(a, w1));
    b0 = i32x4.add(b0, i32x4.dot_i16x8_s(b, w0));
    b1 = i32x4.add(b1, i32x4.dot_i16x8_s(b, w1));
    x += 4;
  }
  add<K>(c, tail, scale, w, a0, a1);
  add<K>(c + ldc, tail + ldx, scale, w, b0, b1);
}

// @ts-ignore: decorator
@inline function sums4<K>(c: usize, ldc: usize, x: usize, ldx: usize, w: usize, bytes: usize, scale: usize): void {
  const ldx2 = ldx << 1, ldx3 = ldx2 + ldx;
  let a0 = v128.load(ZEROS), a1 = a0, b0 = a0, b1 = a0;
  let d0 = a0, d1 = a0, e0 = a0, e1 = a0;
  const tail = x;
  for (const end = w + bytes; w < end; w += 32) {
    const w0 = v128.load(w), w1 = v128.load(w, 16);
    const a = v128.load32_splat(x);
    a0 = i32x4.add(a0, i32x4.dot_i16x8_s(a, w0));
    a1 = i32x4.add(a1, i32x4.dot_i16x8_s(a, w1));
    const b = v128.load32_splat(x + ldx);
    b0 = i32x4.add(b0, i32x4.dot_i16x8_s(b, w0));
    b1 = i32x4.add(b1, i32x4.dot_i16x8_s(b, w1));
    const d = v128.load32_splat(x + ldx2);
    d0 = i32x4.add(d0, i32x4.dot_i16x8_s(d, w0));
    d1 = i32x4.add(d1, i32x4.dot_i16x8_s(d, w1));
    const e = v128.load32_splat(x + ldx3);
    e0 = i32x4.add(e0, i32x4.dot_i16x8_s(e, w0));
    e1 = i32x4.add(e1, i32x4.dot_i16x8_s(e, w1));
    x += 4;
  }
  add<K>(c, tail, scale, w, a0, a1);
  add<K>(c + ldc, tail + ldx, scale, w, b0, b1);
  add<K>(c + 2 * ldc, tail + ldx2, scale, w, d0, d1);
  add<K>(c + 3 * ldc, tail + ldx3, scale, w, e0, e1);
}

/** The sums of one block of one row into c; `scales` are the block's. */
// @ts-ignore: decorator
@inline function add<K>(c: usize, x: usize, scale: usize, scales: usize, a0: v128, a1: v128): void {
  const d = v128.load32_splat(x + scale);
  let c0 = f32x4.add(v128.load(c), f32x4.mul(f32x4.convert_i32x4_s(a0), f32x4.mul(v128.load(scales), d)));
  let c1 = f32x4.add(v128.load(c, 16), f32x4.mul(f32x4.convert_i32x4_s(a1), f32x4.mul(v128.load(scales, 16), d)));
  if (changetype<K>(0).minimum) {
    const total = v128.load32_splat(x, ACTIVATION_TOTAL);
    c0 = f32x4.add(c0, f32x4.mul(v128.load(scales, 32), total));
    c1 = f32x4.add(c1, f32x4.mul(v128.load(scales, 48), total));
  }
  v128.store(c, c0);
  v128.store(c, c1, 16);
}
