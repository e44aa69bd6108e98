// DoRA: y = bias + g ⊙ (W x) + g ⊙ s·B(A x) with g = magnitude / ‖W + s·BA‖, a norm for each output (of an embedding: for each column).
// The norm depends on s. Kept are ‖w‖², 2·w·(BA) and ‖BA‖² (dora_norms.ts), so that a rescale costs O(outputs): `doraFactor`.
import { madd } from '../simd/arithmetic';

/** g[j] = magnitude[j] / √(ww + s·2wΔ + s²·ΔΔ), worked in f64; `norms`: three rows of n floats. */
export function doraFactor(g: usize, magnitude: usize, norms: usize, n: i32, scale: f32): void {
  const s = <f64>scale, row = <usize>n << 2;
  for (let j: usize = 0; j < row; j += 4) {
    const p = norms + j;
    const square = <f64>load<f32>(p) + s * <f64>load<f32>(p + row) + s * s * <f64>load<f32>(p + 2 * row);
    store<f32>(g + j, <f32>(<f64>load<f32>(magnitude + j) / sqrt(square)));
  }
}

/** y = bias + factor ⊙ base, m rows of n; bias may be 0, y may be base. */
export function doraBase(y: usize, ldy: i32, base: usize, ldb: i32, factor: usize, bias: usize, m: i32, n: i32): void {
  const bytes = <usize>n << 2, even = bytes & ~15;
  for (; m > 0; m--) {
    let j: usize = 0;
    for (; j < even; j += 16) {
      const scaled = f32x4.mul(v128.load(factor + j), v128.load(base + j));
      v128.store(y + j, bias ? f32x4.add(v128.load(bias + j), scaled) : scaled);
    }
    for (; j < bytes; j += 4) {
      const scaled = load<f32>(factor + j) * load<f32>(base + j);
      store<f32>(y + j, bias ? load<f32>(bias + j) + scaled : scaled);
    }
    y += <usize>ldy << 2;
    base += <usize>ldb << 2;
  }
}

/** y[i, j] += g[j]·u[i, j]. */
export function addScaledColumns(y: usize, ldy: i32, u: usize, ldu: i32, g: usize, m: i32, n: i32): void {
  const bytes = <usize>n << 2, even = bytes & ~15;
  for (; m > 0; m--) {
    let j: usize = 0;
    for (; j < even; j += 16) v128.store(y + j, madd(v128.load(g + j), v128.load(u + j), v128.load(y + j)));
    for (; j < bytes; j += 4) store<f32>(y + j, load<f32>(y + j) + load<f32>(g + j) * load<f32>(u + j));
    y += <usize>ldy << 2;
    u += <usize>ldu << 2;
  }
}
