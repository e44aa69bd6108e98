// Micro-kernels for four rows of activations of 8 bits on one panel as it lies, as those for two rows (double.ts). Of relaxed builds alone: in products of 16 bits the sums of four rows
// and what they are multiplied with don't fit into 16 registers.
//
// First the lower digits of a block, then the upper ones: V8 puts all loads of a loop's body at its beginning, and of both there are too many to be held.
import { decoded } from '../simd/block';
import { firstFour, hasSubnormals, haveSubnormals, lastFour, putRight } from '../simd/f16';
import { ACTIVATION_STEP } from './activation';
import { hasMinimum, isSuper } from './formats';
import { dot } from './products';
import { scalesQ4Q5 } from './scales';
import { NIBBLE_MASK, startOfRow } from './single';
import { add, start } from './tiles';

/** Formats of nibbles without fifths: `blocks` panel blocks; y [4, 8], `ldy` bytes apart, holds the sums of blocks so far. */
export function quadrupleNibbles<F>(y: usize, ldy: usize, x: usize, ldx: usize, w: usize, blocks: i32, init: usize, ldi: usize): void {
  const dtype = changetype<F>(0).dtype, header: usize = isSuper(dtype) ? 128 : hasMinimum(dtype) ? 32 : 16;
  for (let i: usize = 0; i < 4; i++) start(y + i * ldy, init + i * ldi);
  const digits = v128.load(NIBBLE_MASK), ldx2 = ldx << 1, ldx3 = ldx2 + ldx, ldy2 = ldy << 1;
  for (const end = w + <usize>blocks * (header + (isSuper(dtype) ? 1024 : 128)); w < end;) {
    const panel = w;
    let scales = decoded();
    if (isSuper(dtype)) scalesQ4Q5(scales, 64, panel);
    w += header;
    for (const next = w + (isSuper(dtype) ? 1024 : 128); w < next; w += 128) {
      let a0 = startOfRow(x, dtype), a1 = a0, b0 = startOfRow(x + ldx, dtype), b1 = b0, c0 = startOfRow(x + ldx2, dtype), c1 = c0, d0 = startOfRow(x + ldx3, dtype), d1 = d0;
      let p = w, r = x;
      for (const stop = r + 16; r < stop; r += 4) {
        const w0 = v128.and(v128.load(p), digits), w1 = v128.and(v128.load(p, 16), digits);
        const xa = v128.load32_splat(r);
        a0 = dot(a0, xa, w0, dtype);
        a1 = dot(a1, xa, w1, dtype);
        const xb = v128.load32_splat(r + ldx);
        b0 = dot(b0, xb, w0, dtype);
        b1 = dot(b1, xb, w1, dtype);
        const xc = v128.load32_splat(r + ldx2);
        c0 = dot(c0, xc, w0, dtype);
        c1 = dot(c1, xc, w1, dtype);
        const xd = v128.load32_splat(r + ldx3);
        d0 = dot(d0, xd, w0, dtype);
        d1 = dot(d1, xd, w1, dtype);
        p += 32;
      }
      p = w;
      for (const stop = r + 16; r < stop; r += 4) {
        const w0 = v128.and(i16x8.shr_u(v128.load(p), 4), digits), w1 = v128.and(i16x8.shr_u(v128.load(p, 16), 4), digits);
        const xa = v128.load32_splat(r);
        a0 = dot(a0, xa, w0, dtype);
        a1 = dot(a1, xa, w1, dtype);
        const xb = v128.load32_splat(r + ldx);
        b0 = dot(b0, xb, w0, dtype);
        b1 = dot(b1, xb, w1, dtype);
        const xc = v128.load32_splat(r + ldx2);
        c0 = dot(c0, xc, w0, dtype);
        c1 = dot(c1, xc, w1, dtype);
        const xd = v128.load32_splat(r + ldx3);
        d0 = dot(d0, xd, w0, dtype);
        d1 = dot(d1, xd, w1, dtype);
        p += 32;
      }
      const s = v128.load(panel), l = v128.load(panel, 16);
      let s0 = isSuper(dtype) ? v128.load(scales) : firstFour(s), s1 = isSuper(dtype) ? v128.load(scales, 16) : lastFour(s);
      let l0 = isSuper(dtype) ? v128.load(scales, 32) : firstFour(l), l1 = isSuper(dtype) ? v128.load(scales, 48) : lastFour(l);
      if (!isSuper(dtype) && (hasMinimum(dtype) ? haveSubnormals(s, l) : hasSubnormals(s))) {
        s0 = putRight(s0);
        s1 = putRight(s1);
        l0 = putRight(l0);
        l1 = putRight(l1);
      }
      add<F>(y, x, a0, a1, s0, s1, l0, l1);
      add<F>(y + ldy, x + ldx, b0, b1, s0, s1, l0, l1);
      add<F>(y + ldy2, x + ldx2, c0, c1, s0, s1, l0, l1);
      add<F>(y + ldy2 + ldy, x + ldx3, d0, d1, s0, s1, l0, l1);
      scales += 64;
      x += ACTIVATION_STEP;
    }
  }
}
