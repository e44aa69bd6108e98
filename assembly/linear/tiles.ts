// Micro-kernels: R rows of x by P panels of W, all k steps in order, every accumulator one output.
//
//   c[i][j] = init[i][j] + x[i][0]·W[j][0] + x[i][1]·W[j][1] + …
//
// Strides are in bytes. `panels` is the first panel; where a tile takes several, `pitch` is the length of one and the distance to the
// next. The accumulators start from memory (`init`), not from constants: V8 up to Node 22 loses a third of the speed otherwise. Each tile stays a function of its
// own, called from several places, so that it is never inlined into a driver (registers would spill there). With three or four rows of x, one pointer and the distances
// to the other rows beat as many pointers by 2 to 6 %, and unrolling k loses a quarter (`npm run bench -- --only matmul`): both are registers that V8 would spill.
import { madd } from '../simd/arithmetic';
import { four, head, high, low } from '../simd/dtype';

/** Bytes of one k step of a panel: 8 weights. */
// @ts-ignore: decorator
@inline export function stepBytes<W>(): usize {
  return sizeof<W>() << 3;
}

export function tile1x8<W>(y: usize, x: usize, panels: usize, init: usize, k: i32): void {
  let c0 = v128.load(init), c1 = v128.load(init, 16);
  for (const end = panels + <usize>k * stepBytes<W>(); panels < end; panels += stepBytes<W>()) {
    const a = v128.load32_splat(x);
    const v = head<W>(panels);
    c0 = madd(a, low<W>(v, panels), c0);
    c1 = madd(a, high<W>(v, panels), c1);
    x += 4;
  }
  v128.store(y, c0);
  v128.store(y, c1, 16);
}

export function tile1x16<W>(y: usize, x: usize, panels: usize, pitch: usize, init: usize): void {
  let c0 = v128.load(init), c1 = v128.load(init, 16), c2 = v128.load(init, 32), c3 = v128.load(init, 48);
  let q = panels + pitch;
  for (const end = q; panels < end; panels += stepBytes<W>()) {
    const a = v128.load32_splat(x);
    const v = head<W>(panels);
    c0 = madd(a, low<W>(v, panels), c0);
    c1 = madd(a, high<W>(v, panels), c1);
    const u = head<W>(q);
    c2 = madd(a, low<W>(u, q), c2);
    c3 = madd(a, high<W>(u, q), c3);
    x += 4;
    q += stepBytes<W>();
  }
  v128.store(y, c0);
  v128.store(y, c1, 16);
  v128.store(y, c2, 32);
  v128.store(y, c3, 48);
}

export function tile1x32<W>(y: usize, x: usize, panels: usize, pitch: usize, init: usize): void {
  let c0 = v128.load(init), c1 = v128.load(init, 16), c2 = v128.load(init, 32), c3 = v128.load(init, 48);
  let c4 = v128.load(init, 64), c5 = v128.load(init, 80), c6 = v128.load(init, 96), c7 = v128.load(init, 112);
  let q = panels + pitch, r = q + pitch, s = r + pitch;
  for (const end = q; panels < end; panels += stepBytes<W>()) {
    const a = v128.load32_splat(x);
    const v = head<W>(panels);
    c0 = madd(a, low<W>(v, panels), c0);
    c1 = madd(a, high<W>(v, panels), c1);
    const u = head<W>(q);
    c2 = madd(a, low<W>(u, q), c2);
    c3 = madd(a, high<W>(u, q), c3);
    const t = head<W>(r);
    c4 = madd(a, low<W>(t, r), c4);
    c5 = madd(a, high<W>(t, r), c5);
    const o = head<W>(s);
    c6 = madd(a, low<W>(o, s), c6);
    c7 = madd(a, high<W>(o, s), c7);
    x += 4;
    q += stepBytes<W>();
    r += stepBytes<W>();
    s += stepBytes<W>();
  }
  v128.store(y, c0);
  v128.store(y, c1, 16);
  v128.store(y, c2, 32);
  v128.store(y, c3, 48);
  v128.store(y, c4, 64);
  v128.store(y, c5, 80);
  v128.store(y, c6, 96);
  v128.store(y, c7, 112);
}

export function tile2x8<W>(y: usize, ldy: usize, x: usize, ldx: usize, panels: usize, init: usize, ldi: usize, k: i32): void {
  let c0 = v128.load(init), c1 = v128.load(init, 16);
  let d0 = v128.load(init + ldi), d1 = v128.load(init + ldi, 16);
  let x1 = x + ldx;
  for (const end = panels + <usize>k * stepBytes<W>(); panels < end; panels += stepBytes<W>()) {
    const a = v128.load32_splat(x), b = v128.load32_splat(x1);
    const v = head<W>(panels), w0 = low<W>(v, panels), w1 = high<W>(v, panels);
    c0 = madd(a, w0, c0);
    c1 = madd(a, w1, c1);
    d0 = madd(b, w0, d0);
    d1 = madd(b, w1, d1);
    x += 4;
    x1 += 4;
  }
  v128.store(y, c0);
  v128.store(y, c1, 16);
  v128.store(y + ldy, d0);
  v128.store(y + ldy, d1, 16);
}

export function tile2x16<W>(y: usize, ldy: usize, x: usize, ldx: usize, panels: usize, pitch: usize, init: usize, ldi: usize): void {
  let c0 = v128.load(init), c1 = v128.load(init, 16), c2 = v128.load(init, 32), c3 = v128.load(init, 48);
  init += ldi;
  let d0 = v128.load(init), d1 = v128.load(init, 16), d2 = v128.load(init, 32), d3 = v128.load(init, 48);
  let x1 = x + ldx, q = panels + pitch;
  for (const end = q; panels < end; panels += stepBytes<W>()) {
    const a = v128.load32_splat(x), b = v128.load32_splat(x1);
    const v = head<W>(panels), w0 = low<W>(v, panels), w1 = high<W>(v, panels);
    const u = head<W>(q), w2 = low<W>(u, q), w3 = high<W>(u, q);
    c0 = madd(a, w0, c0);
    c1 = madd(a, w1, c1);
    c2 = madd(a, w2, c2);
    c3 = madd(a, w3, c3);
    d0 = madd(b, w0, d0);
    d1 = madd(b, w1, d1);
    d2 = madd(b, w2, d2);
    d3 = madd(b, w3, d3);
    x += 4;
    x1 += 4;
    q += stepBytes<W>();
  }
  v128.store(y, c0);
  v128.store(y, c1, 16);
  v128.store(y, c2, 32);
  v128.store(y, c3, 48);
  y += ldy;
  v128.store(y, d0);
  v128.store(y, d1, 16);
  v128.store(y, d2, 32);
  v128.store(y, d3, 48);
}

export function tile3x8<W>(y: usize, ldy: usize, x: usize, ldx: usize, panels: usize, init: usize, ldi: usize, k: i32): void {
  let c0 = v128.load(init), c1 = v128.load(init, 16);
  init += ldi;
  let d0 = v128.load(init), d1 = v128.load(init, 16);
  init += ldi;
  let e0 = v128.load(init), e1 = v128.load(init, 16);
  const second = 2 * ldx;
  for (const end = panels + <usize>k * stepBytes<W>(); panels < end; panels += stepBytes<W>()) {
    const v = head<W>(panels), w0 = low<W>(v, panels), w1 = high<W>(v, panels);
    const a = v128.load32_splat(x);
    c0 = madd(a, w0, c0);
    c1 = madd(a, w1, c1);
    const b = v128.load32_splat(x + ldx);
    d0 = madd(b, w0, d0);
    d1 = madd(b, w1, d1);
    const c = v128.load32_splat(x + second);
    e0 = madd(c, w0, e0);
    e1 = madd(c, w1, e1);
    x += 4;
  }
  v128.store(y, c0);
  v128.store(y, c1, 16);
  y += ldy;
  v128.store(y, d0);
  v128.store(y, d1, 16);
  y += ldy;
  v128.store(y, e0);
  v128.store(y, e1, 16);
}

export function tile4x8<W>(y: usize, ldy: usize, x: usize, ldx: usize, panels: usize, init: usize, ldi: usize, k: i32): void {
  let c0 = v128.load(init), c1 = v128.load(init, 16);
  init += ldi;
  let d0 = v128.load(init), d1 = v128.load(init, 16);
  init += ldi;
  let e0 = v128.load(init), e1 = v128.load(init, 16);
  init += ldi;
  let f0 = v128.load(init), f1 = v128.load(init, 16);
  const second = 2 * ldx, third = 3 * ldx;
  for (const end = panels + <usize>k * stepBytes<W>(); panels < end; panels += stepBytes<W>()) {
    const w0 = four<W>(panels), w1 = four<W>(panels + (stepBytes<W>() >> 1)); // V8 takes twice the time with low and high here
    const a = v128.load32_splat(x);
    c0 = madd(a, w0, c0);
    c1 = madd(a, w1, c1);
    const b = v128.load32_splat(x + ldx);
    d0 = madd(b, w0, d0);
    d1 = madd(b, w1, d1);
    const c = v128.load32_splat(x + second);
    e0 = madd(c, w0, e0);
    e1 = madd(c, w1, e1);
    const d = v128.load32_splat(x + third);
    f0 = madd(d, w0, f0);
    f1 = madd(d, w1, f1);
    x += 4;
  }
  v128.store(y, c0);
  v128.store(y, c1, 16);
  y += ldy;
  v128.store(y, d0);
  v128.store(y, d1, 16);
  y += ldy;
  v128.store(y, e0);
  v128.store(y, e1, 16);
  y += ldy;
  v128.store(y, f0);
  v128.store(y, f1, 16);
}
