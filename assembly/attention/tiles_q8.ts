// The inner product of attention over a cache of bytes, for one to four vectors of 16-bit integers against panels of 8 columns:
//
//   y[n][8i + c] (+)= f[n][8i' + c] · Σ_k x[n][k]·panel_i[k][c]       from zero (`fresh`) or from what stands there; i' = i or, where factorNext is 0, 0
//
// k goes by pairs, as both operands hold them: x[2k], x[2k + 1] side by side, and so the two elements of each column, a step of a panel being 16 bytes. The sum is of integers, so exact in
// any order: |Σ| ≤ 127 · 32767 · 32 < 2²⁷. Strides are in bytes.
import { madd } from '../simd/arithmetic';

const ZERO: usize = memory.data<f32>([0, 0, 0, 0, 0, 0, 0, 0], 16);

/** a + the products of pairs in w and x. */
// @ts-ignore: decorator
@inline
function dot(a: v128, w: v128, x: v128): v128 {
  return i32x4.add(a, i32x4.dot_i16x8_s(w, x));
}

/** Eight results of one vector. */
// @ts-ignore: decorator
@inline
function finish(y: usize, a0: v128, a1: v128, factors: usize, init: usize): void {
  v128.store(y, madd(f32x4.convert_i32x4_s(a0), v128.load(factors), v128.load(init)));
  v128.store(y, madd(f32x4.convert_i32x4_s(a1), v128.load(factors, 16), v128.load(init, 16)), 16);
}

export function tile1(y: usize, x: usize, panels: usize, pitch: usize, count: i32, steps: i32, factors: usize, factorNext: usize, fresh: bool): void {
  const length = <usize>steps << 4;
  for (; count >= 2; count -= 2) {
    let a0 = v128.load(ZERO), a1 = v128.load(ZERO), b0 = v128.load(ZERO), b1 = v128.load(ZERO);
    let p = panels, q = p + pitch, xi = x;
    for (const end = p + length; p < end; p += 16, q += 16, xi += 4) {
      const u = v128.load32_splat(xi);
      a0 = dot(a0, v128.load_ext<i8>(p), u);
      a1 = dot(a1, v128.load_ext<i8>(p, 8), u);
      b0 = dot(b0, v128.load_ext<i8>(q), u);
      b1 = dot(b1, v128.load_ext<i8>(q, 8), u);
    }
    finish(y, a0, a1, factors, fresh ? ZERO : y);
    factors += factorNext;
    finish(y + 32, b0, b1, factors, fresh ? ZERO : y + 32);
    factors += factorNext;
    y += 64;
    panels += pitch << 1;
  }
  if (count > 0) {
    let a0 = v128.load(ZERO), a1 = v128.load(ZERO);
    for (let p = panels, end = p + length; p < end; p += 16, x += 4) {
      const u = v128.load32_splat(x);
      a0 = dot(a0, v128.load_ext<i8>(p), u);
      a1 = dot(a1, v128.load_ext<i8>(p, 8), u);
    }
    finish(y, a0, a1, factors, fresh ? ZERO : y);
  }
}

export function tile2(y: usize, ldy: usize, x: usize, ldx: usize, panels: usize, pitch: usize, count: i32, steps: i32, factors: usize, ldf: usize, factorNext: usize, fresh: bool): void {
  const length = <usize>steps << 4;
  for (; count > 0; count--) {
    let a0 = v128.load(ZERO), a1 = v128.load(ZERO), b0 = v128.load(ZERO), b1 = v128.load(ZERO);
    let xi = x;
    for (let p = panels, end = p + length; p < end; p += 16, xi += 4) {
      const w0 = v128.load_ext<i8>(p), w1 = v128.load_ext<i8>(p, 8);
      const u = v128.load32_splat(xi);
      a0 = dot(a0, w0, u);
      a1 = dot(a1, w1, u);
      const v = v128.load32_splat(xi + ldx);
      b0 = dot(b0, w0, v);
      b1 = dot(b1, w1, v);
    }
    finish(y, a0, a1, factors, fresh ? ZERO : y);
    finish(y + ldy, b0, b1, factors + ldf, fresh ? ZERO : y + ldy);
    factors += factorNext;
    y += 32;
    panels += pitch;
  }
}

export function tile3(y: usize, ldy: usize, x: usize, ldx: usize, panels: usize, pitch: usize, count: i32, steps: i32, factors: usize, ldf: usize, factorNext: usize, fresh: bool): void {
  const length = <usize>steps << 4, second = ldx << 1;
  for (; count > 0; count--) {
    let a0 = v128.load(ZERO), a1 = v128.load(ZERO), b0 = v128.load(ZERO), b1 = v128.load(ZERO), c0 = v128.load(ZERO), c1 = v128.load(ZERO);
    let xi = x;
    for (let p = panels, end = p + length; p < end; p += 16, xi += 4) {
      const w0 = v128.load_ext<i8>(p), w1 = v128.load_ext<i8>(p, 8);
      const u = v128.load32_splat(xi);
      a0 = dot(a0, w0, u);
      a1 = dot(a1, w1, u);
      const v = v128.load32_splat(xi + ldx);
      b0 = dot(b0, w0, v);
      b1 = dot(b1, w1, v);
      const w = v128.load32_splat(xi + second);
      c0 = dot(c0, w0, w);
      c1 = dot(c1, w1, w);
    }
    let at = y, f = factors;
    finish(at, a0, a1, f, fresh ? ZERO : at);
    at += ldy; f += ldf;
    finish(at, b0, b1, f, fresh ? ZERO : at);
    at += ldy; f += ldf;
    finish(at, c0, c1, f, fresh ? ZERO : at);
    factors += factorNext;
    y += 32;
    panels += pitch;
  }
}

export function tile4(y: usize, ldy: usize, x: usize, ldx: usize, panels: usize, pitch: usize, count: i32, steps: i32, factors: usize, ldf: usize, factorNext: usize, fresh: bool): void {
  const length = <usize>steps << 4, second = ldx << 1, third = second + ldx;
  for (; count > 0; count--) {
    let a0 = v128.load(ZERO), a1 = v128.load(ZERO), b0 = v128.load(ZERO), b1 = v128.load(ZERO);
    let c0 = v128.load(ZERO), c1 = v128.load(ZERO), d0 = v128.load(ZERO), d1 = v128.load(ZERO);
    let xi = x;
    for (let p = panels, end = p + length; p < end; p += 16, xi += 4) {
      const w0 = v128.load_ext<i8>(p), w1 = v128.load_ext<i8>(p, 8);
      const u = v128.load32_splat(xi);
      a0 = dot(a0, w0, u);
      a1 = dot(a1, w1, u);
      const v = v128.load32_splat(xi + ldx);
      b0 = dot(b0, w0, v);
      b1 = dot(b1, w1, v);
      const w = v128.load32_splat(xi + second);
      c0 = dot(c0, w0, w);
      c1 = dot(c1, w1, w);
      const z = v128.load32_splat(xi + third);
      d0 = dot(d0, w0, z);
      d1 = dot(d1, w1, z);
    }
    let at = y, f = factors;
    finish(at, a0, a1, f, fresh ? ZERO : at);
    at += ldy; f += ldf;
    finish(at, b0, b1, f, fresh ? ZERO : at);
    at += ldy; f += ldf;
    finish(at, c0, c1, f, fresh ? ZERO : at);
    at += ldy; f += ldf;
    finish(at, d0, d1, f, fresh ? ZERO : at);
    factors += factorNext;
    y += 32;
    panels += pitch;
  }
}
