// The best approximation of a given rank, as two LoRA factors: b = U·S, a = Vᵀ, as PEFT's svd forms make them.
//
// The singular vectors of the shorter side d = min(m, n) are the eigenvectors of the Gram matrix (WᵀW or WWᵀ), in f64. Squaring W costs nothing here: the other
// factor is W itself projected on them, so b·a = W·V·Vᵀ (or U·Uᵀ·W) whatever becomes of small singular values.
//
// ΔW = L·R of low rank k needs no dense matrix: with R = T·Q from `orthonormalize`, svd of the small L·T gives b and a', and a = a'·Q.
//
// scratch: [ G: d × d ][ Z: d × d ][ 8 rows of max(m, n) ] f64, that is 4·d² + 16·max(m, n) floats.
import { diagonalize, reflectBack, tridiagonalize } from './eigen';
import { addMultipleMixed, dot, dotMixed, promote } from './vectors';

/**
 * w [m, n] row-major → b [m, rank], a [rank, n]. Ranks beyond min(m, n) are filled with zeros. Returns 1, or 0 if w holds NaN or infinity (b and a are then zeros).
 */
export function svd(b: usize, a: usize, w: usize, m: i32, n: i32, rank: i32, scratch: usize): i32 {
  const d = min<i32>(m, n);
  const row = <usize>d << 3;
  const z = scratch + <usize>d * row;
  const rows = z + <usize>d * row;
  const longer = <usize>max<i32>(m, n) << 3;
  const diagonal = rows, beside = rows + longer, work = rows + 2 * longer;
  memory.fill(b, 0, <usize>m * (<usize>rank << 2));
  memory.fill(a, 0, <usize>n * (<usize>rank << 2));

  gram(scratch, w, m, n, rows);
  let squares: f64 = 0; // Σ w²: finite exactly if all of w is
  for (let i = 0; i < d; i++) squares += load<f64>(scratch + <usize>i * (row + 8));
  if (!(squares < Infinity)) return 0;
  tridiagonalize(scratch, d, diagonal, beside, work);
  diagonalize(diagonal, beside, z, d);

  for (let r = 0, found = min<i32>(rank, d); r < found; r++) {
    const index = takeLargest(diagonal, d);
    const v = z + <usize>index * row;
    reflectBack(v, scratch, d);
    if (n <= m) {
      for (let j = 0; j < n; j++) store<f32>(a + (<usize>r * <usize>n + <usize>j << 2), <f32>load<f64>(v + (<usize>j << 3)));
      for (let i = 0; i < m; i++) {
        store<f32>(b + (<usize>i * <usize>rank + <usize>r << 2), <f32>dotMixed(w + (<usize>i * <usize>n << 2), v, n));
      }
    } else {
      memory.fill(work, 0, <usize>n << 3);
      for (let i = 0; i < m; i++) addMultipleMixed(work, w + (<usize>i * <usize>n << 2), load<f64>(v + (<usize>i << 3)), n);
      const value = sqrt<f64>(dot(work, work, n));
      const inverse = value > 0 ? 1.0 / value : 0;
      for (let j = 0; j < n; j++) store<f32>(a + (<usize>r * <usize>n + <usize>j << 2), <f32>(load<f64>(work + (<usize>j << 3)) * inverse));
      for (let i = 0; i < m; i++) store<f32>(b + (<usize>i * <usize>rank + <usize>r << 2), <f32>(load<f64>(v + (<usize>i << 3)) * value));
    }
  }
  return 1;
}

/** The index of the largest eigenvalue, which is then taken out. */
function takeLargest(values: usize, d: i32): i32 {
  let best = 0;
  let largest: f64 = -Infinity;
  for (let i = 0; i < d; i++) {
    const value = load<f64>(values + (<usize>i << 3));
    if (value > largest) {
      largest = value;
      best = i;
    }
  }
  store<f64>(values + (<usize>best << 3), -Infinity);
  return best;
}

/** g [d, d] = WᵀW (n ≤ m) or WWᵀ: eight rows (or columns) of w at a time, widened into `rows`, added as outer products. */
function gram(g: usize, w: usize, m: i32, n: i32, rows: usize): void {
  const d = min<i32>(m, n), length = max<i32>(m, n);
  const row = <usize>d << 3;
  memory.fill(g, 0, <usize>d * row);
  for (let k = 0; k < length; k += 8) {
    for (let i = 0; i < 8; i++) {
      const to = rows + <usize>i * row;
      if (k + i >= length) memory.fill(to, 0, row);
      else if (n <= m) promote(to, w + (<usize>(k + i) * <usize>n << 2), 4, d);
      else promote(to, w + (<usize>(k + i) << 2), <usize>n << 2, d);
    }
    for (let i = 0; i < d; i++) addOuterRow(g + <usize>i * row, rows, row, <usize>i << 3, i & ~1, d);
  }
  for (let i = 1; i < d; i++) {
    for (let j = 0; j < i; j++) store<f64>(g + <usize>i * row + (<usize>j << 3), load<f64>(g + <usize>j * row + (<usize>i << 3)));
  }
}

/** g_i,j += Σ_r rows[r][i]·rows[r][j] for j = from … d − 1 (from even), eight r; `own` is the place of i in a row. */
function addOuterRow(g: usize, rows: usize, row: usize, own: usize, from: i32, d: i32): void {
  const r1 = rows + row, r2 = r1 + row, r3 = r2 + row, r4 = r3 + row, r5 = r4 + row, r6 = r5 + row, r7 = r6 + row;
  const c0 = v128.load64_splat(rows + own), c1 = v128.load64_splat(r1 + own), c2 = v128.load64_splat(r2 + own), c3 = v128.load64_splat(r3 + own);
  const c4 = v128.load64_splat(r4 + own), c5 = v128.load64_splat(r5 + own), c6 = v128.load64_splat(r6 + own), c7 = v128.load64_splat(r7 + own);
  let j = <usize>from << 3;
  for (const end = <usize>(d & ~1) << 3; j < end; j += 16) {
    let sum = f64x2.add(v128.load(g + j), f64x2.mul(c0, v128.load(rows + j)));
    sum = f64x2.add(sum, f64x2.mul(c1, v128.load(r1 + j)));
    sum = f64x2.add(sum, f64x2.mul(c2, v128.load(r2 + j)));
    sum = f64x2.add(sum, f64x2.mul(c3, v128.load(r3 + j)));
    sum = f64x2.add(sum, f64x2.mul(c4, v128.load(r4 + j)));
    sum = f64x2.add(sum, f64x2.mul(c5, v128.load(r5 + j)));
    sum = f64x2.add(sum, f64x2.mul(c6, v128.load(r6 + j)));
    sum = f64x2.add(sum, f64x2.mul(c7, v128.load(r7 + j)));
    v128.store(g + j, sum);
  }
  if (d & 1) {
    let sum = load<f64>(g + j);
    for (let r = rows, end = rows + 8 * row; r < end; r += row) sum += load<f64>(r + own) * load<f64>(r + j);
    store<f64>(g + j, sum);
  }
}

/**
 * r [k, n] = t [k, k]·q [k, n] with orthonormal rows of q and t lower triangular (Gram and Schmidt, twice over, in f64). A row that depends on those before it gives a
 * zero row of q. q may be r. scratch: n f64.
 */
export function orthonormalize(q: usize, t: usize, r: usize, k: i32, n: i32, scratch: usize): void {
  const row = <usize>n << 2;
  memory.fill(t, 0, <usize>k * (<usize>k << 2));
  for (let i = 0; i < k; i++) {
    promote(scratch, r + <usize>i * row, 4, n);
    const before = sqrt<f64>(dot(scratch, scratch, n));
    const factors = t + (<usize>i * <usize>k << 2);
    for (let pass = 0; pass < 2; pass++) {
      for (let j = 0; j < i; j++) {
        const along = dotMixed(q + <usize>j * row, scratch, n);
        addMultipleMixed(scratch, q + <usize>j * row, -along, n);
        store<f32>(factors + (<usize>j << 2), load<f32>(factors + (<usize>j << 2)) + <f32>along);
      }
    }
    // What is left of a dependent row is the rounding of the rows before it, which are floats.
    const norm = sqrt<f64>(dot(scratch, scratch, n));
    const inverse = norm > 1e-6 * before ? 1.0 / norm : 0;
    for (let j = 0; j < n; j++) store<f32>(q + <usize>i * row + (<usize>j << 2), <f32>(load<f64>(scratch + (<usize>j << 3)) * inverse));
    store<f32>(factors + (<usize>i << 2), inverse == 0 ? 0 : <f32>norm);
  }
}
