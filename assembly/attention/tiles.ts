// The two inner products of attention for one to four vectors against one block. Which tile a vector goes through does not show in its bits:
// each result is one sum in one order, from zero over d (scores) or from the value so far over t (values).
//
//   scoresN(s, q…, keys, headDim)       s[n][t] = Σ_d q_n[d] · keys[d][t], t = 0 … 31
//   valuesN(o, p, values, …, from, to)  o[n][d] += Σ_t p[n][t] · values[t][d], t = from … to − 1
//
// s and p: 32 floats a vector; o: outBytes a vector, a multiple of 32: in the last columns the lanes past headDim gather what lies there and are never read.
// Each function has at most 12 sums in flight and two loaded vectors, which is what 16 registers hold.
import { madd } from '../simd/arithmetic';

/** Sums start from memory: a splat of zero inside these loops costs Node 20 and 22 a third of the speed. */
const ZERO: usize = memory.data<f32>([0, 0, 0, 0], 16);

export function scores1(s: usize, q: usize, keys: usize, headDim: i32): void {
  const end = keys + (<usize>headDim << 7);
  let a0 = v128.load(ZERO), a1 = v128.load(ZERO), a2 = v128.load(ZERO), a3 = v128.load(ZERO);
  let a4 = v128.load(ZERO), a5 = v128.load(ZERO), a6 = v128.load(ZERO), a7 = v128.load(ZERO);
  for (; keys < end; keys += 128, q += 4) {
    const x = v128.load32_splat(q);
    a0 = madd(x, v128.load(keys), a0);
    a1 = madd(x, v128.load(keys, 16), a1);
    a2 = madd(x, v128.load(keys, 32), a2);
    a3 = madd(x, v128.load(keys, 48), a3);
    a4 = madd(x, v128.load(keys, 64), a4);
    a5 = madd(x, v128.load(keys, 80), a5);
    a6 = madd(x, v128.load(keys, 96), a6);
    a7 = madd(x, v128.load(keys, 112), a7);
  }
  v128.store(s, a0);
  v128.store(s, a1, 16);
  v128.store(s, a2, 32);
  v128.store(s, a3, 48);
  v128.store(s, a4, 64);
  v128.store(s, a5, 80);
  v128.store(s, a6, 96);
  v128.store(s, a7, 112);
}

export function scores2(s: usize, q0: usize, q1: usize, keys: usize, headDim: i32): void {
  const bytes = <usize>headDim << 2;
  for (let panel = 0; panel < 2; panel++, keys += 64, s += 64) {
    let a0 = v128.load(ZERO), a1 = v128.load(ZERO), a2 = v128.load(ZERO), a3 = v128.load(ZERO);
    let b0 = v128.load(ZERO), b1 = v128.load(ZERO), b2 = v128.load(ZERO), b3 = v128.load(ZERO);
    let k = keys;
    for (let d: usize = 0; d < bytes; d += 4, k += 128) {
      const x = v128.load32_splat(q0 + d), y = v128.load32_splat(q1 + d);
      const k0 = v128.load(k), k1 = v128.load(k, 16);
      a0 = madd(x, k0, a0);
      a1 = madd(x, k1, a1);
      b0 = madd(y, k0, b0);
      b1 = madd(y, k1, b1);
      const k2 = v128.load(k, 32), k3 = v128.load(k, 48);
      a2 = madd(x, k2, a2);
      a3 = madd(x, k3, a3);
      b2 = madd(y, k2, b2);
      b3 = madd(y, k3, b3);
    }
    v128.store(s, a0);
    v128.store(s, a1, 16);
    v128.store(s, a2, 32);
    v128.store(s, a3, 48);
    v128.store(s, b0, 128);
    v128.store(s, b1, 144);
    v128.store(s, b2, 160);
    v128.store(s, b3, 176);
  }
}

export function scores3(s: usize, q0: usize, q1: usize, q2: usize, keys: usize, headDim: i32): void {
  const bytes = <usize>headDim << 2;
  for (let panel = 0; panel < 4; panel++, keys += 32, s += 32) {
    let a0 = v128.load(ZERO), a1 = v128.load(ZERO);
    let b0 = v128.load(ZERO), b1 = v128.load(ZERO);
    let c0 = v128.load(ZERO), c1 = v128.load(ZERO);
    let k = keys;
    for (let d: usize = 0; d < bytes; d += 4, k += 128) {
      const k0 = v128.load(k), k1 = v128.load(k, 16);
      const x = v128.load32_splat(q0 + d);
      a0 = madd(x, k0, a0);
      a1 = madd(x, k1, a1);
      const y = v128.load32_splat(q1 + d);
      b0 = madd(y, k0, b0);
      b1 = madd(y, k1, b1);
      const z = v128.load32_splat(q2 + d);
      c0 = madd(z, k0, c0);
      c1 = madd(z, k1, c1);
    }
    v128.store(s, a0);
    v128.store(s, a1, 16);
    v128.store(s, b0, 128);
    v128.store(s, b1, 144);
    v128.store(s, c0, 256);
    v128.store(s, c1, 272);
  }
}

export function scores4(s: usize, q0: usize, q1: usize, q2: usize, q3: usize, keys: usize, headDim: i32): void {
  const bytes = <usize>headDim << 2;
  for (let panel = 0; panel < 4; panel++, keys += 32, s += 32) {
    let a0 = v128.load(ZERO), a1 = v128.load(ZERO);
    let b0 = v128.load(ZERO), b1 = v128.load(ZERO);
    let c0 = v128.load(ZERO), c1 = v128.load(ZERO);
    let e0 = v128.load(ZERO), e1 = v128.load(ZERO);
    let k = keys;
    for (let d: usize = 0; d < bytes; d += 4, k += 128) {
      const k0 = v128.load(k), k1 = v128.load(k, 16);
      const x = v128.load32_splat(q0 + d);
      a0 = madd(x, k0, a0);
      a1 = madd(x, k1, a1);
      const y = v128.load32_splat(q1 + d);
      b0 = madd(y, k0, b0);
      b1 = madd(y, k1, b1);
      const z = v128.load32_splat(q2 + d);
      c0 = madd(z, k0, c0);
      c1 = madd(z, k1, c1);
      const w = v128.load32_splat(q3 + d);
      e0 = madd(w, k0, e0);
      e1 = madd(w, k1, e1);
    }
    v128.store(s, a0);
    v128.store(s, a1, 16);
    v128.store(s, b0, 128);
    v128.store(s, b1, 144);
    v128.store(s, c0, 256);
    v128.store(s, c1, 272);
    v128.store(s, e0, 384);
    v128.store(s, e1, 400);
  }
}

export function values1(o: usize, p: usize, values: usize, headBytes: usize, outBytes: usize, from: i32, to: i32): void {
  if (from >= to) return;
  const first = p + (<usize>from << 2), end = p + (<usize>to << 2);
  values += <usize>from * headBytes;
  let at: usize = 0;
  for (; at + 128 <= outBytes; at += 128, o += 128) {
    let a0 = v128.load(o), a1 = v128.load(o, 16), a2 = v128.load(o, 32), a3 = v128.load(o, 48);
    let a4 = v128.load(o, 64), a5 = v128.load(o, 80), a6 = v128.load(o, 96), a7 = v128.load(o, 112);
    for (let w = first, v = values + at; w < end; w += 4, v += headBytes) {
      const x = v128.load32_splat(w);
      a0 = madd(x, v128.load(v), a0);
      a1 = madd(x, v128.load(v, 16), a1);
      a2 = madd(x, v128.load(v, 32), a2);
      a3 = madd(x, v128.load(v, 48), a3);
      a4 = madd(x, v128.load(v, 64), a4);
      a5 = madd(x, v128.load(v, 80), a5);
      a6 = madd(x, v128.load(v, 96), a6);
      a7 = madd(x, v128.load(v, 112), a7);
    }
    v128.store(o, a0);
    v128.store(o, a1, 16);
    v128.store(o, a2, 32);
    v128.store(o, a3, 48);
    v128.store(o, a4, 64);
    v128.store(o, a5, 80);
    v128.store(o, a6, 96);
    v128.store(o, a7, 112);
  }
  for (; at < outBytes; at += 32, o += 32) {
    let a0 = v128.load(o), a1 = v128.load(o, 16);
    for (let w = first, v = values + at; w < end; w += 4, v += headBytes) {
      const x = v128.load32_splat(w);
      a0 = madd(x, v128.load(v), a0);
      a1 = madd(x, v128.load(v, 16), a1);
    }
    v128.store(o, a0);
    v128.store(o, a1, 16);
  }
}

export function values2(o: usize, p: usize, values: usize, headBytes: usize, outBytes: usize, from: i32, to: i32): void {
  if (from >= to) return;
  const first = p + (<usize>from << 2), end = p + (<usize>to << 2);
  values += <usize>from * headBytes;
  let at: usize = 0;
  for (; at + 64 <= outBytes; at += 64, o += 64) {
    const ob = o + outBytes;
    let a0 = v128.load(o), a1 = v128.load(o, 16), a2 = v128.load(o, 32), a3 = v128.load(o, 48);
    let b0 = v128.load(ob), b1 = v128.load(ob, 16), b2 = v128.load(ob, 32), b3 = v128.load(ob, 48);
    for (let w = first, v = values + at; w < end; w += 4, v += headBytes) {
      const x = v128.load32_splat(w), y = v128.load32_splat(w, 128);
      const v0 = v128.load(v), v1 = v128.load(v, 16);
      a0 = madd(x, v0, a0);
      a1 = madd(x, v1, a1);
      b0 = madd(y, v0, b0);
      b1 = madd(y, v1, b1);
      const v2 = v128.load(v, 32), v3 = v128.load(v, 48);
      a2 = madd(x, v2, a2);
      a3 = madd(x, v3, a3);
      b2 = madd(y, v2, b2);
      b3 = madd(y, v3, b3);
    }
    v128.store(o, a0);
    v128.store(o, a1, 16);
    v128.store(o, a2, 32);
    v128.store(o, a3, 48);
    v128.store(ob, b0);
    v128.store(ob, b1, 16);
    v128.store(ob, b2, 32);
    v128.store(ob, b3, 48);
  }
  for (; at < outBytes; at += 32, o += 32) {
    const ob = o + outBytes;
    let a0 = v128.load(o), a1 = v128.load(o, 16);
    let b0 = v128.load(ob), b1 = v128.load(ob, 16);
    for (let w = first, v = values + at; w < end; w += 4, v += headBytes) {
      const x = v128.load32_splat(w), y = v128.load32_splat(w, 128);
      const v0 = v128.load(v), v1 = v128.load(v, 16);
      a0 = madd(x, v0, a0);
      a1 = madd(x, v1, a1);
      b0 = madd(y, v0, b0);
      b1 = madd(y, v1, b1);
    }
    v128.store(o, a0);
    v128.store(o, a1, 16);
    v128.store(ob, b0);
    v128.store(ob, b1, 16);
  }
}

export function values3(o: usize, p: usize, values: usize, headBytes: usize, outBytes: usize, from: i32, to: i32): void {
  if (from >= to) return;
  const first = p + (<usize>from << 2), end = p + (<usize>to << 2);
  values += <usize>from * headBytes;
  for (let at: usize = 0; at < outBytes; at += 32, o += 32) {
    const ob = o + outBytes, oc = ob + outBytes;
    let a0 = v128.load(o), a1 = v128.load(o, 16);
    let b0 = v128.load(ob), b1 = v128.load(ob, 16);
    let c0 = v128.load(oc), c1 = v128.load(oc, 16);
    for (let w = first, v = values + at; w < end; w += 4, v += headBytes) {
      const v0 = v128.load(v), v1 = v128.load(v, 16);
      const x = v128.load32_splat(w);
      a0 = madd(x, v0, a0);
      a1 = madd(x, v1, a1);
      const y = v128.load32_splat(w, 128);
      b0 = madd(y, v0, b0);
      b1 = madd(y, v1, b1);
      const z = v128.load32_splat(w, 256);
      c0 = madd(z, v0, c0);
      c1 = madd(z, v1, c1);
    }
    v128.store(o, a0);
    v128.store(o, a1, 16);
    v128.store(ob, b0);
    v128.store(ob, b1, 16);
    v128.store(oc, c0);
    v128.store(oc, c1, 16);
  }
}

export function values4(o: usize, p: usize, values: usize, headBytes: usize, outBytes: usize, from: i32, to: i32): void {
  if (from >= to) return;
  const first = p + (<usize>from << 2), end = p + (<usize>to << 2);
  values += <usize>from * headBytes;
  for (let at: usize = 0; at < outBytes; at += 32, o += 32) {
    const ob = o + outBytes, oc = ob + outBytes, oe = oc + outBytes;
    let a0 = v128.load(o), a1 = v128.load(o, 16);
    let b0 = v128.load(ob), b1 = v128.load(ob, 16);
    let c0 = v128.load(oc), c1 = v128.load(oc, 16);
    let e0 = v128.load(oe), e1 = v128.load(oe, 16);
    for (let w = first, v = values + at; w < end; w += 4, v += headBytes) {
      const v0 = v128.load(v), v1 = v128.load(v, 16);
      const x = v128.load32_splat(w);
      a0 = madd(x, v0, a0);
      a1 = madd(x, v1, a1);
      const y = v128.load32_splat(w, 128);
      b0 = madd(y, v0, b0);
      b1 = madd(y, v1, b1);
      const z = v128.load32_splat(w, 256);
      c0 = madd(z, v0, c0);
      c1 = madd(z, v1, c1);
      const u = v128.load32_splat(w, 384);
      e0 = madd(u, v0, e0);
      e1 = madd(u, v1, e1);
    }
    v128.store(o, a0);
    v128.store(o, a1, 16);
    v128.store(ob, b0);
    v128.store(ob, b1, 16);
    v128.store(oc, c0);
    v128.store(oc, c1, 16);
    v128.store(oe, e0);
    v128.store(oe, e1, 16);
  }
}
