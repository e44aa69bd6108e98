// Micro-kernels for one row of activations on one panel (panels.ts) as it lies: every weight is used once, so it is decoded in registers. What they add up in
// which order stands in tiles.ts.
//
// Loops stay loops: from unrolled ones V8 moves the loads of activations to the front and spills them. Masks stay in registers; constants used once
// a block are read from memory.
import { madd } from '../simd/arithmetic';
import { decoded } from '../simd/block';
import { Q6_K, Q8_0 } from '../simd/dtype';
import { firstFour, hasSubnormals, haveSubnormals, lastFour, putRight } from '../simd/f16';
import { RELAXED } from '../simd/features';
import { ACTIVATION_STEP, ACTIVATION_WIDE } from './activation';
import { NARROW_SCALE, NARROW_TOTAL } from './activation8';
import { WIDE_SCALE, WIDE_SUMS, WIDE_TOTAL } from './activation12';
import { hasFifths, hasMinimum, isSuper } from './formats';
import { dot, startOf, total } from './products';
import { minimumAround, scalesQ4Q5, scalesQ6 } from './scales';

const MASKS: usize = memory.data<i16>([
  0x000f, 0x000f, 0x000f, 0x000f, 0x000f, 0x000f, 0x000f, 0x000f,
  0x0f0f, 0x0f0f, 0x0f0f, 0x0f0f, 0x0f0f, 0x0f0f, 0x0f0f, 0x0f0f,
  0x00ff, 0x00ff, 0x00ff, 0x00ff, 0x00ff, 0x00ff, 0x00ff, 0x00ff,
  0x1010, 0x1010, 0x1010, 0x1010, 0x1010, 0x1010, 0x1010, 0x1010,
  0x3030, 0x3030, 0x3030, 0x3030, 0x3030, 0x3030, 0x3030, 0x3030,
], 16);

/** The mask of what is cut out of nibbles. */
export const NIBBLE_MASK: usize = RELAXED ? MASKS + 16 : MASKS;
/** That of the lower of two bytes. */
export const BYTE_MASK: usize = MASKS + 32;

/** What the weights are too large by, negative: multiplied by the sums of the activations it is where the accumulators start. */
const OFFSETS: usize = memory.data<i16>([
  0, 0, 0, 0, 0, 0, 0, 0,
  -8, -8, -8, -8, -8, -8, -8, -8, // Q4_0: 8
  -16, -16, -16, -16, -16, -16, -16, -16, // Q5_0: 16
  -128, -128, -128, -128, -128, -128, -128, -128, // Q8_0: 128, in eighths a and c
  -32, 0, -32, 0, -32, 0, -32, 0, // Q6_K: 32, in eighths a and b …
  0, -32, 0, -32, 0, -32, 0, -32, // … and in c and d
], 16);

/** That of Q8_0. */
export const BYTE_OFFSET: usize = OFFSETS + 48;

/** Q8_0: `blocks` panel blocks. */
export function singleBytes(y: usize, x: usize, w: usize, blocks: i32, init: usize): void {
  let c0 = v128.load(init), c1 = v128.load(init, 16);
  const low = v128.load(BYTE_MASK);
  x += ACTIVATION_WIDE;
  for (const end = w + <usize>blocks * 272; w < end; w += 272) {
    let a0 = i32x4.dot_i16x8_s(v128.load32_splat(x, WIDE_SUMS), v128.load(BYTE_OFFSET)), a1 = a0;
    let p = w;
    for (const stop = x + 16; x < stop; x += 4) {
      const a = v128.load32_splat(x), b = v128.load32_splat(x, 16), c = v128.load32_splat(x, 32), d = v128.load32_splat(x, 48);
      const v0 = v128.load(p, 16), u0 = v128.load(p, 144), v1 = v128.load(p, 32), u1 = v128.load(p, 160);
      a0 = dot(dot(a0, b, i16x8.shr_s(v0, 8), Q8_0), a, v128.and(v0, low), Q8_0);
      a0 = dot(dot(a0, d, i16x8.shr_s(u0, 8), Q8_0), c, v128.and(u0, low), Q8_0);
      a1 = dot(dot(a1, b, i16x8.shr_s(v1, 8), Q8_0), a, v128.and(v1, low), Q8_0);
      a1 = dot(dot(a1, d, i16x8.shr_s(u1, 8), Q8_0), c, v128.and(u1, low), Q8_0);
      p += 32;
    }
    x -= 16;
    const scales = v128.load(w), d = v128.load32_splat(x, WIDE_SCALE);
    let s0 = firstFour(scales), s1 = lastFour(scales);
    if (hasSubnormals(scales)) {
      s0 = putRight(s0);
      s1 = putRight(s1);
    }
    c0 = madd(total(a0, Q8_0), f32x4.mul(s0, d), c0);
    c1 = madd(total(a1, Q8_0), f32x4.mul(s1, d), c1);
    x += ACTIVATION_STEP;
  }
  v128.store(y, c0);
  v128.store(y, c1, 16);
}

/** Formats of nibbles, with or without fifths: `blocks` panel blocks. */
export function singleNibbles<F>(y: usize, x: usize, w: usize, blocks: i32, init: usize): void {
  const dtype = changetype<F>(0).dtype, header: usize = isSuper(dtype) ? 128 : hasMinimum(dtype) ? 32 : 16, weights: usize = hasFifths(dtype) ? 160 : 128;
  let c0 = v128.load(init), c1 = v128.load(init, 16);
  const digits = v128.load(NIBBLE_MASK);
  for (const end = w + <usize>blocks * (header + weights * (isSuper(dtype) ? 8 : 1)); w < end;) {
    const panel = w;
    let scales = decoded();
    if (isSuper(dtype)) scalesQ4Q5(scales, 64, panel);
    w += header;
    for (const stop = w + weights * (isSuper(dtype) ? 8 : 1); w < stop;) {
      let a0 = startOfRow(x, dtype), a1 = a0;
      if (hasFifths(dtype)) {
        a0 = fifths(x, w, a0, dtype);
        a1 = fifths(x, w + 16, a1, dtype);
        w += weights;
      } else {
        for (const next = x + 16; x < next; x += 4) {
          const v0 = v128.load(w), v1 = v128.load(w, 16);
          const a = v128.load32_splat(x), b = v128.load32_splat(x, 16);
          if (RELAXED) {
            a0 = dot(dot(a0, a, v128.and(v0, digits), dtype), b, v128.and(i16x8.shr_u(v0, 4), digits), dtype);
            a1 = dot(dot(a1, a, v128.and(v1, digits), dtype), b, v128.and(i16x8.shr_u(v1, 4), digits), dtype);
          } else {
            const c = v128.load32_splat(x, 32), d = v128.load32_splat(x, 48);
            a0 = dot(dot(a0, a, v128.and(v0, digits), dtype), c, v128.and(i16x8.shr_u(v0, 4), digits), dtype);
            a0 = dot(dot(a0, b, v128.and(i16x8.shr_u(v0, 8), digits), dtype), d, i16x8.shr_u(v0, 12), dtype);
            a1 = dot(dot(a1, a, v128.and(v1, digits), dtype), c, v128.and(i16x8.shr_u(v1, 4), digits), dtype);
            a1 = dot(dot(a1, b, v128.and(i16x8.shr_u(v1, 8), digits), dtype), d, i16x8.shr_u(v1, 12), dtype);
          }
          w += 32;
        }
        x -= 16;
      }
      const d = scaleOfRow(x), h = v128.load(panel), l = v128.load(panel, 16);
      let s0 = isSuper(dtype) ? v128.load(scales) : firstFour(h), s1 = isSuper(dtype) ? v128.load(scales, 16) : lastFour(h);
      let m0 = isSuper(dtype) ? v128.load(scales, 32) : firstFour(l), m1 = isSuper(dtype) ? v128.load(scales, 48) : lastFour(l);
      if (!isSuper(dtype) && (hasMinimum(dtype) ? haveSubnormals(h, l) : hasSubnormals(h))) {
        s0 = putRight(s0);
        s1 = putRight(s1);
        m0 = putRight(m0);
        m1 = putRight(m1);
      }
      c0 = madd(total(a0, dtype), f32x4.mul(s0, d), c0);
      c1 = madd(total(a1, dtype), f32x4.mul(s1, d), c1);
      if (hasMinimum(dtype)) {
        const all = RELAXED ? v128.load32_splat(x, NARROW_TOTAL) : v128.load32_splat(x, WIDE_TOTAL);
        if (RELAXED && hasFifths(dtype)) {
          m0 = minimumAround(s0, m0);
          m1 = minimumAround(s1, m1);
        }
        c0 = madd(m0, all, c0);
        c1 = madd(m1, all, c1);
      }
      scales += 64;
      x += ACTIVATION_STEP;
    }
  }
  v128.store(y, c0);
  v128.store(y, c1, 16);
}

/** Where sums over a block of nibbles, with or without fifths, start. */
// @ts-ignore: decorator
@inline export function startOfRow(x: usize, dtype: i32): v128 {
  return RELAXED || hasMinimum(dtype) ? startOf(x, dtype, false) : i32x4.dot_i16x8_s(sumsOfHalves(x), v128.load(OFFSETS + (hasFifths(dtype) ? 32 : 16)));
}

/** The scale of a block of activations, for formats other than Q8_0. */
// @ts-ignore: decorator
@inline function scaleOfRow(x: usize): v128 {
  return RELAXED ? v128.load32_splat(x, NARROW_SCALE) : v128.load32_splat(x, WIDE_SCALE);
}

/** Σq of eighths a and b, and of c and d, as 16-bit numbers. */
// @ts-ignore: decorator
@inline function sumsOfHalves(x: usize): v128 {
  return i16x8.add(v128.load32_splat(x, WIDE_SUMS), v128.load32_splat(x, WIDE_SUMS + 4));
}

/** The sums of 32 weights of fifths and nibbles, of rows 0 … 3 or 4 … 7: for all eight at once there aren't registers enough. */
// @ts-ignore: decorator
@inline function fifths(x: usize, p: usize, start: v128, dtype: i32): v128 {
  const digits = v128.load(MASKS, 16), bytes = v128.load(MASKS, 32), bits = v128.load(MASKS, 48);
  let sum = start, h = v128.load(p);
  for (const end = x + 16; x < end; x += 4) {
    const v = v128.load(p, 32);
    const b = v128.or(v128.and(v, digits), v128.and(i16x8.shl(h, 4), bits)), d = v128.or(v128.and(i16x8.shr_u(v, 4), digits), v128.and(h, bits));
    if (RELAXED) {
      sum = dot(dot(sum, v128.load32_splat(x), b, dtype), v128.load32_splat(x, 16), d, dtype);
    } else {
      sum = dot(dot(sum, v128.load32_splat(x, 16), i16x8.shr_u(b, 8), dtype), v128.load32_splat(x), v128.and(b, bytes), dtype);
      sum = dot(dot(sum, v128.load32_splat(x, 48), i16x8.shr_u(d, 8), dtype), v128.load32_splat(x, 32), v128.and(d, bytes), dtype);
    }
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
      x += ACTIVATION_STEP;
    }
  }
}

/** 32 weights of pairs and nibbles of rows 0 … 3 or 4 … 7: eighths a and b have one scale, c and d another. */
// @ts-ignore: decorator
@inline function pairs(y: usize, x: usize, p: usize, scales: usize): void {
  const digits = v128.load(MASKS, 16), bytes = v128.load(MASKS, 32), bits = v128.load(MASKS, 64);
  const scale = scaleOfRow(x);
  let s0 = RELAXED ? startOf(x, Q6_K, false) : i32x4.dot_i16x8_s(sumsOfHalves(x), v128.load(OFFSETS, 64));
  let s1 = RELAXED ? startOf(x, Q6_K, true) : i32x4.dot_i16x8_s(sumsOfHalves(x), v128.load(OFFSETS, 80));
  // From the last step to the first, so that a step shifts once: the uppermost two bits lie two too high, the next ones where they are wanted, the others two and four too low.
  let h0 = v128.load(p), h1 = v128.load(p, 32), g0 = i16x8.shr_u(h0, 2), g1 = i16x8.shr_u(h1, 2);
  p += 96;
  for (let r = x + 12; r >= x; r -= 4) {
    const v = v128.load(p, 64);
    const b = v128.or(v128.and(v, digits), v128.and(g0, bits)), d = v128.or(v128.and(i16x8.shr_u(v, 4), digits), v128.and(g1, bits));
    if (RELAXED) {
      s0 = dot(s0, v128.load32_splat(r), b, Q6_K);
      s1 = dot(s1, v128.load32_splat(r, 16), d, Q6_K);
    } else {
      s0 = dot(dot(s0, v128.load32_splat(r, 16), i16x8.shr_u(b, 8), Q6_K), v128.load32_splat(r), v128.and(b, bytes), Q6_K);
      s1 = dot(dot(s1, v128.load32_splat(r, 48), i16x8.shr_u(d, 8), Q6_K), v128.load32_splat(r, 32), v128.and(d, bytes), Q6_K);
    }
    g0 = h0;
    g1 = h1;
    h0 = i16x8.shl(h0, 2);
    h1 = i16x8.shl(h1, 2);
    p -= 32;
  }
  const c = madd(total(s0, Q6_K), f32x4.mul(v128.load(scales), scale), v128.load(y));
  v128.store(y, madd(total(s1, Q6_K), f32x4.mul(v128.load(scales, 32), scale), c));
}
