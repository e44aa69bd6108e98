// The inner product of attention, for one to four vectors x against panels of 8 columns:
//
//   y[n][8i + c] = Σ_k x[n][k]·panel_i[k][c], from zero (`fresh`) or from what stands there, over k in order
//
// Scores are of queries and the panels of Kᵀ (k over d), outputs of weights and those of V (k over t). Which tile a vector goes through does not show in its bits.
//
// W is f32, or i16: halves as kv.ts stores them. Strides (`ld…`, `pitch`: from one panel to the next) are in bytes. Every tile has six to eight sums in flight, so that an
// addition is never waited for, and what it loads fits into 16 registers beside them; each stays a function of its own.
import { madd } from '../simd/arithmetic';
import { mask, quad, rebias } from './halves';

/** Sums start from memory: a splat of zero inside these loops costs Node 20 and 22 a third of the speed. */
const ZERO: usize = memory.data<f32>([0, 0, 0, 0, 0, 0, 0, 0], 16);

export function tile1<W>(y: usize, x: usize, panels: usize, pitch: usize, count: i32, steps: i32, fresh: bool): void {
  const m = mask(), h = rebias(), length = <usize>steps * (sizeof<W>() << 3);
  for (; count >= 4; count -= 4) {
    let p = panels, q = p + pitch, r = q + pitch, s = r + pitch;
    let c0 = v128.load(ZERO), c1 = c0, c2 = c0, c3 = c0, c4 = c0, c5 = c0, c6 = c0, c7 = c0;
    if (!fresh) {
      c0 = v128.load(y); c1 = v128.load(y, 16); c2 = v128.load(y, 32); c3 = v128.load(y, 48);
      c4 = v128.load(y, 64); c5 = v128.load(y, 80); c6 = v128.load(y, 96); c7 = v128.load(y, 112);
    }
    let xi = x;
    for (const end = p + length; p < end; p += sizeof<W>() << 3) {
      const a = v128.load32_splat(xi);
      c0 = madd(a, quad<W>(p, m, h), c0);
      c1 = madd(a, quad<W>(p + (sizeof<W>() << 2), m, h), c1);
      c2 = madd(a, quad<W>(q, m, h), c2);
      c3 = madd(a, quad<W>(q + (sizeof<W>() << 2), m, h), c3);
      c4 = madd(a, quad<W>(r, m, h), c4);
      c5 = madd(a, quad<W>(r + (sizeof<W>() << 2), m, h), c5);
      c6 = madd(a, quad<W>(s, m, h), c6);
      c7 = madd(a, quad<W>(s + (sizeof<W>() << 2), m, h), c7);
      xi += 4;
      q += sizeof<W>() << 3;
      r += sizeof<W>() << 3;
      s += sizeof<W>() << 3;
    }
    v128.store(y, c0); v128.store(y, c1, 16); v128.store(y, c2, 32); v128.store(y, c3, 48);
    v128.store(y, c4, 64); v128.store(y, c5, 80); v128.store(y, c6, 96); v128.store(y, c7, 112);
    y += 128;
    panels += pitch << 2;
  }
  for (; count > 0; count--) {
    const init = fresh ? ZERO : y;
    let c0 = v128.load(init), c1 = v128.load(init, 16);
    let xi = x;
    for (let p = panels, end = p + length; p < end; p += sizeof<W>() << 3) {
      const a = v128.load32_splat(xi);
      c0 = madd(a, quad<W>(p, m, h), c0);
      c1 = madd(a, quad<W>(p + (sizeof<W>() << 2), m, h), c1);
      xi += 4;
    }
    v128.store(y, c0);
    v128.store(y, c1, 16);
    y += 32;
    panels += pitch;
  }
}

export function tile2<W>(y: usize, ldy: usize, x: usize, ldx: usize, panels: usize, pitch: usize, count: i32, steps: i32, fresh: bool): void {
  const m = mask(), h = rebias(), length = <usize>steps * (sizeof<W>() << 3);
  for (; count >= 2; count -= 2) {
    const init = fresh ? ZERO : y, ldi = fresh ? 0 : ldy, next: usize = fresh ? 0 : 32;
    let c0 = v128.load(init), c1 = v128.load(init, 16), c2 = v128.load(init + next), c3 = v128.load(init + next, 16);
    let d0 = v128.load(init + ldi), d1 = v128.load(init + ldi, 16), d2 = v128.load(init + ldi + next), d3 = v128.load(init + ldi + next, 16);
    let p = panels, q = p + pitch, xi = x;
    for (const end = p + length; p < end; p += sizeof<W>() << 3) {
      const a = v128.load32_splat(xi), b = v128.load32_splat(xi + ldx);
      const w0 = quad<W>(p, m, h), w1 = quad<W>(p + (sizeof<W>() << 2), m, h);
      c0 = madd(a, w0, c0);
      c1 = madd(a, w1, c1);
      d0 = madd(b, w0, d0);
      d1 = madd(b, w1, d1);
      const w2 = quad<W>(q, m, h), w3 = quad<W>(q + (sizeof<W>() << 2), m, h);
      c2 = madd(a, w2, c2);
      c3 = madd(a, w3, c3);
      d2 = madd(b, w2, d2);
      d3 = madd(b, w3, d3);
      xi += 4;
      q += sizeof<W>() << 3;
    }
    v128.store(y, c0); v128.store(y, c1, 16); v128.store(y, c2, 32); v128.store(y, c3, 48);
    v128.store(y + ldy, d0); v128.store(y + ldy, d1, 16); v128.store(y + ldy, d2, 32); v128.store(y + ldy, d3, 48);
    y += 64;
    panels += pitch << 1;
  }
  if (count > 0) {
    tile1<W>(y, x, panels, pitch, 1, steps, fresh);
    tile1<W>(y + ldy, x + ldx, panels, pitch, 1, steps, fresh);
  }
}

export function tile3<W>(y: usize, ldy: usize, x: usize, ldx: usize, panels: usize, pitch: usize, count: i32, steps: i32, fresh: bool): void {
  const m = mask(), h = rebias(), length = <usize>steps * (sizeof<W>() << 3), second = ldx << 1;
  for (; count > 0; count--) {
    let init = fresh ? ZERO : y;
    const ldi = fresh ? 0 : ldy;
    let c0 = v128.load(init), c1 = v128.load(init, 16);
    init += ldi;
    let d0 = v128.load(init), d1 = v128.load(init, 16);
    init += ldi;
    let e0 = v128.load(init), e1 = v128.load(init, 16);
    let xi = x;
    for (let p = panels, end = p + length; p < end; p += sizeof<W>() << 3) {
      const w0 = quad<W>(p, m, h), w1 = quad<W>(p + (sizeof<W>() << 2), m, h);
      const a = v128.load32_splat(xi);
      c0 = madd(a, w0, c0);
      c1 = madd(a, w1, c1);
      const b = v128.load32_splat(xi + ldx);
      d0 = madd(b, w0, d0);
      d1 = madd(b, w1, d1);
      const c = v128.load32_splat(xi + second);
      e0 = madd(c, w0, e0);
      e1 = madd(c, w1, e1);
      xi += 4;
    }
    v128.store(y, c0); v128.store(y, c1, 16);
    const yd = y + ldy, ye = yd + ldy;
    v128.store(yd, d0); v128.store(yd, d1, 16);
    v128.store(ye, e0); v128.store(ye, e1, 16);
    y += 32;
    panels += pitch;
  }
}

export function tile4<W>(y: usize, ldy: usize, x: usize, ldx: usize, panels: usize, pitch: usize, count: i32, steps: i32, fresh: bool): void {
  const m = mask(), h = rebias(), length = <usize>steps * (sizeof<W>() << 3), second = ldx << 1, third = second + ldx;
  for (; count > 0; count--) {
    let init = fresh ? ZERO : y;
    const ldi = fresh ? 0 : ldy;
    let c0 = v128.load(init), c1 = v128.load(init, 16);
    init += ldi;
    let d0 = v128.load(init), d1 = v128.load(init, 16);
    init += ldi;
    let e0 = v128.load(init), e1 = v128.load(init, 16);
    init += ldi;
    let f0 = v128.load(init), f1 = v128.load(init, 16);
    let xi = x;
    for (let p = panels, end = p + length; p < end; p += sizeof<W>() << 3) {
      const w0 = quad<W>(p, m, h), w1 = quad<W>(p + (sizeof<W>() << 2), m, h);
      const a = v128.load32_splat(xi);
      c0 = madd(a, w0, c0);
      c1 = madd(a, w1, c1);
      const b = v128.load32_splat(xi + ldx);
      d0 = madd(b, w0, d0);
      d1 = madd(b, w1, d1);
      const c = v128.load32_splat(xi + second);
      e0 = madd(c, w0, e0);
      e1 = madd(c, w1, e1);
      const d = v128.load32_splat(xi + third);
      f0 = madd(d, w0, f0);
      f1 = madd(d, w1, f1);
      xi += 4;
    }
    v128.store(y, c0); v128.store(y, c1, 16);
    const yd = y + ldy, ye = yd + ldy, yf = ye + ldy;
    v128.store(yd, d0); v128.store(yd, d1, 16);
    v128.store(ye, e0); v128.store(ye, e1, 16);
    v128.store(yf, f0); v128.store(yf, f1, 16);
    y += 32;
    panels += pitch;
  }
}
