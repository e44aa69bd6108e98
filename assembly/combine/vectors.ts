// Dot products and updates of f64 rows, two lanes at a time. An odd last element stands alone.

/** Σ x_i·y_i over n f64. */
export function dot(x: usize, y: usize, n: i32): f64 {
  let s0 = f64x2.splat(0), s1 = f64x2.splat(0);
  const end4 = x + (<usize>(n & ~3) << 3);
  for (; x < end4; x += 32, y += 32) {
    s0 = f64x2.add(s0, f64x2.mul(v128.load(x), v128.load(y)));
    s1 = f64x2.add(s1, f64x2.mul(v128.load(x, 16), v128.load(y, 16)));
  }
  const s = f64x2.add(s0, s1);
  let total = f64x2.extract_lane(s, 0) + f64x2.extract_lane(s, 1);
  for (let left = n & 3; left > 0; left--, x += 8, y += 8) total += load<f64>(x) * load<f64>(y);
  return total;
}

/** x += a·y over n f64. */
export function addMultiple(x: usize, y: usize, a: f64, n: i32): void {
  const s = f64x2.splat(a);
  const end = x + (<usize>(n & ~1) << 3);
  for (; x < end; x += 16, y += 16) v128.store(x, f64x2.add(v128.load(x), f64x2.mul(v128.load(y), s)));
  if (n & 1) store<f64>(x, load<f64>(x) + load<f64>(y) * a);
}

/** x += a·y + b·z over n f64. */
export function addTwo(x: usize, y: usize, a: f64, z: usize, b: f64, n: i32): void {
  const s = f64x2.splat(a), t = f64x2.splat(b);
  const end = x + (<usize>(n & ~1) << 3);
  for (; x < end; x += 16, y += 16, z += 16) {
    v128.store(x, f64x2.add(v128.load(x), f64x2.add(f64x2.mul(v128.load(y), s), f64x2.mul(v128.load(z), t))));
  }
  if (n & 1) store<f64>(x, load<f64>(x) + (load<f64>(y) * a + load<f64>(z) * b));
}

/** (x, y) ← (c·x − s·y, s·x + c·y) over n f64. */
export function rotate(x: usize, y: usize, c: f64, s: f64, n: i32): void {
  const cc = f64x2.splat(c), ss = f64x2.splat(s);
  const end = x + (<usize>(n & ~1) << 3);
  for (; x < end; x += 16, y += 16) {
    const a = v128.load(x), b = v128.load(y);
    v128.store(x, f64x2.sub(f64x2.mul(cc, a), f64x2.mul(ss, b)));
    v128.store(y, f64x2.add(f64x2.mul(ss, a), f64x2.mul(cc, b)));
  }
  if (n & 1) {
    const a = load<f64>(x), b = load<f64>(y);
    store<f64>(x, c * a - s * b);
    store<f64>(y, s * a + c * b);
  }
}

/** n f32, `stride` bytes apart → n f64. */
export function promote(to: usize, from: usize, stride: usize, n: i32): void {
  for (let end = to + (<usize>n << 3); to < end; to += 8, from += stride) store<f64>(to, <f64>load<f32>(from));
}

/** Σ x_i·y_i, x f32 and y f64. */
export function dotMixed(x: usize, y: usize, n: i32): f64 {
  let s0 = f64x2.splat(0), s1 = f64x2.splat(0);
  const end4 = x + (<usize>(n & ~3) << 2);
  for (; x < end4; x += 16, y += 32) {
    s0 = f64x2.add(s0, f64x2.mul(f64x2.promote_low_f32x4(v128.load64_zero(x)), v128.load(y)));
    s1 = f64x2.add(s1, f64x2.mul(f64x2.promote_low_f32x4(v128.load64_zero(x, 8)), v128.load(y, 16)));
  }
  const s = f64x2.add(s0, s1);
  let total = f64x2.extract_lane(s, 0) + f64x2.extract_lane(s, 1);
  for (let left = n & 3; left > 0; left--, x += 4, y += 8) total += <f64>load<f32>(x) * load<f64>(y);
  return total;
}

/** x += a·y, x f64 and y f32. */
export function addMultipleMixed(x: usize, y: usize, a: f64, n: i32): void {
  const s = f64x2.splat(a);
  const end = x + (<usize>(n & ~1) << 3);
  for (; x < end; x += 16, y += 8) v128.store(x, f64x2.add(v128.load(x), f64x2.mul(f64x2.promote_low_f32x4(v128.load64_zero(y)), s)));
  if (n & 1) store<f64>(x, load<f64>(x) + <f64>load<f32>(y) * a);
}
