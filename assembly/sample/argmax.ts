/** The index of the first of the largest values; NaN is passed over; 0 if there is nothing else. */
export function argmax(x: usize, n: i32): i32 {
  const end = x + (<usize>n << 2), end4 = x + (<usize>(n & ~3) << 2);
  // pmax(a, b) = a < b ? b : a keeps a when b is NaN.
  let top = f32x4.splat(-Infinity);
  let p = x;
  for (; p < end4; p += 16) top = f32x4.pmax(top, v128.load(p));
  let largest = max<f32>(max<f32>(f32x4.extract_lane(top, 0), f32x4.extract_lane(top, 1)), max<f32>(f32x4.extract_lane(top, 2), f32x4.extract_lane(top, 3)));
  for (; p < end; p += 4) if (load<f32>(p) > largest) largest = load<f32>(p);
  const wanted = f32x4.splat(largest);
  for (p = x; p < end4; p += 16) {
    const hits = i32x4.bitmask(f32x4.eq(v128.load(p), wanted));
    if (hits) return <i32>((p - x) >>> 2) + ctz<i32>(hits);
  }
  for (; p < end; p += 4) if (load<f32>(p) == largest) return <i32>((p - x) >>> 2);
  return 0;
}
