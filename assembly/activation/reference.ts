/** erf by its series below 3, by the continued fraction of erfc (Lentz's method run backwards) above. About 1e-15 absolute. */
export function erf(x: f64): f64 {
  const a = abs<f64>(x);
  if (a < 3) {
    let term = x, total = x;
    for (let n = 1; n < 120; n++) {
      term *= -x * x / <f64>n;
      total += term / <f64>(2 * n + 1);
    }
    return total * 1.1283791670955125739;
  }
  if (a > 6) return x > 0 ? 1 : -1;
  let f: f64 = 0;
  for (let n = 120; n > 0; n--) f = 0.5 * <f64>n / (a + f);
  const tail = NativeMath.exp(-a * a) / ((a + f) * 1.7724538509055160273);
  return x > 0 ? 1 - tail : tail - 1;
}

function act(x: f64, kind: i32): f64 {
  if (kind == 0) return x > 0 ? x : 0;
  if (kind == 1) return x / (1 + NativeMath.exp(-x));
  if (kind == 2) return 0.5 * x * (1 + erf(x * NativeMath.SQRT1_2));
  return 0.5 * x * (1 + NativeMath.tanh(sqrt<f64>(2.0 / NativeMath.PI) * (x + 0.044715 * x * x * x)));
}

export function activate(y: usize, x: usize, count: i32, kind: i32): void {
  for (let i = 0; i < count; i++) store<f32>(y + <usize>i * 4, <f32>act(<f64>load<f32>(x + <usize>i * 4), kind));
}

export function gate(y: usize, g: usize, u: usize, count: i32, kind: i32): void {
  for (let i = 0; i < count; i++) {
    const at = <usize>i * 4;
    store<f32>(y + at, <f32>(act(<f64>load<f32>(g + at), kind) * <f64>load<f32>(u + at)));
  }
}

export function add(y: usize, a: usize, b: usize, count: i32): void {
  for (let i = 0; i < count; i++) store<f32>(y + <usize>i * 4, load<f32>(a + <usize>i * 4) + load<f32>(b + <usize>i * 4));
}

export function scale(y: usize, x: usize, s: f32, count: i32): void {
  for (let i = 0; i < count; i++) store<f32>(y + <usize>i * 4, load<f32>(x + <usize>i * 4) * s);
}

export function softcap(y: usize, x: usize, cap: f32, count: i32): void {
  for (let i = 0; i < count; i++) store<f32>(y + <usize>i * 4, <f32>(<f64>cap * NativeMath.tanh(<f64>load<f32>(x + <usize>i * 4) / <f64>cap)));
}

export function fill(y: usize, value: f32, count: i32): void {
  for (let i = 0; i < count; i++) store<f32>(y + <usize>i * 4, value);
}

export function accumulate(y: usize, x: usize, s: f32, count: i32): void {
  for (let i = 0; i < count; i++) store<f32>(y + <usize>i * 4, load<f32>(y + <usize>i * 4) + load<f32>(x + <usize>i * 4) * s);
}
