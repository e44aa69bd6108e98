function f32At(x: usize, i: i32): f32 {
  return load<f32>(x + <usize>i * 4);
}

export function copyScaled(y: usize, ldy: i32, x: usize, ldx: i32, m: i32, n: i32, scale: f32): void {
  for (let i = 0; i < m; i++) for (let j = 0; j < n; j++) store<f32>(y + <usize>(i * ldy + j) * 4, f32At(x, i * ldx + j) * scale);
}

/** Rank of each |x| by counting, earlier ones first among equals; the marks go to scratch. */
export function prune(x: usize, count: i32, keep: i32, scratch: usize): void {
  for (let i = 0; i < count; i++) {
    let before = 0;
    for (let j = 0; j < count; j++) if (abs(f32At(x, j)) > abs(f32At(x, i)) || (abs(f32At(x, j)) == abs(f32At(x, i)) && j < i)) before++;
    store<i32>(scratch + <usize>i * 4, i32(before < keep));
  }
  for (let i = 0; i < count; i++) if (!load<i32>(scratch + <usize>i * 4)) store<f32>(x + <usize>i * 4, 0);
}

export function bernoulli(mask: usize, count: i32, density: f64, state: usize): void {
  for (let i = 0; i < count; i++) {
    const old = load<u64>(state);
    store<u64>(state, old * 6364136223846793005 + 1442695040888963407);
    const shifted = <u32>(((old >> 18) ^ old) >> 27);
    const rot = <u32>(old >> 59);
    const drawn = (shifted >> rot) | (shifted << ((0 - rot) & 31));
    store<u8>(mask + <usize>i, <f64>drawn / 4294967296.0 < density ? 1 : 0);
  }
}

export function drop(x: usize, mask: usize, count: i32, density: f32): void {
  for (let i = 0; i < count; i++) store<f32>(x + <usize>i * 4, f32At(x, i) * <f32>load<u8>(mask + <usize>i) / density);
}

function sign(x: f32): i32 {
  return x > 0 ? 1 : x < 0 ? -1 : 0;
}

export function disjointMerge(y: usize, tensors: usize, weights: usize, adapters: i32, count: i32, method: i32): void {
  for (let i = 0; i < count; i++) {
    let total: f32 = 0, signs = 0;
    for (let a = 0; a < adapters; a++) {
      total += f32At(load<u32>(tensors + <usize>a * 4), i);
      signs += sign(f32At(load<u32>(tensors + <usize>a * 4), i));
    }
    const majority = (method == 0 ? total >= 0 : signs >= 0) ? 1 : -1;
    let sum: f32 = 0, number = 0;
    for (let a = 0; a < adapters; a++) {
      const t = f32At(load<u32>(tensors + <usize>a * 4), i);
      if (sign(t) != majority) continue;
      sum += t * f32At(weights, a);
      number++;
    }
    store<f32>(y + <usize>i * 4, sum / <f32>max(number, 1));
  }
}

/** The projections are taken in f64, each row against the rows of q as they are stored; one pass is enough for rows that are far from dependent. */
export function orthonormalize(q: usize, t: usize, r: usize, k: i32, n: i32, scratch: usize): void {
  for (let i = 0; i < k; i++) {
    for (let c = 0; c < n; c++) store<f64>(scratch + <usize>c * 8, <f64>f32At(r, i * n + c));
    for (let j = 0; j < k; j++) {
      let along: f64 = 0;
      if (j < i) {
        for (let c = 0; c < n; c++) along += <f64>f32At(r, i * n + c) * <f64>f32At(q, j * n + c);
        for (let c = 0; c < n; c++) store<f64>(scratch + <usize>c * 8, load<f64>(scratch + <usize>c * 8) - along * <f64>f32At(q, j * n + c));
      }
      store<f32>(t + <usize>(i * k + j) * 4, <f32>along);
    }
    let squares: f64 = 0;
    for (let c = 0; c < n; c++) squares += load<f64>(scratch + <usize>c * 8) * load<f64>(scratch + <usize>c * 8);
    const norm = sqrt<f64>(squares);
    store<f32>(t + <usize>(i * k + i) * 4, <f32>norm);
    for (let c = 0; c < n; c++) store<f32>(q + <usize>(i * n + c) * 4, <f32>(load<f64>(scratch + <usize>c * 8) / norm));
  }
}

/** Eigenvectors of the Gram matrix by cyclic Jacobi rotations; scratch [ G: d × d ][ V: d × d ][ a row ] f64. */
export function svd(b: usize, a: usize, w: usize, m: i32, n: i32, rank: i32, scratch: usize): i32 {
  const d = min(m, n), length = max(m, n);
  const g = scratch, v = scratch + <usize>(d * d) * 8, row = v + <usize>(d * d) * 8;
  for (let i = 0; i < d; i++) {
    for (let j = 0; j < d; j++) {
      let sum: f64 = 0;
      for (let k = 0; k < length; k++) {
        sum += n <= m ? <f64>f32At(w, k * n + i) * <f64>f32At(w, k * n + j) : <f64>f32At(w, i * n + k) * <f64>f32At(w, j * n + k);
      }
      put(g, i * d + j, sum);
      put(v, i * d + j, i == j ? 1 : 0);
    }
  }
  for (let sweep = 0; sweep < 40; sweep++) {
    for (let p = 0; p < d; p++) {
      for (let q = p + 1; q < d; q++) {
        const off = at(g, p * d + q);
        if (off == 0) continue;
        const tau = (at(g, q * d + q) - at(g, p * d + p)) / (2 * off);
        const t = (tau >= 0 ? 1.0 : -1.0) / (abs(tau) + sqrt(1 + tau * tau));
        const c = 1 / sqrt(1 + t * t), s = t * c;
        for (let k = 0; k < d; k++) {
          const x = at(g, k * d + p), y = at(g, k * d + q);
          put(g, k * d + p, c * x - s * y);
          put(g, k * d + q, s * x + c * y);
        }
        for (let k = 0; k < d; k++) {
          const x = at(g, p * d + k), y = at(g, q * d + k);
          put(g, p * d + k, c * x - s * y);
          put(g, q * d + k, s * x + c * y);
        }
        for (let k = 0; k < d; k++) {
          const x = at(v, k * d + p), y = at(v, k * d + q);
          put(v, k * d + p, c * x - s * y);
          put(v, k * d + q, s * x + c * y);
        }
      }
    }
  }
  for (let r = 0; r < rank; r++) {
    let best = -1;
    for (let i = 0; i < d; i++) if (at(g, i * d + i) > -1e300 && (best < 0 || at(g, i * d + i) > at(g, best * d + best))) best = i;
    for (let i = 0; i < m; i++) store<f32>(b + <usize>(i * rank + r) * 4, 0);
    for (let j = 0; j < n; j++) store<f32>(a + <usize>(r * n + j) * 4, 0);
    if (best < 0) continue;
    put(g, best * d + best, -Infinity);
    // The other singular vector times the singular value, and that value.
    let squares: f64 = 0;
    for (let k = 0; k < length; k++) {
      let sum: f64 = 0;
      for (let i = 0; i < d; i++) sum += at(v, i * d + best) * <f64>(n <= m ? f32At(w, k * n + i) : f32At(w, i * n + k));
      put(row, k, sum);
      squares += sum * sum;
    }
    const value = sqrt(squares);
    for (let i = 0; i < m; i++) store<f32>(b + <usize>(i * rank + r) * 4, <f32>(n <= m ? at(row, i) : at(v, i * d + best) * value));
    for (let j = 0; j < n; j++) store<f32>(a + <usize>(r * n + j) * 4, <f32>(n <= m ? at(v, j * d + best) : value > 0 ? at(row, j) / value : 0));
  }
  return 1;
}

function at(x: usize, i: i32): f64 {
  return load<f64>(x + <usize>i * 8);
}

function put(x: usize, i: i32, value: f64): void {
  store<f64>(x + <usize>i * 8, value);
}
