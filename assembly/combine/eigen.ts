// Eigenvectors of a symmetric matrix G [d, d] in f64: Householder reflections to a tridiagonal T (Golub and Van Loan, Matrix Computations, 8.3.1), then
// implicit QL with shifts (EISPACK's tql2), its rotations gathered row by row, so that all inner loops run along memory.
//
//   G = Q T Qᵀ, Q = H_0 H_1 … H_{d−3};  T = Zᵀ Λ Z with row i of Z the i-th eigenvector of T;  row i of the result: Q z_i
import { addMultiple, addTwo, dot, rotate } from './vectors';

/** G → T: its diagonal in `diagonal`, the elements beside it in `beside` (d each; the last is 0). H_k = I − v vᵀ; v stands in row k from column k + 1 on. work: d f64. */
export function tridiagonalize(g: usize, d: i32, diagonal: usize, beside: usize, work: usize): void {
  const row = <usize>d << 3;
  for (let k = 0; k < d; k++) {
    const v = g + <usize>k * row + (<usize>(k + 1) << 3);
    const n = d - 1 - k;
    store<f64>(diagonal + (<usize>k << 3), load<f64>(v - 8));
    if (n < 2) {
      store<f64>(beside + (<usize>k << 3), n == 1 ? load<f64>(v) : 0);
      continue;
    }
    // v such that (I − v vᵀ) x = ∓‖x‖ e_0, ‖v‖² = 2
    const first = load<f64>(v);
    const norm = sqrt<f64>(dot(v, v, n));
    if (norm == 0) {
      store<f64>(beside + (<usize>k << 3), 0);
      continue;
    }
    const target = first > 0 ? -norm : norm;
    store<f64>(beside + (<usize>k << 3), target);
    const scale = 1.0 / sqrt<f64>(norm * (norm + abs<f64>(first)));
    store<f64>(v, (first - target) * scale);
    for (let at: usize = 8, end = <usize>n << 3; at < end; at += 8) store<f64>(v + at, load<f64>(v + at) * scale);
    // S ← H S H on what is left, S = G[k+1 …, k+1 …]: p = S v, w = p − (pᵀv / 2) v, S −= v wᵀ + w vᵀ
    const s = v + row;
    for (let i = 0; i < n; i++) store<f64>(work + (<usize>i << 3), dot(s + <usize>i * row, v, n));
    addMultiple(work, v, -0.5 * dot(work, v, n), n);
    for (let i = 0; i < n; i++) {
      addTwo(s + <usize>i * row, work, -load<f64>(v + (<usize>i << 3)), v, -load<f64>(work + (<usize>i << 3)), n);
    }
  }
}

/** T → its eigenvalues in `diagonal`, the eigenvectors as rows of z [d, d]. `beside` is used up. T must be finite: then two or three sweeps a value are enough (60 is a guard). */
export function diagonalize(diagonal: usize, beside: usize, z: usize, d: i32): void {
  const row = <usize>d << 3;
  memory.fill(z, 0, <usize>d * row);
  let norm: f64 = 0;
  for (let i = 0; i < d; i++) {
    store<f64>(z + <usize>i * (row + 8), 1);
    norm = max<f64>(norm, abs<f64>(at(diagonal, i)) + abs<f64>(at(beside, i)));
  }
  const negligible = 2.220446049250313e-16 * norm;
  for (let l = 0; l < d; l++) {
    for (let sweep = 0; sweep < 60; sweep++) {
      // The first place from l on where T falls apart.
      let m = l;
      while (m < d - 1 && !(abs<f64>(at(beside, m)) <= negligible)) m++;
      if (m == l) break;
      // Wilkinson's shift
      let g = (at(diagonal, l + 1) - at(diagonal, l)) / (2 * at(beside, l));
      let r = sqrt<f64>(g * g + 1);
      g = at(diagonal, m) - at(diagonal, l) + at(beside, l) / (g + copysign<f64>(r, g));
      let s: f64 = 1, c: f64 = 1, p: f64 = 0;
      let i = m - 1;
      for (; i >= l; i--) {
        const f = s * at(beside, i), b = c * at(beside, i);
        r = sqrt<f64>(f * f + g * g);
        put(beside, i + 1, r);
        if (r == 0) {
          put(diagonal, i + 1, at(diagonal, i + 1) - p);
          put(beside, m, 0);
          break;
        }
        s = f / r;
        c = g / r;
        g = at(diagonal, i + 1) - p;
        r = (at(diagonal, i) - g) * s + 2 * c * b;
        p = s * r;
        put(diagonal, i + 1, g + p);
        g = c * r - b;
        rotate(z + <usize>i * row, z + <usize>(i + 1) * row, c, s, d);
      }
      if (r == 0 && i >= l) continue;
      put(diagonal, l, at(diagonal, l) - p);
      put(beside, l, g);
      put(beside, m, 0);
    }
  }
}

/** v ← Q v for the reflections that `tridiagonalize` left in g. */
export function reflectBack(v: usize, g: usize, d: i32): void {
  const row = <usize>d << 3;
  for (let k = d - 3; k >= 0; k--) {
    const n = d - 1 - k;
    const h = g + <usize>k * row + (<usize>(k + 1) << 3);
    const part = v + (<usize>(k + 1) << 3);
    addMultiple(part, h, -dot(part, h, n), n);
  }
}

// @ts-ignore: decorator
@inline
function at(x: usize, i: i32): f64 {
  return load<f64>(x + (<usize>i << 3));
}

// @ts-ignore: decorator
@inline
function put(x: usize, i: i32, value: f64): void {
  store<f64>(x + (<usize>i << 3), value);
}
