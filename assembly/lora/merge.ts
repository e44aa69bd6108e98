// Changes to f32 row-major weights, for merging and export; not on the path to a token.
import { madd } from '../simd/arithmetic';

/**
 * W [n, k] += scale·L·R: W[i, j] + Σ_r (scale·L[i, r])·R[r, j], r in order. L[i, r] stands at left + i·ls + r·lc elements, R[r, j] at
 * right + r·rs + j·rc, so that either factor may be transposed.
 */
export function addLowRank(
  w: usize, n: i32, k: i32, left: usize, ls: i32, lc: i32, right: usize, rs: i32, rc: i32, rank: i32, scale: f32,
): void {
  const row = <usize>k << 2, lRow = <usize>ls << 2, lColumn = <usize>lc << 2, rRow = <usize>rs << 2, rColumn = <usize>rc << 2;
  for (; n > 0; n -= 4) {
    const rows = min(n, 4);
    let to = w, from = right;
    for (let j = k; j > 0; j -= 8) {
      if (rows == 4 && j >= 8) block4x8(to, row, left, lRow, lColumn, from, rRow, rColumn, rank, scale);
      else for (let i: usize = 0; i < <usize>rows; i++) singles(to + i * row, min(j, 8), left + i * lRow, lColumn, from, rRow, rColumn, rank, scale);
      to += 32;
      from += rColumn << 3;
    }
    w += row << 2;
    left += lRow << 2;
  }
}

/** Four elements, `step` bytes apart. */
// @ts-ignore: decorator
@inline function four(p: usize, step: usize): v128 {
  if (step == 4) return v128.load(p);
  const pair = v128.load32_lane(p + step, v128.load32_zero(p), 1);
  return v128.load32_lane(p + 3 * step, v128.load32_lane(p + 2 * step, pair, 2), 3);
}

function block4x8(w: usize, row: usize, left: usize, lRow: usize, lColumn: usize, right: usize, rRow: usize, rColumn: usize, rank: i32, scale: f32): void {
  const w1 = w + row, w2 = w1 + row, w3 = w2 + row;
  let c0 = v128.load(w), c1 = v128.load(w, 16), d0 = v128.load(w1), d1 = v128.load(w1, 16);
  let e0 = v128.load(w2), e1 = v128.load(w2, 16), f0 = v128.load(w3), f1 = v128.load(w3, 16);
  const s = f32x4.splat(scale);
  for (; rank > 0; rank--) {
    const r0 = four(right, rColumn), r1 = four(right + 4 * rColumn, rColumn);
    let l = f32x4.mul(s, v128.load32_splat(left));
    c0 = madd(l, r0, c0);
    c1 = madd(l, r1, c1);
    l = f32x4.mul(s, v128.load32_splat(left + lRow));
    d0 = madd(l, r0, d0);
    d1 = madd(l, r1, d1);
    l = f32x4.mul(s, v128.load32_splat(left + 2 * lRow));
    e0 = madd(l, r0, e0);
    e1 = madd(l, r1, e1);
    l = f32x4.mul(s, v128.load32_splat(left + 3 * lRow));
    f0 = madd(l, r0, f0);
    f1 = madd(l, r1, f1);
    left += lColumn;
    right += rRow;
  }
  v128.store(w, c0);
  v128.store(w, c1, 16);
  v128.store(w1, d0);
  v128.store(w1, d1, 16);
  v128.store(w2, e0);
  v128.store(w2, e1, 16);
  v128.store(w3, f0);
  v128.store(w3, f1, 16);
}

/** `count` neighbours of one row, at the ragged edges. */
function singles(w: usize, count: i32, left: usize, lColumn: usize, right: usize, rRow: usize, rColumn: usize, rank: i32, scale: f32): void {
  for (; count > 0; count--) {
    let sum = load<f32>(w), l = left, r = right;
    for (let q = 0; q < rank; q++) {
      sum += scale * load<f32>(l) * load<f32>(r);
      l += lColumn;
      r += rRow;
    }
    store<f32>(w, sum);
    w += 4;
    right += rColumn;
  }
}

/** W[i, j] *= g[i]. */
export function scaleRows(w: usize, g: usize, n: i32, k: i32): void {
  const row = <usize>k << 2, even = row & ~15;
  for (; n > 0; n--) {
    const factor = load<f32>(g), factors = f32x4.splat(factor);
    let j: usize = 0;
    for (; j < even; j += 16) v128.store(w + j, f32x4.mul(factors, v128.load(w + j)));
    for (; j < row; j += 4) store<f32>(w + j, factor * load<f32>(w + j));
    w += row;
    g += 4;
  }
}

/** W[i, j] *= g[j]. */
export function scaleColumns(w: usize, g: usize, n: i32, k: i32): void {
  const row = <usize>k << 2, even = row & ~15;
  for (; n > 0; n--) {
    let j: usize = 0;
    for (; j < even; j += 16) v128.store(w + j, f32x4.mul(v128.load(g + j), v128.load(w + j)));
    for (; j < row; j += 4) store<f32>(w + j, load<f32>(g + j) * load<f32>(w + j));
    w += row;
  }
}
