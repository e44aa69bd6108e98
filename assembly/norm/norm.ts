// Normalisations and softmax over the rows of [m, n] f32. The output may be the input.
//
// The sum of a row is kept in 16 partial sums, element j in the (j mod 16)-th; they are added in a fixed order, so a row's bits depend on n alone.
import { laneMask, maxLanes, storeLanes, sumLanes } from '../simd/lanes';
import { exp4 } from '../simd/exp';

/** Σ (x_j − center)² over one row. */
function sumOfSquares(x: usize, n: i32, center: f32): f32 {
  const c = f32x4.splat(center);
  let s0 = f32x4.splat(0), s1 = f32x4.splat(0), s2 = f32x4.splat(0), s3 = f32x4.splat(0);
  const end16 = x + (<usize>(n & ~15) << 2);
  for (; x < end16; x += 64) {
    const d0 = f32x4.sub(v128.load(x), c), d1 = f32x4.sub(v128.load(x, 16), c), d2 = f32x4.sub(v128.load(x, 32), c), d3 = f32x4.sub(v128.load(x, 48), c);
    s0 = f32x4.add(s0, f32x4.mul(d0, d0));
    s1 = f32x4.add(s1, f32x4.mul(d1, d1));
    s2 = f32x4.add(s2, f32x4.mul(d2, d2));
    s3 = f32x4.add(s3, f32x4.mul(d3, d3));
  }
  for (let left = n & 15; left > 0; left -= 4, x += 16) {
    const d = v128.and(f32x4.sub(v128.load(x), c), laneMask(left));
    s0 = f32x4.add(s0, f32x4.mul(d, d));
  }
  return sumLanes(f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3)));
}

function sum(x: usize, n: i32): f32 {
  let s0 = f32x4.splat(0), s1 = f32x4.splat(0), s2 = f32x4.splat(0), s3 = f32x4.splat(0);
  const end16 = x + (<usize>(n & ~15) << 2);
  for (; x < end16; x += 64) {
    s0 = f32x4.add(s0, v128.load(x));
    s1 = f32x4.add(s1, v128.load(x, 16));
    s2 = f32x4.add(s2, v128.load(x, 32));
    s3 = f32x4.add(s3, v128.load(x, 48));
  }
  for (let left = n & 15; left > 0; left -= 4, x += 16) s0 = f32x4.add(s0, v128.and(v128.load(x), laneMask(left)));
  return sumLanes(f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3)));
}

/** y = x / √(mean x² + eps) · (offset + w): offset 0 as in Llama, 1 as in Gemma. */
export function rmsNorm(y: usize, x: usize, w: usize, m: i32, n: i32, eps: f32, offset: f32): void {
  const o = f32x4.splat(offset);
  const row = <usize>n << 2;
  for (let i = 0; i < m; i++) {
    const inverse = f32x4.splat(<f32>(1.0 / sqrt<f64>(<f64>(sumOfSquares(x, n, 0) / <f32>n) + <f64>eps)));
    const end = <usize>(n & ~3) << 2;
    let at: usize = 0;
    for (; at < end; at += 16) v128.store(y + at, f32x4.mul(f32x4.mul(v128.load(x + at), inverse), f32x4.add(o, v128.load(w + at))));
    if (n & 3) storeLanes(y + at, f32x4.mul(f32x4.mul(v128.load(x + at), inverse), f32x4.add(o, v128.load(w + at))), n & 3);
    x += row;
    y += row;
  }
}

/** y = (x − mean) / √(variance + eps) · w + b; b may be 0: no bias. */
export function layerNorm(y: usize, x: usize, w: usize, b: usize, m: i32, n: i32, eps: f32): void {
  const row = <usize>n << 2;
  for (let i = 0; i < m; i++) {
    const mean = sum(x, n) / <f32>n;
    const inverse = f32x4.splat(<f32>(1.0 / sqrt<f64>(<f64>(sumOfSquares(x, n, mean) / <f32>n) + <f64>eps)));
    const c = f32x4.splat(mean);
    for (let at: usize = 0, left = n; left > 0; at += 16, left -= 4) {
      let v = f32x4.mul(f32x4.mul(f32x4.sub(v128.load(x + at), c), inverse), v128.load(w + at));
      if (b) v = f32x4.add(v, v128.load(b + at));
      if (left >= 4) v128.store(y + at, v);
      else storeLanes(y + at, v, left);
    }
    x += row;
    y += row;
  }
}

/** Each row of [m, n]: e^(x − max) / Σ. The sum is taken in f64: a row may be a whole vocabulary. */
export function softmax(y: usize, x: usize, m: i32, n: i32): void {
  const row = <usize>n << 2;
  for (let i = 0; i < m; i++) {
    let top = f32x4.splat(-Infinity);
    let at: usize = 0, left = n;
    for (; left >= 4; at += 16, left -= 4) top = f32x4.pmax(top, v128.load(x + at));
    if (left) top = f32x4.pmax(top, v128.bitselect(v128.load(x + at), top, laneMask(left)));
    const largest = f32x4.splat(maxLanes(top));
    let low = f64x2.splat(0), high = f64x2.splat(0);
    for (at = 0, left = n; left >= 4; at += 16, left -= 4) {
      const e = exp4(f32x4.sub(v128.load(x + at), largest));
      v128.store(y + at, e);
      low = f64x2.add(low, f64x2.promote_low_f32x4(e));
      high = f64x2.add(high, f64x2.promote_low_f32x4(v128.shuffle<f32>(e, e, 2, 3, 2, 3)));
    }
    if (left) {
      const e = v128.and(exp4(f32x4.sub(v128.load(x + at), largest)), laneMask(left));
      storeLanes(y + at, e, left);
      low = f64x2.add(low, f64x2.promote_low_f32x4(e));
      high = f64x2.add(high, f64x2.promote_low_f32x4(v128.shuffle<f32>(e, e, 2, 3, 2, 3)));
    }
    const total = f64x2.add(low, high);
    const factor = f32x4.splat(<f32>(1.0 / (f64x2.extract_lane(total, 0) + f64x2.extract_lane(total, 1))));
    for (at = 0, left = n; left >= 4; at += 16, left -= 4) v128.store(y + at, f32x4.mul(v128.load(y + at), factor));
    if (left) storeLanes(y + at, f32x4.mul(v128.load(y + at), factor), left);
    x += row;
    y += row;
  }
}
