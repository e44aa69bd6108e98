// The two inner products of attention over a cache of bytes (kv.ts), for one to four vectors against one block. Sums within a group of 32 are integers, so exact
// in any order; the groups are added in order.
//
//   bytesOfQuery(to, q, headDim)             a query as 16-bit integers, largest 32767, zeros up to a multiple of 8; returns what one is worth
//   bytesOfWeights(p, scales, from, to)      32 weights times the scales of their values as 16-bit integers, in their place; zeros but for from … to; returns what one is worth
//   scoresN(s, q, qBytes, keys, headDim)     s[n][t] = Σ_g scale_g,t · Σ_d q_n[d] · key_t[d], d over group g
//   valuesN(o, p, sums, values, …, from, to) o[n][d] += worth_n · Σ_t p_n[t] · value_t[d] over pairs of positions from/2 … ⌈to/2⌉
//
// |Σ| ≤ 127 · 32767 · 32 < 2²⁷. p: 128 bytes a vector; sums: 16 bytes a vector, worth_n the last float of it.
import { madd } from '../simd/arithmetic';
import { laneMask } from '../simd/lanes';
import { GROUP, largestOf, rounded } from './kv';

const ZERO: usize = memory.data<f32>([0, 0, 0, 0], 16);
const SMALLEST: f32 = 1e-30;

export function bytesOfQuery(to: usize, q: usize, headDim: i32): f32 {
  const largest = largestOf(q, headDim);
  // Not finite: the integers are anything, and worth NaN.
  const inverse: f32 = largest < SMALLEST ? 0 : <f32>32767 / largest;
  for (let d = 0; d < headDim; d += 4, q += 16, to += 8) {
    const integers = v128.and(rounded(q, inverse), laneMask(headDim - d));
    v128.store64_lane(to, i16x8.narrow_i32x4_s(integers, integers), 0);
  }
  if ((headDim + 3 >> 2) & 1) store<u64>(to, 0);
  if (!(largest < Infinity)) return NaN;
  return largest < SMALLEST ? 0 : largest / 32767;
}

export function bytesOfWeights(p: usize, scales: usize, from: i32, to: i32): f32 {
  let top = v128.load(ZERO);
  for (let t = 0; t < 32; t += 4) {
    const at = <usize>t << 2;
    const seen = v128.andnot(laneMask(to - t), laneMask(from - t));
    const w = v128.and(f32x4.mul(v128.load(p + at), v128.load(scales + at)), seen);
    v128.store(p + at, w);
    top = f32x4.max(top, w);
  }
  const largest = max<f32>(max<f32>(f32x4.extract_lane(top, 0), f32x4.extract_lane(top, 1)), max<f32>(f32x4.extract_lane(top, 2), f32x4.extract_lane(top, 3)));
  const inverse: f32 = largest < SMALLEST ? 0 : <f32>32767 / largest;
  for (let i: usize = 0; i < 4; i++) {
    const at = p + (i << 5);
    v128.store(p + (i << 4), i16x8.narrow_i32x4_s(rounded(at, inverse), rounded(at + 16, inverse)));
  }
  if (!(largest < Infinity)) return NaN;
  return largest < SMALLEST ? 0 : largest / 32767;
}

/** a + the products of pairs in w and x. */
// @ts-ignore: decorator
@inline
function dot(a: v128, w: v128, x: v128): v128 {
  return i32x4.add(a, i32x4.dot_i16x8_s(w, x));
}

/** t + scale · a. */
// @ts-ignore: decorator
@inline
function worth(t: v128, a: v128, scale: v128): v128 {
  return madd(f32x4.convert_i32x4_s(a), scale, t);
}

/** Bytes of the pairs of one group of `left` elements or more. */
// @ts-ignore: decorator
@inline
function groupBytes(left: i32): usize {
  return <usize>((min<i32>(GROUP, left) + 1) >> 1) << 6;
}

export function scores1(s: usize, q: usize, qBytes: usize, keys: usize, headDim: i32): void {
  const scaleBytes = <usize>((headDim + GROUP - 1) / GROUP) << 7;
  for (let panel: usize = 0; panel < 2; panel++, s += 64) {
    let t0 = v128.load(ZERO), t1 = v128.load(ZERO), t2 = v128.load(ZERO), t3 = v128.load(ZERO);
    let k = keys + scaleBytes + (panel << 5), scale = keys + (panel << 6), x = q;
    for (let left = headDim; left > 0; left -= GROUP, scale += 128) {
      let a0 = v128.load(ZERO), a1 = v128.load(ZERO), a2 = v128.load(ZERO), a3 = v128.load(ZERO);
      for (const end = k + groupBytes(left); k < end; k += 64, x += 4) {
        const y = v128.load32_splat(x);
        a0 = dot(a0, v128.load_ext<i8>(k), y);
        a1 = dot(a1, v128.load_ext<i8>(k, 8), y);
        a2 = dot(a2, v128.load_ext<i8>(k, 16), y);
        a3 = dot(a3, v128.load_ext<i8>(k, 24), y);
      }
      t0 = worth(t0, a0, v128.load(scale));
      t1 = worth(t1, a1, v128.load(scale, 16));
      t2 = worth(t2, a2, v128.load(scale, 32));
      t3 = worth(t3, a3, v128.load(scale, 48));
    }
    v128.store(s, t0);
    v128.store(s, t1, 16);
    v128.store(s, t2, 32);
    v128.store(s, t3, 48);
  }
}

export function scores2(s: usize, q: usize, qBytes: usize, keys: usize, headDim: i32): void {
  const scaleBytes = <usize>((headDim + GROUP - 1) / GROUP) << 7;
  const sb = s + 128;
  for (let panel: usize = 0; panel < 128; panel += 32) {
    let t0 = v128.load(ZERO), t1 = v128.load(ZERO), u0 = v128.load(ZERO), u1 = v128.load(ZERO);
    let k = keys + scaleBytes + (panel >> 1), scale = keys + panel, x = q;
    for (let left = headDim; left > 0; left -= GROUP, scale += 128) {
      let a0 = v128.load(ZERO), a1 = v128.load(ZERO), b0 = v128.load(ZERO), b1 = v128.load(ZERO);
      for (const end = k + groupBytes(left); k < end; k += 64, x += 4) {
        const k0 = v128.load_ext<i8>(k), k1 = v128.load_ext<i8>(k, 8);
        const y = v128.load32_splat(x), z = v128.load32_splat(x + qBytes);
        a0 = dot(a0, k0, y);
        a1 = dot(a1, k1, y);
        b0 = dot(b0, k0, z);
        b1 = dot(b1, k1, z);
      }
      const f0 = v128.load(scale), f1 = v128.load(scale, 16);
      t0 = worth(t0, a0, f0);
      t1 = worth(t1, a1, f1);
      u0 = worth(u0, b0, f0);
      u1 = worth(u1, b1, f1);
    }
    v128.store(s + panel, t0);
    v128.store(s + panel, t1, 16);
    v128.store(sb + panel, u0);
    v128.store(sb + panel, u1, 16);
  }
}

export function scores3(s: usize, q: usize, qBytes: usize, keys: usize, headDim: i32): void {
  const scaleBytes = <usize>((headDim + GROUP - 1) / GROUP) << 7;
  const start = q, second = qBytes, third = qBytes << 1;
  for (let panel: usize = 0; panel < 128; panel += 32) {
    let k = keys + scaleBytes + (panel >> 1), scale = keys + panel, x = start;
    let t0 = v128.load(ZERO), t1 = v128.load(ZERO), u0 = v128.load(ZERO), u1 = v128.load(ZERO), w0 = v128.load(ZERO), w1 = v128.load(ZERO);
    for (let left = headDim; left > 0; left -= GROUP, scale += 128) {
      let a0 = v128.load(ZERO), a1 = v128.load(ZERO), b0 = v128.load(ZERO), b1 = v128.load(ZERO), c0 = v128.load(ZERO), c1 = v128.load(ZERO);
      for (const end = k + groupBytes(left); k < end; k += 64, x += 4) {
        const k0 = v128.load_ext<i8>(k), k1 = v128.load_ext<i8>(k, 8);
        const y = v128.load32_splat(x);
        a0 = dot(a0, k0, y);
        a1 = dot(a1, k1, y);
        const z = v128.load32_splat(x + second);
        b0 = dot(b0, k0, z);
        b1 = dot(b1, k1, z);
        const v = v128.load32_splat(x + third);
        c0 = dot(c0, k0, v);
        c1 = dot(c1, k1, v);
      }
      const f0 = v128.load(scale), f1 = v128.load(scale, 16);
      t0 = worth(t0, a0, f0);
      t1 = worth(t1, a1, f1);
      u0 = worth(u0, b0, f0);
      u1 = worth(u1, b1, f1);
      w0 = worth(w0, c0, f0);
      w1 = worth(w1, c1, f1);
    }
    const at = s + panel;
    v128.store(at, t0);
    v128.store(at, t1, 16);
    v128.store(at, u0, 128);
    v128.store(at, u1, 144);
    v128.store(at, w0, 256);
    v128.store(at, w1, 272);
  }
}

/** Values of one vector: 8 columns at a time. */
export function values1(o: usize, p: usize, sums: usize, values: usize, columns: usize, from: i32, to: i32): void {
  const scale = v128.load32_splat(sums, 12);
  const first = p + (<usize>(from >> 1) << 2), end = p + (<usize>((to + 1) >> 1) << 2);
  const pitch = columns << 1;
  values += <usize>(from >> 1) * pitch;
  for (let at: usize = 0; at < pitch; at += 16, o += 32) {
    let a0 = v128.load(ZERO), a1 = v128.load(ZERO);
    for (let w = first, v = values + at; w < end; w += 4, v += pitch) {
      const x = v128.load32_splat(w);
      a0 = dot(a0, v128.load_ext<i8>(v), x);
      a1 = dot(a1, v128.load_ext<i8>(v, 8), x);
    }
    v128.store(o, worth(v128.load(o), a0, scale));
    v128.store(o, worth(v128.load(o, 16), a1, scale), 16);
  }
}

export function values2(o: usize, p: usize, sums: usize, values: usize, columns: usize, from: i32, to: i32): void {
  const first = p + (<usize>(from >> 1) << 2), end = p + (<usize>((to + 1) >> 1) << 2);
  const pitch = columns << 1, outBytes = columns << 2;
  values += <usize>(from >> 1) * pitch;
  for (let at: usize = 0; at < pitch; at += 16, o += 32) {
    let a0 = v128.load(ZERO), a1 = v128.load(ZERO), b0 = v128.load(ZERO), b1 = v128.load(ZERO);
    for (let w = first, v = values + at; w < end; w += 4, v += pitch) {
      const v0 = v128.load_ext<i8>(v), v1 = v128.load_ext<i8>(v, 8);
      const x = v128.load32_splat(w), y = v128.load32_splat(w, 128);
      a0 = dot(a0, v0, x);
      a1 = dot(a1, v1, x);
      b0 = dot(b0, v0, y);
      b1 = dot(b1, v1, y);
    }
    add8(o, a0, a1, sums);
    add8(o + outBytes, b0, b1, sums + 16);
  }
}

export function values3(o: usize, p: usize, sums: usize, values: usize, columns: usize, from: i32, to: i32): void {
  const first = p + (<usize>(from >> 1) << 2), end = p + (<usize>((to + 1) >> 1) << 2);
  const pitch = columns << 1, outBytes = columns << 2;
  values += <usize>(from >> 1) * pitch;
  for (let at: usize = 0; at < pitch; at += 16, o += 32) {
    let a0 = v128.load(ZERO), a1 = v128.load(ZERO), b0 = v128.load(ZERO), b1 = v128.load(ZERO), c0 = v128.load(ZERO), c1 = v128.load(ZERO);
    for (let w = first, v = values + at; w < end; w += 4, v += pitch) {
      const v0 = v128.load_ext<i8>(v), v1 = v128.load_ext<i8>(v, 8);
      const x = v128.load32_splat(w);
      a0 = dot(a0, v0, x);
      a1 = dot(a1, v1, x);
      const y = v128.load32_splat(w, 128);
      b0 = dot(b0, v0, y);
      b1 = dot(b1, v1, y);
      const z = v128.load32_splat(w, 256);
      c0 = dot(c0, v0, z);
      c1 = dot(c1, v1, z);
    }
    add8(o, a0, a1, sums);
    add8(o + outBytes, b0, b1, sums + 16);
    add8(o + (outBytes << 1), c0, c1, sums + 32);
  }
}

/** Eight floats of one vector's output plus what its integers are worth. */
// @ts-ignore: decorator
@inline
function add8(o: usize, a0: v128, a1: v128, sums: usize): void {
  const scale = v128.load32_splat(sums, 12);
  v128.store(o, worth(v128.load(o), a0, scale));
  v128.store(o, worth(v128.load(o, 16), a1, scale), 16);
}

export function scores4(s: usize, q: usize, qBytes: usize, keys: usize, headDim: i32): void {
  const scaleBytes = <usize>((headDim + GROUP - 1) / GROUP) << 7;
  const second = qBytes, third = qBytes << 1, fourth = second + third;
  for (let panel: usize = 0; panel < 128; panel += 32) {
    const at = s + panel;
    let k = keys + scaleBytes + (panel >> 1), scale = keys + panel, x = q;
    for (let left = headDim; left > 0; left -= GROUP, scale += 128) {
      let a0 = v128.load(ZERO), a1 = v128.load(ZERO), b0 = v128.load(ZERO), b1 = v128.load(ZERO);
      let c0 = v128.load(ZERO), c1 = v128.load(ZERO), e0 = v128.load(ZERO), e1 = v128.load(ZERO);
      for (const end = k + groupBytes(left); k < end; k += 64, x += 4) {
        const k0 = v128.load_ext<i8>(k), k1 = v128.load_ext<i8>(k, 8);
        const y = v128.load32_splat(x);
        a0 = dot(a0, k0, y);
        a1 = dot(a1, k1, y);
        const z = v128.load32_splat(x + second);
        b0 = dot(b0, k0, z);
        b1 = dot(b1, k1, z);
        const u = v128.load32_splat(x + third);
        c0 = dot(c0, k0, u);
        c1 = dot(c1, k1, u);
        const v = v128.load32_splat(x + fourth);
        e0 = dot(e0, k0, v);
        e1 = dot(e1, k1, v);
      }
      // Registers are for the sums at work: those of the groups so far stand in s.
      const f0 = v128.load(scale), f1 = v128.load(scale, 16);
      if (left == headDim) {
        const zero = v128.load(ZERO);
        for (let row: usize = 0; row < 512; row += 128) {
          v128.store(at + row, zero);
          v128.store(at + row, zero, 16);
        }
      }
      v128.store(at, worth(v128.load(at), a0, f0));
      v128.store(at, worth(v128.load(at, 16), a1, f1), 16);
      v128.store(at, worth(v128.load(at, 128), b0, f0), 128);
      v128.store(at, worth(v128.load(at, 144), b1, f1), 144);
      v128.store(at, worth(v128.load(at, 256), c0, f0), 256);
      v128.store(at, worth(v128.load(at, 272), c1, f1), 272);
      v128.store(at, worth(v128.load(at, 384), e0, f0), 384);
      v128.store(at, worth(v128.load(at, 400), e1, f1), 400);
    }
  }
}

export function values4(o: usize, p: usize, sums: usize, values: usize, columns: usize, from: i32, to: i32): void {
  const first = p + (<usize>(from >> 1) << 2), end = p + (<usize>((to + 1) >> 1) << 2);
  const pitch = columns << 1, outBytes = columns << 2;
  values += <usize>(from >> 1) * pitch;
  for (let at: usize = 0; at < pitch; at += 16, o += 32) {
    let a0 = v128.load(ZERO), a1 = v128.load(ZERO), b0 = v128.load(ZERO), b1 = v128.load(ZERO);
    let c0 = v128.load(ZERO), c1 = v128.load(ZERO), e0 = v128.load(ZERO), e1 = v128.load(ZERO);
    for (let w = first, v = values + at; w < end; w += 4, v += pitch) {
      const v0 = v128.load_ext<i8>(v), v1 = v128.load_ext<i8>(v, 8);
      const x = v128.load32_splat(w);
      a0 = dot(a0, v0, x);
      a1 = dot(a1, v1, x);
      const y = v128.load32_splat(w, 128);
      b0 = dot(b0, v0, y);
      b1 = dot(b1, v1, y);
      const z = v128.load32_splat(w, 256);
      c0 = dot(c0, v0, z);
      c1 = dot(c1, v1, z);
      const u = v128.load32_splat(w, 384);
      e0 = dot(e0, v0, u);
      e1 = dot(e1, v1, u);
    }
    add8(o, a0, a1, sums);
    add8(o + outBytes, b0, b1, sums + 16);
    add8(o + (outBytes << 1), c0, c1, sums + 32);
    add8(o + 3 * outBytes, e0, e1, sums + 48);
  }
}
