// Selection among floats ≥ 0 without a sort. Their bits order as they do, so the place of a cut is found by halving the range of bits in which it may
// lie, dropping each time the values on the other side: at most 31 rounds, in practice two or three over all values.

/** Moves the values with bits ≥ middle to the front; returns how many. Without a branch: which way each goes is as good as random. */
export function keepFrom(x: usize, count: i32, middle: i32): i32 {
  let to = x;
  for (let p = x, end = x + (<usize>count << 2); p < end; p += 4) {
    const bits = load<i32>(p);
    store<i32>(to, bits);
    to += <usize>i32(bits >= middle) << 2;
  }
  return <i32>((to - x) >>> 2);
}

export function keepBelow(x: usize, count: i32, middle: i32): i32 {
  let to = x;
  for (let p = x, end = x + (<usize>count << 2); p < end; p += 4) {
    const bits = load<i32>(p);
    store<i32>(to, bits);
    to += <usize>i32(bits < middle) << 2;
  }
  return <i32>((to - x) >>> 2);
}

export function leastBits(x: usize, count: i32): i32 {
  let least = i32x4.splat(i32.MAX_VALUE);
  const end = x + (<usize>count << 2), end4 = x + (<usize>(count & ~3) << 2);
  for (; x < end4; x += 16) least = i32x4.min_s(least, v128.load(x));
  for (; x < end; x += 4) least = i32x4.min_s(least, v128.load32_splat(x));
  return min<i32>(min<i32>(i32x4.extract_lane(least, 0), i32x4.extract_lane(least, 1)), min<i32>(i32x4.extract_lane(least, 2), i32x4.extract_lane(least, 3)));
}

export function largestBits(x: usize, count: i32): i32 {
  let largest = i32x4.splat(0);
  const end = x + (<usize>count << 2), end4 = x + (<usize>(count & ~3) << 2);
  for (; x < end4; x += 16) largest = i32x4.max_s(largest, v128.load(x));
  for (; x < end; x += 4) largest = i32x4.max_s(largest, v128.load32_splat(x));
  return max<i32>(max<i32>(i32x4.extract_lane(largest, 0), i32x4.extract_lane(largest, 1)), max<i32>(i32x4.extract_lane(largest, 2), i32x4.extract_lane(largest, 3)));
}

export function countFrom(x: usize, count: i32, middle: i32): i32 {
  const m = i32x4.splat(middle);
  let sum = i32x4.splat(0);
  const end = x + (<usize>count << 2), end4 = x + (<usize>(count & ~3) << 2);
  for (; x < end4; x += 16) sum = i32x4.sub(sum, i32x4.ge_s(v128.load(x), m));
  let total = i32x4.extract_lane(sum, 0) + i32x4.extract_lane(sum, 1) + i32x4.extract_lane(sum, 2) + i32x4.extract_lane(sum, 3);
  for (; x < end; x += 4) total += i32(load<i32>(x) >= middle);
  return total;
}
