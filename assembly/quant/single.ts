// Micro-kernels for one row of activations on one panel (panels.ts) as it lies: every weight is used once, so it is decoded in registers. What they add up in
// which order stands in tiles.ts.
//
// Loops stay loops: from unrolled ones V8 moves the loads of activations to the front and spills them. Masks stay in registers; constants used once
// a block are read from memory.
import { decoded } from '../simd/block';
import { ACTIVATION_BYTES, ACTIVATION_SCALE, ACTIVATION_SUMS, ACTIVATION_TOTAL } from './activation';
import { firstFour, hasSubnormals, lastFour, putRight, scalesQ4Q5, scalesQ6 } from './scales';

const MASKS: usize = memory.data<i16>([
  0x000f, 0x000f, 0x000f, 0x000f, 0x000f, 0x000f, 0x000f, 0x000f,
  0x0f0f, 0x0f0f, 0x0f0f, 0x0f0f, 0x0f0f, 0x0f0f, 0x0f0f, 0x0f0f,
  0x00ff, 0x00ff, 0x00ff, 0x00ff, 0x00ff, 0x00ff, 0x00ff, 0x00ff,
  0x1010, 0x1010, 0x1010, 0x1010, 0x1010, 0x1010, 0x1010, 0x1010,
  0x3030, 0x3030, 0x3030, 0x3030, 0x3030, 0x3030, 0x3030, 0x3030,
], 16);

/** What the weights are too large by, negative: multiplied by the sums of the activations it is where the accumulators start. */
const OFFSETS: usize = memory.data<i16>([
  0, 0, 0, 0, 0, 0, 0, 0,
  -8, -8, -8, -8, -8, -8, -8, -8, // Q4_0: 8
  -16, -16, -16, -16, -16, -16, -16, -16, // Q5_0: 16
  -128, -128, -128, -128, -128, -128, -128, -128, // Q8_0: 128, in eighths a and c
  -32, 0, -32, 0, -32, 0, -32, 0, // Q6_K: 32, in eighths a and b …
  0, -32, 0, -32, 0, -32, 0, -32, // … and in c and d
], 16);

/** How a format's blocks are scaled: traits, whose methods are constants. `changetype<Scale>(0)` is an instance. */
@unmanaged export class OneScale {
  // @ts-ignore: decorator
  @inline get hasMinimum(): bool { return false; }
  // @ts-ignore: decorator
  @inline get isSuper(): bool { return false; }
}

@unmanaged export class WithMinimum {
  // @ts-ignore: decorator
  @inline get hasMinimum(): bool { return true; }
  // @ts-ignore: decorator
  @inline get isSuper(): bool { return false; }
}

@unmanaged export class Superblock {
  // @ts-ignore: decorator
  @inline get hasMinimum(): bool { return true; }
  // @ts-ignore: decorator
  @inline get isSuper(): bool { return true; }
}

/** What its weights are made of. */
@unmanaged export class Nibbles {
  // @ts-ignore: decorator
  @inline get hasFifths(): bool { return false; }
}

@unmanaged export class Fifths {
  // @ts-ignore: decorator
  @inline get hasFifths(): bool { return true; }
}

/** Q8_0: `blocks` panel blocks. */
export function singleBytes(y: usize, x: usize, w: usize, blocks: i32, init: usize): void {
  let c0 = v128.load(init), c1 = v128.load(init, 16);
  const low = v128.load(MASKS, 32);
  for (const end = w + <usize>blocks * 272; w < end; w += 272) {
    let a0 = i32x4.dot_i16x8_s(v128.load32_splat(x, ACTIVATION_SUMS), v128.load(OFFSETS, 48)), a1 = a0;
    let p = w;
    for (const stop = x + 16; x < stop; x += 4) {
      const a = v128.load32_splat(x), b = v128.load32_splat(x, 16), c = v128.load32_splat(x, 32), d = v128.load32_splat(x, 48);
      const v0 = v128.load(p, 16);
      a0 = i32x4.add(a0, i32x4.dot_i16x8_s(b, i16x8.shr_s(v0, 8)));
      a0 = i32x4.add(a0, i32x4.dot_i16x8_s(a, v128.and(v0, low)));
      const u0 = v128.load(p, 144);
      a0 = i32x4.add(a0, i32x4.dot_i16x8_s(d, i16x8.shr_s(u0, 8)));
      a0 = i32x4.add(a0, i32x4.dot_i16x8_s(c, v128.and(u0, low)));
      const v1 = v128.load(p, 32);
      a1 = i32x4.add(a1, i32x4.dot_i16x8_s(b, i16x8.shr_s(v1, 8)));
      a1 = i32x4.add(a1, i32x4.dot_i16x8_s(a, v128.and(v1, low)));
      const u1 = v128.load(p, 160);
      a1 = i32x4.add(a1, i32x4.dot_i16x8_s(d, i16x8.shr_s(u1, 8)));
      a1 = i32x4.add(a1, i32x4.dot_i16x8_s(c, v128.and(u1, low)));
      p += 32;
    }
    x -= 16;
    const scales = v128.load(w), d = v128.load32_splat(x, ACTIVATION_SCALE);
    let s0 = firstFour(scales), s1 = lastFour(scales);
    if (hasSubnormals(scales)) {
      s0 = putRight(s0);
      s1 = putRight(s1);
    }
    c0 = f32x4.add(c0, f32x4.mul(f32x4.convert_i32x4_s(a0), f32x4.mul(s0, d)));
    c1 = f32x4.add(c1, f32x4.mul(f32x4.convert_i32x4_s(a1), f32x4.mul(s1, d)));
    x += ACTIVATION_BYTES;
  }
  v128.store(y, c0);
  v128.store(y, c1, 16);
}

/** Formats of nibbles, with or without fifths: `blocks` panel blocks. */
export function singleNibbles<S, H>(y: usize, x: usize, w: usize, blocks: i32, init: usize): void {
  const isSuper = changetype<S>(0).isSuper, hasMinimum = changetype<S>(0).hasMinimum, hasFifths = changetype<H>(0).hasFifths;
  const header: usize = isSuper ? 128 : hasMinimum ? 32 : 16, weights: usize = hasFifths ? 160 : 128;
  let c0 = v128.load(init), c1 = v128.load(init, 16);
  const one = v128.load(MASKS);
  for (const end = w + <usize>blocks * (header + weights * (isSuper ? 8 : 1)); w < end;) {
    const panel = w;
    let scales = decoded();
    if (isSuper) scalesQ4Q5(scales, 64, panel);
    w += header;
    for (const stop = w + weights * (isSuper ? 8 : 1); w < stop;) {
      let a0 = hasMinimum ? v128.load(OFFSETS) : i32x4.dot_i16x8_s(sumsOfHalves(x), v128.load(OFFSETS + (hasFifths ? 32 : 16))), a1 = a0;
      if (hasFifths) {
        a0 = fifths(x, w, a0);
        a1 = fifths(x, w + 16, a1);
        w += weights;
      } else {
        for (const next = x + 16; x < next; x += 4) {
          const v0 = v128.load(w), v1 = v128.load(w, 16);
          const a = v128.load32_splat(x), b = v128.load32_splat(x, 16), c = v128.load32_splat(x, 32), d = v128.load32_splat(x, 48);
          a0 = i32x4.add(a0, i32x4.dot_i16x8_s(a, v128.and(v0, one)));
          a0 = i32x4.add(a0, i32x4.dot_i16x8_s(c, v128.and(i16x8.shr_u(v0, 4), one)));
          a0 = i32x4.add(a0, i32x4.dot_i16x8_s(b, v128.and(i16x8.shr_u(v0, 8), one)));
          a0 = i32x4.add(a0, i32x4.dot_i16x8_s(d, i16x8.shr_u(v0, 12)));
          a1 = i32x4.add(a1, i32x4.dot_i16x8_s(a, v128.and(v1, one)));
          a1 = i32x4.add(a1, i32x4.dot_i16x8_s(c, v128.and(i16x8.shr_u(v1, 4), one)));
          a1 = i32x4.add(a1, i32x4.dot_i16x8_s(b, v128.and(i16x8.shr_u(v1, 8), one)));
          a1 = i32x4.add(a1, i32x4.dot_i16x8_s(d, i16x8.shr_u(v1, 12)));
          w += 32;
        }
        x -= 16;
      }
      const d = v128.load32_splat(x, ACTIVATION_SCALE), h = v128.load(panel);
      let s0 = isSuper ? v128.load(scales) : firstFour(h), s1 = isSuper ? v128.load(scales, 16) : lastFour(h);
      if (!isSuper && hasSubnormals(h)) {
        s0 = putRight(s0);
        s1 = putRight(s1);
      }
      c0 = f32x4.add(c0, f32x4.mul(f32x4.convert_i32x4_s(a0), f32x4.mul(s0, d)));
      c1 = f32x4.add(c1, f32x4.mul(f32x4.convert_i32x4_s(a1), f32x4.mul(s1, d)));
      if (hasMinimum) {
        const total = v128.load32_splat(x, ACTIVATION_TOTAL), l = v128.load(panel, 16);
        let m0 = isSuper ? v128.load(scales, 32) : firstFour(l), m1 = isSuper ? v128.load(scales, 48) : lastFour(l);
        if (!isSuper && hasSubnormals(l)) {
          m0 = putRight(m0);
          m1 = putRight(m1);
        }
        c0 = f32x4.add(c0, f32x4.mul(m0, total));
        c1 = f32x4.add(c1, f32x4.mul(m1, total));
      }
      scales += 64;
      x += ACTIVATION_BYTES;
    }
  }
  v128.store(y, c0);
  v128.store(y, c1, 16);
}

/** Σq of eighths a and b, and of c and d, as 16-bit numbers. */
// @ts-ignore: decorator
@inline function sumsOfHalves(x: usize): v128 {
  return i16x8.add(v128.load32_splat(x, ACTIVATION_SUMS), v128.load32_splat(x, ACTIVATION_SUMS + 4));
}

/** The sums of 32 weights of fifths and nibbles, of rows 0 … 3 or 4 … 7: for all eight at once there aren't registers enough. */
// @ts-ignore: decorator
@inline function fifths(x: usize, p: usize, start: v128): v128 {
  const digits = v128.load(MASKS, 16), bytes = v128.load(MASKS, 32), bits = v128.load(MASKS, 48);
  let sum = start, h = v128.load(p);
  for (const end = x + 16; x < end; x += 4) {
    const v = v128.load(p, 32);
    const b = v128.or(v128.and(v, digits), v128.and(i16x8.shl(h, 4), bits)), d = v128.or(v128.and(i16x8.shr_u(v, 4), digits), v128.and(h, bits));
    sum = i32x4.add(sum, i32x4.dot_i16x8_s(v128.load32_splat(x, 16), i16x8.shr_u(b, 8)));
    sum = i32x4.add(sum, i32x4.dot_i16x8_s(v128.load32_splat(x), v128.and(b, bytes)));
    sum = i32x4.add(sum, i32x4.dot_i16x8_s(v128.load32_splat(x, 48), i16x8.shr_u(d, 8)));
    sum = i32x4.add(sum, i32x4.dot_i16x8_s(v128.load32_splat(x, 32), v128.and(d, bytes)));
    h = i16x8.shr_u(h, 1);
    p += 32;
  }
  return sum;
}

/** Q6_K: `blocks` panel superblocks. */
export function singlePairs(y: usize, x: usize, w: usize, blocks: i32, init: usize): void {
  v128.store(y, v128.load(init));
  v128.store(y, v128.load(init, 16), 16);
  for (const end = w + <usize>blocks * 1680; w < end; w += 1680) {
    let scales = decoded();
    scalesQ6(scales, 32, w);
    for (let p = w + 144, stop = w + 1680; p < stop; p += 192) {
      pairs(y, x, p, scales);
      pairs(y + 16, x, p + 16, scales + 16);
      scales += 64;
      x += ACTIVATION_BYTES;
    }
  }
}

/** 32 weights of pairs and nibbles of rows 0 … 3 or 4 … 7: eighths a and b have one scale, c and d another. */
// @ts-ignore: decorator
@inline function pairs(y: usize, x: usize, p: usize, scales: usize): void {
  const digits = v128.load(MASKS, 16), bytes = v128.load(MASKS, 32), bits = v128.load(MASKS, 64);
  const sums = sumsOfHalves(x), scale = v128.load32_splat(x, ACTIVATION_SCALE);
  let s0 = i32x4.dot_i16x8_s(sums, v128.load(OFFSETS, 64)), s1 = i32x4.dot_i16x8_s(sums, v128.load(OFFSETS, 80)), h0 = v128.load(p), h1 = v128.load(p, 32);
  for (const end = x + 16; x < end; x += 4) {
    const v = v128.load(p, 64);
    const b = v128.or(v128.and(v, digits), v128.and(i16x8.shl(h0, 4), bits)), d = v128.or(v128.and(i16x8.shr_u(v, 4), digits), v128.and(i16x8.shl(h1, 4), bits));
    s0 = i32x4.add(s0, i32x4.dot_i16x8_s(v128.load32_splat(x, 16), i16x8.shr_u(b, 8)));
    s0 = i32x4.add(s0, i32x4.dot_i16x8_s(v128.load32_splat(x), v128.and(b, bytes)));
    s1 = i32x4.add(s1, i32x4.dot_i16x8_s(v128.load32_splat(x, 48), i16x8.shr_u(d, 8)));
    s1 = i32x4.add(s1, i32x4.dot_i16x8_s(v128.load32_splat(x, 32), v128.and(d, bytes)));
    h0 = i16x8.shr_u(h0, 2);
    h1 = i16x8.shr_u(h1, 2);
    p += 32;
  }
  const c = f32x4.add(v128.load(y), f32x4.mul(f32x4.convert_i32x4_s(s0), f32x4.mul(v128.load(scales), scale)));
  v128.store(y, f32x4.add(c, f32x4.mul(f32x4.convert_i32x4_s(s1), f32x4.mul(v128.load(scales, 32), scale))));
}
