// Micro-kernels for two rows of activations on one panel as it lies: as those for one row (single.ts), each weight decoded in registers once for both. y [2, 8], `ldy` bytes apart.
//
// Few as the registers are, the sums of blocks of nibbles so far stand in y; and since V8 puts all loads of a loop's body at its beginning, digits that are multiplied with
// 16 bits go through two loops, eighths a and c, then b and d.
import { madd } from '../simd/arithmetic';
import { decoded } from '../simd/block';
import { Q8_0 } from '../simd/dtype';
import { firstFour, hasSubnormals, haveSubnormals, lastFour, putRight } from '../simd/f16';
import { RELAXED } from '../simd/features';
import { ACTIVATION_STEP, ACTIVATION_WIDE } from './activation';
import { WIDE_SCALE, WIDE_SUMS } from './activation12';
import { hasMinimum, isSuper } from './formats';
import { dot, total } from './products';
import { scalesQ4Q5 } from './scales';
import { BYTE_MASK, BYTE_OFFSET, NIBBLE_MASK, startOfRow } from './single';
import { add, start } from './tiles';

/** Formats of nibbles without fifths: `blocks` panel blocks. */
export function doubleNibbles<F>(y: usize, ldy: usize, x: usize, ldx: usize, w: usize, blocks: i32, init: usize, ldi: usize): void {
  const dtype = changetype<F>(0).dtype, header: usize = isSuper(dtype) ? 128 : hasMinimum(dtype) ? 32 : 16;
  start(y, init);
  start(y + ldy, init + ldi);
  const digits = v128.load(NIBBLE_MASK);
  for (const end = w + <usize>blocks * (header + (isSuper(dtype) ? 1024 : 128)); w < end;) {
    const panel = w;
    let scales = decoded();
    if (isSuper(dtype)) scalesQ4Q5(scales, 64, panel);
    w += header;
    for (const stop = w + (isSuper(dtype) ? 1024 : 128); w < stop;) {
      let a0 = startOfRow(x, dtype), a1 = a0, b0 = startOfRow(x + ldx, dtype), b1 = b0;
      if (RELAXED) {
        for (const next = x + 16; x < next; x += 4) {
          const u = x + ldx;
          const v0 = v128.load(w), v1 = v128.load(w, 16);
          const p = v128.load32_splat(x), q = v128.load32_splat(x, 16), r = v128.load32_splat(u), s = v128.load32_splat(u, 16);
          const l0 = v128.and(v0, digits), h0 = v128.and(i16x8.shr_u(v0, 4), digits);
          a0 = dot(dot(a0, p, l0, dtype), q, h0, dtype);
          b0 = dot(dot(b0, r, l0, dtype), s, h0, dtype);
          const l1 = v128.and(v1, digits), h1 = v128.and(i16x8.shr_u(v1, 4), digits);
          a1 = dot(dot(a1, p, l1, dtype), q, h1, dtype);
          b1 = dot(dot(b1, r, l1, dtype), s, h1, dtype);
          w += 32;
        }
        x -= 16;
      } else {
        let p = w, r = x;
        for (const next = r + 16; r < next; r += 4) {
          const v0 = v128.load(p), v1 = v128.load(p, 16);
          const xa = v128.load32_splat(r), xc = v128.load32_splat(r, 32), ua = v128.load32_splat(r + ldx), uc = v128.load32_splat(r + ldx, 32);
          const l0 = v128.and(v0, digits), l1 = v128.and(v1, digits), m0 = v128.and(i16x8.shr_u(v0, 4), digits), m1 = v128.and(i16x8.shr_u(v1, 4), digits);
          a0 = dot(dot(a0, xa, l0, dtype), xc, m0, dtype);
          a1 = dot(dot(a1, xa, l1, dtype), xc, m1, dtype);
          b0 = dot(dot(b0, ua, l0, dtype), uc, m0, dtype);
          b1 = dot(dot(b1, ua, l1, dtype), uc, m1, dtype);
          p += 32;
        }
        for (const next = r + 16; r < next; r += 4) {
          const v0 = v128.load(w), v1 = v128.load(w, 16);
          const xb = v128.load32_splat(r), xd = v128.load32_splat(r, 32), ub = v128.load32_splat(r + ldx), ud = v128.load32_splat(r + ldx, 32);
          const n0 = v128.and(i16x8.shr_u(v0, 8), digits), n1 = v128.and(i16x8.shr_u(v1, 8), digits), h0 = i16x8.shr_u(v0, 12), h1 = i16x8.shr_u(v1, 12);
          a0 = dot(dot(a0, xb, n0, dtype), xd, h0, dtype);
          a1 = dot(dot(a1, xb, n1, dtype), xd, h1, dtype);
          b0 = dot(dot(b0, ub, n0, dtype), ud, h0, dtype);
          b1 = dot(dot(b1, ub, n1, dtype), ud, h1, dtype);
          w += 32;
        }
      }
      const h = v128.load(panel), l = v128.load(panel, 16);
      let s0 = isSuper(dtype) ? v128.load(scales) : firstFour(h), s1 = isSuper(dtype) ? v128.load(scales, 16) : lastFour(h);
      let m0 = isSuper(dtype) ? v128.load(scales, 32) : firstFour(l), m1 = isSuper(dtype) ? v128.load(scales, 48) : lastFour(l);
      if (!isSuper(dtype) && (hasMinimum(dtype) ? haveSubnormals(h, l) : hasSubnormals(h))) {
        s0 = putRight(s0);
        s1 = putRight(s1);
        m0 = putRight(m0);
        m1 = putRight(m1);
      }
      add<F>(y, x, a0, a1, s0, s1, m0, m1);
      add<F>(y + ldy, x + ldx, b0, b1, s0, s1, m0, m1);
      scales += 64;
      x += ACTIVATION_STEP;
    }
  }
}

/** Q8_0: `blocks` panel blocks. Here the sums of blocks find room in registers. */
export function doubleBytes(y: usize, ldy: usize, x: usize, ldx: usize, w: usize, blocks: i32, init: usize, ldi: usize): void {
  const z = y + ldy;
  let c0 = v128.load(init), c1 = v128.load(init, 16), e0 = v128.load(init + ldi), e1 = v128.load(init + ldi, 16);
  const low = v128.load(BYTE_MASK);
  x += ACTIVATION_WIDE;
  for (const end = w + <usize>blocks * 272; w < end; w += 272) {
    const offset = v128.load(BYTE_OFFSET);
    let a0 = i32x4.dot_i16x8_s(v128.load32_splat(x, WIDE_SUMS), offset), a1 = a0, b0 = i32x4.dot_i16x8_s(v128.load32_splat(x + ldx, WIDE_SUMS), offset), b1 = b0;
    let p = w, r = x;
    for (const half = x + 64; r < half; r += 16) { // eighths a and b, then c and d
      for (const stop = r + 16; r < stop; r += 4) {
        const v0 = v128.load(p, 16), v1 = v128.load(p, 32);
        const xa = v128.load32_splat(r), ya = v128.load32_splat(r, 16), xb = v128.load32_splat(r + ldx), yb = v128.load32_splat(r + ldx, 16);
        const l0 = v128.and(v0, low), l1 = v128.and(v1, low), h0 = i16x8.shr_s(v0, 8), h1 = i16x8.shr_s(v1, 8);
        a0 = dot(dot(a0, xa, l0, Q8_0), ya, h0, Q8_0);
        a1 = dot(dot(a1, xa, l1, Q8_0), ya, h1, Q8_0);
        b0 = dot(dot(b0, xb, l0, Q8_0), yb, h0, Q8_0);
        b1 = dot(dot(b1, xb, l1, Q8_0), yb, h1, Q8_0);
        p += 32;
      }
    }
    const scales = v128.load(w);
    let s0 = firstFour(scales), s1 = lastFour(scales);
    if (hasSubnormals(scales)) {
      s0 = putRight(s0);
      s1 = putRight(s1);
    }
    const d = v128.load32_splat(x, WIDE_SCALE), e = v128.load32_splat(x + ldx, WIDE_SCALE);
    c0 = madd(total(a0, Q8_0), f32x4.mul(s0, d), c0);
    c1 = madd(total(a1, Q8_0), f32x4.mul(s1, d), c1);
    e0 = madd(total(b0, Q8_0), f32x4.mul(s0, e), e0);
    e1 = madd(total(b1, Q8_0), f32x4.mul(s1, e), e1);
    x += ACTIVATION_STEP;
  }
  v128.store(y, c0);
  v128.store(y, c1, 16);
  v128.store(z, e0);
  v128.store(z, e1, 16);
}
