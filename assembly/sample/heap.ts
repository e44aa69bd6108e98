/** The k-th largest of x (1 ≤ k ≤ n; no NaN), by a heap of the k largest so far with the least of them on top. heap: k floats. */
export function kthLargest(x: usize, n: i32, k: i32, heap: usize): f32 {
  memory.copy(heap, x, <usize>k << 2);
  for (let i = (k >> 1) - 1; i >= 0; i--) sink(heap, k, i, load<f32>(heap + (<usize>i << 2)));
  let i = k;
  while (i < n) {
    // Most scores are below the least of the heap: pass over four at a time.
    if (i + 4 <= n && !v128.any_true(f32x4.gt(v128.load(x + (<usize>i << 2)), v128.load32_splat(heap)))) {
      i += 4;
      continue;
    }
    for (const end = min<i32>(i + 4, n); i < end; i++) {
      const v = load<f32>(x + (<usize>i << 2));
      if (v > load<f32>(heap)) sink(heap, k, 0, v);
    }
  }
  return load<f32>(heap);
}

/** Puts v at place i or below, so that no parent is larger than its children. */
function sink(heap: usize, k: i32, i: i32, v: f32): void {
  for (;;) {
    let child = 2 * i + 1;
    if (child >= k) break;
    let least = load<f32>(heap + (<usize>child << 2));
    if (child + 1 < k) {
      const right = load<f32>(heap + (<usize>(child + 1) << 2));
      if (right < least) {
        least = right;
        child++;
      }
    }
    if (least >= v) break;
    store<f32>(heap + (<usize>i << 2), least);
    i = child;
  }
  store<f32>(heap + (<usize>i << 2), v);
}
