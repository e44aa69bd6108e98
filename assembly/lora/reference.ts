// Scalar references of the adapters' kernels.
import { packedAt } from '../linear/reference';

function at(base: usize, row: i32, stride: i32, column: i32): usize {
  return base + 4 * (<usize>row * <usize>stride + <usize>column);
}

/** The r-vector of one row, times scale, then B on it; `u` holds the vector. */
function expand(y: usize, u: usize, b: usize, bias: usize, n: i32, rank: i32, scale: f32, dtype: i32, from: i32, to: i32): void {
  for (let j = from; j < min(to, n); j++) {
    let sum = load<f32>(y + 4 * <usize>j);
    if (bias) sum += scale * load<f32>(bias + 4 * <usize>j);
    for (let r = 0; r < rank; r++) sum += load<f32>(u + 4 * <usize>r) * packedAt(b, j, r, rank, dtype);
    store<f32>(y + 4 * <usize>j, sum);
  }
}

export function loraMatmul(
  y: usize, ldy: i32, x: usize, ldx: i32, a: usize, b: usize, bias: usize, scratch: usize, m: i32, n: i32, k: i32, rank: i32, scale: f32, dtype: i32,
  from: i32, to: i32,
): void {
  for (let i = 0; i < m; i++) {
    for (let r = 0; r < rank; r++) {
      let sum: f32 = 0;
      for (let q = 0; q < k; q++) sum += load<f32>(at(x, i, ldx, q)) * packedAt(a, r, q, k, dtype);
      store<f32>(scratch + 4 * <usize>r, sum * scale);
    }
    expand(at(y, i, ldy, 0), scratch, b, bias, n, rank, scale, dtype, from, to);
  }
}

export function loraGather(y: usize, ldy: i32, ids: usize, a: usize, b: usize, scratch: usize, rows: i32, n: i32, rank: i32, scale: f32, dtype: i32): void {
  for (let i = 0; i < rows; i++) {
    for (let r = 0; r < rank; r++) store<f32>(scratch + 4 * <usize>r, scale * packedAt(a, load<i32>(ids + 4 * <usize>i), r, rank, dtype));
    expand(at(y, i, ldy, 0), scratch, b, 0, n, rank, scale, dtype, 0, n);
  }
}

export function addScaledRow(y: usize, ldy: i32, row: usize, m: i32, n: i32, scale: f32): void {
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) store<f32>(at(y, i, ldy, j), load<f32>(at(y, i, ldy, j)) + scale * load<f32>(row + 4 * <usize>j));
  }
}

export function doraNorms(out: usize, w: usize, wdtype: i32, a: usize, b: usize, dtype: i32, n: i32, k: i32, rank: i32, scratch: usize): void {
  for (let i = 0; i < n; i++) {
    let ww: f64 = 0, wd: f64 = 0, dd: f64 = 0;
    for (let j = 0; j < k; j++) {
      let delta: f32 = 0;
      for (let r = 0; r < rank; r++) delta += packedAt(a, r, j, k, dtype) * packedAt(b, i, r, rank, dtype);
      const weight = <f64>packedAt(w, i, j, k, wdtype);
      ww += weight * weight;
      wd += weight * <f64>delta;
      dd += <f64>delta * <f64>delta;
    }
    store<f32>(at(out, 0, n, i), <f32>ww);
    store<f32>(at(out, 1, n, i), <f32>(2 * wd));
    store<f32>(at(out, 2, n, i), <f32>dd);
  }
}

export function doraColumnNorms(out: usize, w: usize, wdtype: i32, a: usize, b: usize, dtype: i32, vocab: i32, dim: i32, rank: i32, scratch: usize): void {
  for (let d = 0; d < dim; d++) {
    let ww: f64 = 0, wd: f64 = 0, dd: f64 = 0;
    for (let v = 0; v < vocab; v++) {
      let delta: f32 = 0;
      for (let r = 0; r < rank; r++) delta += packedAt(a, v, r, rank, dtype) * packedAt(b, d, r, rank, dtype);
      const weight = <f64>packedAt(w, v, d, dim, wdtype);
      ww += weight * weight;
      wd += weight * <f64>delta;
      dd += <f64>delta * <f64>delta;
    }
    store<f32>(at(out, 0, dim, d), <f32>ww);
    store<f32>(at(out, 1, dim, d), <f32>(2 * wd));
    store<f32>(at(out, 2, dim, d), <f32>dd);
  }
}

export function doraFactor(g: usize, magnitude: usize, norms: usize, n: i32, scale: f32): void {
  for (let j = 0; j < n; j++) {
    const s = <f64>scale, ww = <f64>load<f32>(at(norms, 0, n, j)), wd = <f64>load<f32>(at(norms, 1, n, j)), dd = <f64>load<f32>(at(norms, 2, n, j));
    store<f32>(g + 4 * <usize>j, <f32>(<f64>load<f32>(magnitude + 4 * <usize>j) / sqrt(ww + s * wd + s * s * dd)));
  }
}

export function doraBase(y: usize, ldy: i32, base: usize, ldb: i32, factor: usize, bias: usize, m: i32, n: i32): void {
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let value = load<f32>(factor + 4 * <usize>j) * load<f32>(at(base, i, ldb, j));
      if (bias) value = load<f32>(bias + 4 * <usize>j) + value;
      store<f32>(at(y, i, ldy, j), value);
    }
  }
}

export function addScaledColumns(y: usize, ldy: i32, u: usize, ldu: i32, g: usize, m: i32, n: i32): void {
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) store<f32>(at(y, i, ldy, j), load<f32>(at(y, i, ldy, j)) + load<f32>(g + 4 * <usize>j) * load<f32>(at(u, i, ldu, j)));
  }
}

export function addLowRank(
  w: usize, n: i32, k: i32, left: usize, ls: i32, lc: i32, right: usize, rs: i32, rc: i32, rank: i32, scale: f32,
): void {
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < k; j++) {
      let sum = load<f32>(at(w, i, k, j));
      for (let r = 0; r < rank; r++) {
        const l = load<f32>(left + 4 * (<usize>i * <usize>ls + <usize>r * <usize>lc)), p = load<f32>(right + 4 * (<usize>r * <usize>rs + <usize>j * <usize>rc));
        sum += scale * l * p;
      }
      store<f32>(at(w, i, k, j), sum);
    }
  }
}

export function scaleRows(w: usize, g: usize, n: i32, k: i32): void {
  for (let i = 0; i < n; i++) for (let j = 0; j < k; j++) store<f32>(at(w, i, k, j), load<f32>(at(w, i, k, j)) * load<f32>(g + 4 * <usize>i));
}

export function scaleColumns(w: usize, g: usize, n: i32, k: i32): void {
  for (let i = 0; i < n; i++) for (let j = 0; j < k; j++) store<f32>(at(w, i, k, j), load<f32>(at(w, i, k, j)) * load<f32>(g + 4 * <usize>j));
}
