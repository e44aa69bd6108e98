// Scalar references of the kernels that move rows.
import { packedAt } from '../linear/reference';

function at(base: usize, row: i32, stride: i32, column: i32): usize {
  return base + 4 * (<usize>row * <usize>stride + <usize>column);
}

export function gather(y: usize, ldy: i32, ids: usize, w: usize, rows: i32, k: i32, dtype: i32, scale: f32): void {
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < k; j++) store<f32>(at(y, i, ldy, j), scale * packedAt(w, load<i32>(ids + 4 * <usize>i), j, k, dtype));
  }
}

export function replaceRows(y: usize, ldy: i32, ids: usize, rows: i32, k: i32, indices: usize, values: usize, count: i32): void {
  for (let i = 0; i < rows; i++) {
    for (let c = 0; c < count; c++) {
      if (load<u32>(ids + 4 * <usize>i) != load<u32>(indices + 4 * <usize>c)) continue;
      for (let j = 0; j < k; j++) store<f32>(at(y, i, ldy, j), load<f32>(at(values, c, k, j)));
    }
  }
}

export function scatterColumns(y: usize, ldy: i32, src: usize, lds: i32, indices: usize, m: i32, count: i32): void {
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < count; j++) store<f32>(at(y, i, ldy, load<i32>(indices + 4 * <usize>j)), load<f32>(at(src, i, lds, j)));
  }
}

export function copyRows(y: usize, ldy: i32, x: usize, ldx: i32, indices: usize, rows: i32, n: i32): void {
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < n; j++) store<f32>(at(y, i, ldy, j), load<f32>(at(x, load<i32>(indices + 4 * <usize>i), ldx, j)));
  }
}
