export function argmax(x: usize, n: i32): i32 {
  let best = 0;
  let top: f32 = -Infinity;
  for (let i = 0; i < n; i++) {
    const v = load<f32>(x + <usize>i * 4);
    if (v > top) {
      top = v;
      best = i;
    }
  }
  return best;
}
