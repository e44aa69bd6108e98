/** y [k, n] = xᵀ of x [n, k], f32 row-major. */
export function transpose(y: usize, x: usize, n: i32, k: i32): void {
  const xRow = <usize>k << 2, yRow = <usize>n << 2;
  for (let i: i32 = 0; i < n; i++) {
    let from = x + <usize>i * xRow, to = y + (<usize>i << 2);
    for (let j: i32 = 0; j < k; j++) {
      store<f32>(to, load<f32>(from));
      from += 4;
      to += yRow;
    }
  }
}
