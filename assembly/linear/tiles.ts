// Micro-kernels: R rows of x by P panels of W, all k steps in order, every accumulator one output.
//
//   c[i][j] = init[i][j] + x[i][0]·W[j][0] + x[i][1]·W[j][1] + …
//
// Strides are in bytes. `panels` is the first panel; where a tile takes several, `pitch` is the length of one and the distance to the
// next. The tiles by 8 read x packed (rows.ts): a pointer for each row, or one and the distances to the others, are additions at every step, and what bounds these loops
// is how many instructions a cycle can decode. Between a multiply and its add a register holds the product, which a fused one does without: so 5 × 8 and 6 × 8 are for
// relaxed builds, 4 × 8 the largest of plain ones. The accumulators start from memory (`init`), not from constants: V8 up to Node 22 loses a third of the speed otherwise.
// Each tile stays a function of its own, called from several places, so that it is never inlined into a driver (registers would spill there).
import { madd } from '../simd/arithmetic';
import { four, head, high, irregular, low } from '../simd/dtype';

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
    if (irregular<W>(v, v, v, v)) {
      c0 = madd(a, four<W>(panels), c0);
      c1 = madd(a, four<W>(panels, stepBytes<W>() >> 1), c1);
    } else {
      c0 = madd(a, low<W>(v), c0);
      c1 = madd(a, high<W>(v, panels), c1);
    }
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
    const v = head<W>(panels), u = head<W>(q);
    if (irregular<W>(v, v, u, u)) {
      c0 = madd(a, four<W>(panels), c0);
      c1 = madd(a, four<W>(panels, stepBytes<W>() >> 1), c1);
      c2 = madd(a, four<W>(q), c2);
      c3 = madd(a, four<W>(q, stepBytes<W>() >> 1), c3);
    } else {
      c0 = madd(a, low<W>(v), c0);
      c1 = madd(a, high<W>(v, panels), c1);
      c2 = madd(a, low<W>(u), c2);
      c3 = madd(a, high<W>(u, q), c3);
    }
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
    const v = head<W>(panels), u = head<W>(q), t = head<W>(r), o = head<W>(s);
    if (irregular<W>(v, u, t, o)) {
      c0 = madd(a, four<W>(panels), c0);
      c1 = madd(a, four<W>(panels, stepBytes<W>() >> 1), c1);
      c2 = madd(a, four<W>(q), c2);
      c3 = madd(a, four<W>(q, stepBytes<W>() >> 1), c3);
      c4 = madd(a, four<W>(r), c4);
      c5 = madd(a, four<W>(r, stepBytes<W>() >> 1), c5);
      c6 = madd(a, four<W>(s), c6);
      c7 = madd(a, four<W>(s, stepBytes<W>() >> 1), c7);
    } else {
      c0 = madd(a, low<W>(v), c0);
      c1 = madd(a, high<W>(v, panels), c1);
      c2 = madd(a, low<W>(u), c2);
      c3 = madd(a, high<W>(u, q), c3);
      c4 = madd(a, low<W>(t), c4);
      c5 = madd(a, high<W>(t, r), c5);
      c6 = madd(a, low<W>(o), c6);
      c7 = madd(a, high<W>(o, s), c7);
    }
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

export function tile2x16<W>(y: usize, ldy: usize, x: usize, ldx: usize, panels: usize, pitch: usize, init: usize, ldi: usize): void {
  let c0 = v128.load(init), c1 = v128.load(init, 16), c2 = v128.load(init, 32), c3 = v128.load(init, 48);
  init += ldi;
  let d0 = v128.load(init), d1 = v128.load(init, 16), d2 = v128.load(init, 32), d3 = v128.load(init, 48);
  let x1 = x + ldx, q = panels + pitch;
  for (const end = q; panels < end; panels += stepBytes<W>()) {
    const a = v128.load32_splat(x), b = v128.load32_splat(x1);
    const v = head<W>(panels), u = head<W>(q);
    let w0 = low<W>(v), w1 = high<W>(v, panels), w2 = low<W>(u), w3 = high<W>(u, q);
    if (irregular<W>(v, v, u, u)) {
      w0 = four<W>(panels);
      w1 = four<W>(panels, stepBytes<W>() >> 1);
      w2 = four<W>(q);
      w3 = four<W>(q, stepBytes<W>() >> 1);
    }
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

export function tile2x8<W>(y: usize, ldy: usize, x: usize, panels: usize, init: usize, ldi: usize, k: i32): void {
  let c0 = v128.load(init), c1 = v128.load(init, 16);
  init += ldi;
  let d0 = v128.load(init), d1 = v128.load(init, 16);
  for (const end = panels + <usize>k * stepBytes<W>(); panels < end; panels += stepBytes<W>()) {
    const w0 = four<W>(panels), w1 = four<W>(panels, stepBytes<W>() >> 1);
    const c = v128.load32_splat(x);
    c0 = madd(c, w0, c0);
    c1 = madd(c, w1, c1);
    const d = v128.load32_splat(x, 4);
    d0 = madd(d, w0, d0);
    d1 = madd(d, w1, d1);
    x += 8;
  }
  v128.store(y, c0);
  v128.store(y, c1, 16);
  y += ldy;
  v128.store(y, d0);
  v128.store(y, d1, 16);
}

export function tile3x8<W>(y: usize, ldy: usize, x: usize, panels: usize, init: usize, ldi: usize, k: i32): void {
  let c0 = v128.load(init), c1 = v128.load(init, 16);
  init += ldi;
  let d0 = v128.load(init), d1 = v128.load(init, 16);
  init += ldi;
  let e0 = v128.load(init), e1 = v128.load(init, 16);
  for (const end = panels + <usize>k * stepBytes<W>(); panels < end; panels += stepBytes<W>()) {
    const w0 = four<W>(panels), w1 = four<W>(panels, stepBytes<W>() >> 1);
    const c = v128.load32_splat(x);
    c0 = madd(c, w0, c0);
    c1 = madd(c, w1, c1);
    const d = v128.load32_splat(x, 4);
    d0 = madd(d, w0, d0);
    d1 = madd(d, w1, d1);
    const e = v128.load32_splat(x, 8);
    e0 = madd(e, w0, e0);
    e1 = madd(e, w1, e1);
    x += 12;
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

/**
 * The tile of prompts on plain builds. Four steps a turn, since a turn costs V8 seven instructions of its own beside the 28 of a step. A branch between two steps keeps
 * the compilers from working both at once, sum by sum, which spills; rows in falling order are the order in which TurboFan lays a block out, from its end. Together 1.07 to 1.12 times
 * as fast as one step a turn with x unpacked: Node 20 and 24 on a Zen 4, M from 64 to 512, K = N from 512 to 1536, by processor time in interleaved rounds.
 */
export function tile4x8<W>(y: usize, ldy: usize, x: usize, panels: usize, init: usize, ldi: usize, k: i32): void {
  let c0 = v128.load(init), c1 = v128.load(init, 16);
  init += ldi;
  let d0 = v128.load(init), d1 = v128.load(init, 16);
  init += ldi;
  let e0 = v128.load(init), e1 = v128.load(init, 16);
  init += ldi;
  let f0 = v128.load(init), f1 = v128.load(init, 16);
  while (k > 0) {
    {
      const w0 = four<W>(panels), w1 = four<W>(panels, stepBytes<W>() >> 1);
      const f = v128.load32_splat(x, 12);
      f1 = madd(f, w1, f1);
      f0 = madd(f, w0, f0);
      const e = v128.load32_splat(x, 8);
      e1 = madd(e, w1, e1);
      e0 = madd(e, w0, e0);
      const d = v128.load32_splat(x, 4);
      d1 = madd(d, w1, d1);
      d0 = madd(d, w0, d0);
      const c = v128.load32_splat(x);
      c1 = madd(c, w1, c1);
      c0 = madd(c, w0, c0);
    }
    if (k == 1) break;
    {
      const w0 = four<W>(panels, stepBytes<W>()), w1 = four<W>(panels, stepBytes<W>() + (stepBytes<W>() >> 1));
      const f = v128.load32_splat(x, 28);
      f1 = madd(f, w1, f1);
      f0 = madd(f, w0, f0);
      const e = v128.load32_splat(x, 24);
      e1 = madd(e, w1, e1);
      e0 = madd(e, w0, e0);
      const d = v128.load32_splat(x, 20);
      d1 = madd(d, w1, d1);
      d0 = madd(d, w0, d0);
      const c = v128.load32_splat(x, 16);
      c1 = madd(c, w1, c1);
      c0 = madd(c, w0, c0);
    }
    if (k == 2) break;
    {
      const w0 = four<W>(panels, 2 * stepBytes<W>()), w1 = four<W>(panels, 2 * stepBytes<W>() + (stepBytes<W>() >> 1));
      const f = v128.load32_splat(x, 44);
      f1 = madd(f, w1, f1);
      f0 = madd(f, w0, f0);
      const e = v128.load32_splat(x, 40);
      e1 = madd(e, w1, e1);
      e0 = madd(e, w0, e0);
      const d = v128.load32_splat(x, 36);
      d1 = madd(d, w1, d1);
      d0 = madd(d, w0, d0);
      const c = v128.load32_splat(x, 32);
      c1 = madd(c, w1, c1);
      c0 = madd(c, w0, c0);
    }
    if (k == 3) break;
    {
      const w0 = four<W>(panels, 3 * stepBytes<W>()), w1 = four<W>(panels, 3 * stepBytes<W>() + (stepBytes<W>() >> 1));
      const f = v128.load32_splat(x, 60);
      f1 = madd(f, w1, f1);
      f0 = madd(f, w0, f0);
      const e = v128.load32_splat(x, 56);
      e1 = madd(e, w1, e1);
      e0 = madd(e, w0, e0);
      const d = v128.load32_splat(x, 52);
      d1 = madd(d, w1, d1);
      d0 = madd(d, w0, d0);
      const c = v128.load32_splat(x, 48);
      c1 = madd(c, w1, c1);
      c0 = madd(c, w0, c0);
    }
    panels += 4 * stepBytes<W>();
    x += 64;
    k -= 4;
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

export function tile5x8<W>(y: usize, ldy: usize, x: usize, panels: usize, init: usize, ldi: usize, k: i32): void {
  let c0 = v128.load(init), c1 = v128.load(init, 16);
  init += ldi;
  let d0 = v128.load(init), d1 = v128.load(init, 16);
  init += ldi;
  let e0 = v128.load(init), e1 = v128.load(init, 16);
  init += ldi;
  let f0 = v128.load(init), f1 = v128.load(init, 16);
  init += ldi;
  let g0 = v128.load(init), g1 = v128.load(init, 16);
  for (const end = panels + <usize>k * stepBytes<W>(); panels < end; panels += stepBytes<W>()) {
    const w0 = four<W>(panels), w1 = four<W>(panels, stepBytes<W>() >> 1);
    const c = v128.load32_splat(x);
    c0 = madd(c, w0, c0);
    c1 = madd(c, w1, c1);
    const d = v128.load32_splat(x, 4);
    d0 = madd(d, w0, d0);
    d1 = madd(d, w1, d1);
    const e = v128.load32_splat(x, 8);
    e0 = madd(e, w0, e0);
    e1 = madd(e, w1, e1);
    const f = v128.load32_splat(x, 12);
    f0 = madd(f, w0, f0);
    f1 = madd(f, w1, f1);
    const g = v128.load32_splat(x, 16);
    g0 = madd(g, w0, g0);
    g1 = madd(g, w1, g1);
    x += 20;
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
  y += ldy;
  v128.store(y, g0);
  v128.store(y, g1, 16);
}

export function tile6x8<W>(y: usize, ldy: usize, x: usize, panels: usize, init: usize, ldi: usize, k: i32): void {
  let c0 = v128.load(init), c1 = v128.load(init, 16);
  init += ldi;
  let d0 = v128.load(init), d1 = v128.load(init, 16);
  init += ldi;
  let e0 = v128.load(init), e1 = v128.load(init, 16);
  init += ldi;
  let f0 = v128.load(init), f1 = v128.load(init, 16);
  init += ldi;
  let g0 = v128.load(init), g1 = v128.load(init, 16);
  init += ldi;
  let h0 = v128.load(init), h1 = v128.load(init, 16);
  for (const end = panels + <usize>k * stepBytes<W>(); panels < end; panels += stepBytes<W>()) {
    const w0 = four<W>(panels), w1 = four<W>(panels, stepBytes<W>() >> 1);
    const c = v128.load32_splat(x);
    c0 = madd(c, w0, c0);
    c1 = madd(c, w1, c1);
    const d = v128.load32_splat(x, 4);
    d0 = madd(d, w0, d0);
    d1 = madd(d, w1, d1);
    const e = v128.load32_splat(x, 8);
    e0 = madd(e, w0, e0);
    e1 = madd(e, w1, e1);
    const f = v128.load32_splat(x, 12);
    f0 = madd(f, w0, f0);
    f1 = madd(f, w1, f1);
    const g = v128.load32_splat(x, 16);
    g0 = madd(g, w0, g0);
    g1 = madd(g, w1, g1);
    const h = v128.load32_splat(x, 20);
    h0 = madd(h, w0, h0);
    h1 = madd(h, w1, h1);
    x += 24;
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
  y += ldy;
  v128.store(y, g0);
  v128.store(y, g1, 16);
  y += ldy;
  v128.store(y, h0);
  v128.store(y, h1, 16);
}
