// Micro-kernels for one row of activations on one panel (panels.ts) as it lies: every weight is used once, so it is decoded in registers. What they add up in
// which order stands in tiles.ts.
//
// Loops stay loops: from unrolled ones V8 moves the loads of activations to the front and spills them. Masks stay in registers; constants used once
// a block are read from memory.
import { decoded } from '../simd/block';
import { ACTIVATION_BYTES, ACTIVATION_SCALE, ACTIVATION_SUMS, ACTIVATION_TOTAL } from './activation';
import { scalesQ4Q5, scalesQ6 } from './decode';

const MASKS: usize = memory.data<i16>([
  0x000f, 0x000f, 0x000f, 0x000f, 0x000f, 0x000f, 0x000f, 0x000f,
  0x0f0f, 0x0f0f, 0x0f0f, 0x0f0f, 0x0f0f, 0x0f0f, 0x0f0f, 0x0f0f,
  0x00ff, 0x00ff, 0x00ff, 0x00ff, 0x00ff, 0x00ff, 0x00ff, 0x00ff,
  0x1010, 0x1010, 0x1010, 0x1010, 0x1010, 0x1010, 0x1010, 0x1010,
  0x3030, 0x3030, 0x3030, 0x3030, 0x3030, 0x3030, 0x3030, 0x3030,
], 16);

/** What the weights are too large by, negative and times 256: multiplied by the sums of the activations it is where the accumulators start. */
const OFFSETS: usize = memory.data<i16>([
  0, 0, 0, 0, 0, 0, 0, 0,
  -2048, -2048, -2048, -2048, -2048, -2048, -2048, -2048, // Q4_0: 8
  -4096, -4096, -4096, -4096, -4096, -4096, -4096, -4096, // Q5_0: 16
  -32768, -32768, -32768, -32768, -32768, -32768, -32768, -32768, // Q8_0: 128, in eighths a and c
  -8192, 0, -8192, 0, -8192, 0, -8192, 0, // Q6_K: 32, in eighths a and b …
  0, -8192, 0, -8192, 0, -8192, 0, -8192, // … and in c and d
], 16);

const HALVES: usize = memory.data<i16>([
  -28673, -28673, -28673, -28673, -28673, -28673, -28673, -28673, // sign, exponent and mantissa of f16 >> 3
  0x3400, 0x3400, 0x3400, 0x3400, 0x3400, 0x3400, 0x3400, 0x3400, // what rebiases the exponent to f32's, less 8
  0x3800, 0x3800, 0x3800, 0x3800, 0x3800, 0x3800, 0x3800, 0x3800, // … to f32's
  0x7c00, 0x7c00, 0x7c00, 0x7c00, 0x7c00, 0x7c00, 0x7c00, 0x7c00,
], 16);

/** How a format's blocks are scaled: traits, whose methods are constants. `changetype<Scale>(0)` is an instance. */
@unmanaged export class OneScale {
  // @ts-ignore: decorator
  @inline get minimum(): bool { return false; }
  // @ts-ignore: decorator
  @inline get isSuper(): bool { return false; }
}

@unmanaged export class WithMinimum {
  // @ts-ignore: decorator
  @inline get minimum(): bool { return true; }
  // @ts-ignore: decorator
  @inline get isSuper(): bool { return false; }
}

@unmanaged export class Superblock {
  // @ts-ignore: decorator
  @inline get minimum(): bool { return true; }
  // @ts-ignore: decorator
  @inline get isSuper(): bool { return true; }
}

/** What its weights are made of. */
@unmanaged export class Nibbles {
  // @ts-ignore: decorator
  @inline get fifths(): bool { return false; }
}

@unmanaged export class Fifths {
  // @ts-ignore: decorator
  @inline get fifths(): bool { return true; }
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
      a0 = i32x4.add(a0, i32x4.dot_i16x8_s(b, v0));
      a0 = i32x4.add(a0, i32x4.dot_i16x8_s(a, v128.and(v0, low)));
      const u0 = v128.load(p, 144);
      a0 = i32x4.add(a0, i32x4.dot_i16x8_s(d, u0));
      a0 = i32x4.add(a0, i32x4.dot_i16x8_s(c, v128.and(u0, low)));
      const v1 = v128.load(p, 32);
      a1 = i32x4.add(a1, i32x4.dot_i16x8_s(b, v1));
      a1 = i32x4.add(a1, i32x4.dot_i16x8_s(a, v128.and(v1, low)));
      const u1 = v128.load(p, 160);
      a1 = i32x4.add(a1, i32x4.dot_i16x8_s(d, u1));
      a1 = i32x4.add(a1, i32x4.dot_i16x8_s(c, v128.and(u1, low)));
      p += 32;
    }
    x -= 16;
    const h = v128.load(w), words = widened(h, 16);
    let s0 = first(h, words), s1 = last(h, words);
    if (hasSubnormals(h)) {
      s0 = subnormals(s0, 0x34800000);
      s1 = subnormals(s1, 0x34800000);
    }
    const scale = v128.load32_splat(x, ACTIVATION_SCALE);
    c0 = f32x4.add(c0, f32x4.mul(f32x4.convert_i32x4_s(a0), f32x4.mul(s0, scale)));
    c1 = f32x4.add(c1, f32x4.mul(f32x4.convert_i32x4_s(a1), f32x4.mul(s1, scale)));
    x += ACTIVATION_BYTES;
  }
  v128.store(y, c0);
  v128.store(y, c1, 16);
}

/** Formats of nibbles and fifths: `blocks` panel blocks. */
export function singleNibbles<S, H>(y: usize, x: usize, w: usize, blocks: i32, init: usize): void {
  const isSuper = changetype<S>(0).isSuper, hasMinimum = changetype<S>(0).minimum, hasFifths = changetype<H>(0).fifths;
  const offset: usize = hasFifths ? 32 : 16; // of formats without a minimum
  const high: usize = hasFifths ? 32 : 0, header: usize = isSuper ? 128 : hasMinimum ? 32 : 16;
  let c0 = v128.load(init), c1 = v128.load(init, 16);
  const one = v128.load(MASKS), two = v128.load(MASKS, 16);
  for (const end = w + <usize>blocks * (isSuper ? header + 8 * (high + 128) : header + high + 128); w < end;) {
    let scales: usize = 0, p = w + header;
    if (isSuper) {
      scales = decoded();
      scalesQ4Q5(scales, 64, w);
    }
    for (const stop = isSuper ? w + header + 8 * (high + 128) : p + 1; p < stop;) {
      let a0 = hasMinimum ? v128.load(OFFSETS)
        : i32x4.dot_i16x8_s(i16x8.add(v128.load32_splat(x, ACTIVATION_SUMS), v128.load32_splat(x, ACTIVATION_SUMS + 4)), v128.load(OFFSETS + offset)), a1 = a0;
      if (hasFifths) {
        a0 = fourRows(x, p, a0);
        a1 = fourRows(x, p + 16, a1);
        p += 160;
      } else {
        for (const next = x + 16; x < next; x += 4) {
          const v0 = v128.load(p), v1 = v128.load(p, 16), u0 = i16x8.shr_u(v0, 4), u1 = i16x8.shr_u(v1, 4);
          const a = v128.load32_splat(x), b = v128.load32_splat(x, 16), c = v128.load32_splat(x, 32), d = v128.load32_splat(x, 48);
          a0 = i32x4.add(a0, i32x4.dot_i16x8_s(a, v128.and(v0, one)));
          a0 = i32x4.add(a0, i32x4.dot_i16x8_s(c, v128.and(u0, one)));
          a0 = i32x4.add(a0, i32x4.dot_i16x8_s(b, v128.and(v0, two)));
          a0 = i32x4.add(a0, i32x4.dot_i16x8_s(d, v128.and(u0, two)));
          a1 = i32x4.add(a1, i32x4.dot_i16x8_s(a, v128.and(v1, one)));
          a1 = i32x4.add(a1, i32x4.dot_i16x8_s(c, v128.and(u1, one)));
          a1 = i32x4.add(a1, i32x4.dot_i16x8_s(b, v128.and(v1, two)));
          a1 = i32x4.add(a1, i32x4.dot_i16x8_s(d, v128.and(u1, two)));
          p += 32;
        }
        x -= 16;
      }
      const scale = v128.load32_splat(x, ACTIVATION_SCALE);
      if (isSuper) {
        const total = v128.load32_splat(x, ACTIVATION_TOTAL);
        c0 = f32x4.add(c0, f32x4.mul(f32x4.convert_i32x4_s(a0), f32x4.mul(v128.load(scales), scale)));
        c1 = f32x4.add(c1, f32x4.mul(f32x4.convert_i32x4_s(a1), f32x4.mul(v128.load(scales, 16), scale)));
        c0 = f32x4.add(c0, f32x4.mul(v128.load(scales, 32), total));
        c1 = f32x4.add(c1, f32x4.mul(v128.load(scales, 48), total));
        scales += 64;
      } else {
        const h = v128.load(w), words = widened(h, 16);
        let s0 = first(h, words), s1 = last(h, words);
        if (hasSubnormals(h)) {
          s0 = subnormals(s0, 0x34800000);
          s1 = subnormals(s1, 0x34800000);
        }
        c0 = f32x4.add(c0, f32x4.mul(f32x4.convert_i32x4_s(a0), f32x4.mul(s0, scale)));
        c1 = f32x4.add(c1, f32x4.mul(f32x4.convert_i32x4_s(a1), f32x4.mul(s1, scale)));
        if (hasMinimum) {
          const m = v128.load(w, 16), upper = widened(m, 32), total = v128.load32_splat(x, ACTIVATION_TOTAL);
          let m0 = first(m, upper), m1 = last(m, upper);
          if (hasSubnormals(m)) {
            m0 = subnormals(m0, 0x38800000);
            m1 = subnormals(m1, 0x38800000);
          }
          c0 = f32x4.add(c0, f32x4.mul(m0, total));
          c1 = f32x4.add(c1, f32x4.mul(m1, total));
        }
      }
      x += ACTIVATION_BYTES;
    }
    w = p;
  }
  v128.store(y, c0);
  v128.store(y, c1, 16);
}

/** The sums of 32 weights of fifths and nibbles, of rows 0 … 3 or 4 … 7. */
// @ts-ignore: decorator
@inline function fourRows(x: usize, p: usize, start: v128): v128 {
  const digits = v128.load(MASKS, 16), bytes = v128.load(MASKS, 32), bits = v128.load(MASKS, 48);
  let sum = start, h = v128.load(p);
  for (const end = x + 16; x < end; x += 4) {
    const v = v128.load(p, 32);
    const b = v128.or(v128.and(v, digits), v128.and(i16x8.shl(h, 4), bits)), d = v128.or(v128.and(i16x8.shr_u(v, 4), digits), v128.and(h, bits));
    sum = i32x4.add(sum, i32x4.dot_i16x8_s(v128.load32_splat(x, 16), b));
    sum = i32x4.add(sum, i32x4.dot_i16x8_s(v128.load32_splat(x), v128.and(b, bytes)));
    sum = i32x4.add(sum, i32x4.dot_i16x8_s(v128.load32_splat(x, 48), d));
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
      fourRowsOfPairs(y, x, p, scales);
      fourRowsOfPairs(y + 16, x, p + 16, scales + 16);
      scales += 64;
      x += ACTIVATION_BYTES;
    }
  }
}

/** 32 weights of pairs and nibbles of rows 0 … 3 or 4 … 7: eighths a and b have one scale, c and d another. */
// @ts-ignore: decorator
@inline function fourRowsOfPairs(y: usize, x: usize, p: usize, scales: usize): void {
  const digits = v128.load(MASKS, 16), bytes = v128.load(MASKS, 32), bits = v128.load(MASKS, 64);
  const sums = i16x8.add(v128.load32_splat(x, ACTIVATION_SUMS), v128.load32_splat(x, ACTIVATION_SUMS + 4)), scale = v128.load32_splat(x, ACTIVATION_SCALE);
  let s0 = i32x4.dot_i16x8_s(sums, v128.load(OFFSETS, 64)), s1 = i32x4.dot_i16x8_s(sums, v128.load(OFFSETS, 80)), h0 = v128.load(p), h1 = v128.load(p, 32);
  for (const end = x + 16; x < end; x += 4) {
    const v = v128.load(p, 64);
    const b = v128.or(v128.and(v, digits), v128.and(i16x8.shl(h0, 4), bits)), d = v128.or(v128.and(i16x8.shr_u(v, 4), digits), v128.and(i16x8.shl(h1, 4), bits));
    s0 = i32x4.add(s0, i32x4.dot_i16x8_s(v128.load32_splat(x, 16), b));
    s0 = i32x4.add(s0, i32x4.dot_i16x8_s(v128.load32_splat(x), v128.and(b, bytes)));
    s1 = i32x4.add(s1, i32x4.dot_i16x8_s(v128.load32_splat(x, 48), d));
    s1 = i32x4.add(s1, i32x4.dot_i16x8_s(v128.load32_splat(x, 32), v128.and(d, bytes)));
    h0 = i16x8.shr_u(h0, 2);
    h1 = i16x8.shr_u(h1, 2);
    p += 32;
  }
  const c = f32x4.add(v128.load(y), f32x4.mul(f32x4.convert_i32x4_s(s0), f32x4.mul(v128.load(scales), scale)));
  v128.store(y, f32x4.add(c, f32x4.mul(f32x4.convert_i32x4_s(s1), f32x4.mul(v128.load(scales, 32), scale))));
}

// Eight f16 as f32: the upper 16 bits of each are made first, then the lower ones put beside them. As in simd/dtype.ts subnormals come out wrong and are put
// right, here behind a branch, since scales seldom are.

/** The upper halves; `bias` is a place among HALVES. */
// @ts-ignore: decorator
@inline function widened(h: v128, bias: usize): v128 {
  return i16x8.add(v128.and(i16x8.shr_s(h, 3), v128.load(HALVES)), v128.load(HALVES + bias));
}

// @ts-ignore: decorator
@inline function first(h: v128, upper: v128): v128 {
  return v128.shuffle<i16>(i16x8.shl(h, 13), upper, 0, 8, 1, 9, 2, 10, 3, 11);
}

// @ts-ignore: decorator
@inline function last(h: v128, upper: v128): v128 {
  return v128.shuffle<i16>(i16x8.shl(h, 13), upper, 4, 12, 5, 13, 6, 14, 7, 15);
}

// @ts-ignore: decorator
@inline function hasSubnormals(h: v128): bool {
  return !i16x8.all_true(v128.and(h, v128.load(HALVES, 48)));
}

/** `least` is the smallest normal. */
// @ts-ignore: decorator
@inline function subnormals(v: v128, least: i32): v128 {
  const sign = v128.and(v, i32x4.splat(0x80000000)), magnitude = v128.xor(v, sign);
  return v128.or(f32x4.pmin(magnitude, f32x4.sub(f32x4.add(magnitude, magnitude), i32x4.splat(least))), sign);
}
