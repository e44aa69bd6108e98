export function rmsNorm(y: usize, x: usize, w: usize, m: i32, n: i32, eps: f32, offset: f32): void {
  for (let i = 0; i < m; i++) {
    const row = <usize>i * <usize>n * 4;
    let squares: f64 = 0;
    for (let j = 0; j < n; j++) squares += <f64>load<f32>(x + row + <usize>j * 4) * <f64>load<f32>(x + row + <usize>j * 4);
    const scale = 1.0 / sqrt<f64>(squares / <f64>n + <f64>eps);
    for (let j = 0; j < n; j++) {
      const at = <usize>j * 4;
      store<f32>(y + row + at, <f32>(<f64>load<f32>(x + row + at) * scale * (<f64>offset + <f64>load<f32>(w + at))));
    }
  }
}

export function layerNorm(y: usize, x: usize, w: usize, b: usize, m: i32, n: i32, eps: f32): void {
  for (let i = 0; i < m; i++) {
    const row = <usize>i * <usize>n * 4;
    let mean: f64 = 0, variance: f64 = 0;
    for (let j = 0; j < n; j++) mean += <f64>load<f32>(x + row + <usize>j * 4);
    mean /= <f64>n;
    for (let j = 0; j < n; j++) variance += (<f64>load<f32>(x + row + <usize>j * 4) - mean) * (<f64>load<f32>(x + row + <usize>j * 4) - mean);
    const scale = 1.0 / sqrt<f64>(variance / <f64>n + <f64>eps);
    for (let j = 0; j < n; j++) {
      const at = <usize>j * 4;
      const bias: f64 = b ? <f64>load<f32>(b + at) : 0;
      store<f32>(y + row + at, <f32>((<f64>load<f32>(x + row + at) - mean) * scale * <f64>load<f32>(w + at) + bias));
    }
  }
}

export function softmax(y: usize, x: usize, m: i32, n: i32): void {
  for (let i = 0; i < m; i++) {
    const row = <usize>i * <usize>n * 4;
    let top: f64 = -Infinity, total: f64 = 0;
    for (let j = 0; j < n; j++) top = max<f64>(top, <f64>load<f32>(x + row + <usize>j * 4));
    for (let j = 0; j < n; j++) total += NativeMath.exp(<f64>load<f32>(x + row + <usize>j * 4) - top);
    for (let j = 0; j < n; j++) {
      const at = row + <usize>j * 4;
      store<f32>(y + at, <f32>(NativeMath.exp(<f64>load<f32>(x + at) - top) / total));
    }
  }
}
