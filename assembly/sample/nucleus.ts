// Top-p without a sort. In ascending order, values are removed while the mass up to and with them is at most (1 − p) of the whole; the best stays.
//
// The bits of floats ≥ 0 order as they do. Between the least and the largest of the values still in question lies a middle; the mass of those below it
// says on which side the cut is, and the other side is dropped: at most 30 rounds, in practice two or three over the values.
import { mass, massAbove } from './mass';

/**
 * The least value kept, of x: `count` values in [0, 1] with 1 among them. scratch: count floats (at least 1); afterwards `removedTies` says how many of those
 * equal to the cut are removed.
 */
export function nucleus(x: usize, count: i32, p: f64, scratch: usize): f32 {
  const limit = floor<f64>((1.0 - max<f64>(p, 0)) * massAbove(x, count, 0));
  let below: f64 = 0; // the mass of what is certainly removed
  let left = count;
  memory.copy(scratch, x, <usize>count << 2);
  let least = leastBits(scratch, left), largest: i32 = 0x3f800000;
  while (least < largest) {
    const middle = least + ((largest - least) >> 1) + 1; // least < middle ≤ largest
    const lower = massAbove(scratch, left, 0) - massAbove(scratch, left, reinterpret<f32>(middle));
    if (below + lower <= limit) {
      below += lower;
      left = keepFrom(scratch, left, middle);
      least = leastBits(scratch, left);
    } else {
      left = keepBelow(scratch, left, middle);
      largest = largestBits(scratch, left);
    }
  }
  const cut = reinterpret<f32>(least);
  const each = mass(cut);
  let ties = each > 0 ? <i32>min<f64>(floor<f64>((limit - below) / each), <f64>left) : left;
  if (cut == 1) ties = min<i32>(ties, left - 1);
  // All of them removed: the cut is just above.
  if (ties == left) {
    store<i32>(scratch, 0);
    return reinterpret<f32>(least + 1);
  }
  store<i32>(scratch, ties);
  return cut;
}

// @ts-ignore: decorator
@inline
export function removedTies(scratch: usize): i32 {
  return load<i32>(scratch);
}

/** Moves the values with bits ≥ middle to the front; returns how many. Without a branch: which way each goes is as good as random. */
function keepFrom(x: usize, count: i32, middle: i32): i32 {
  let to = x;
  for (let p = x, end = x + (<usize>count << 2); p < end; p += 4) {
    const bits = load<i32>(p);
    store<i32>(to, bits);
    to += <usize>i32(bits >= middle) << 2;
  }
  return <i32>((to - x) >>> 2);
}

function keepBelow(x: usize, count: i32, middle: i32): i32 {
  let to = x;
  for (let p = x, end = x + (<usize>count << 2); p < end; p += 4) {
    const bits = load<i32>(p);
    store<i32>(to, bits);
    to += <usize>i32(bits < middle) << 2;
  }
  return <i32>((to - x) >>> 2);
}

function leastBits(x: usize, count: i32): i32 {
  let least = i32x4.splat(i32.MAX_VALUE);
  const end = x + (<usize>count << 2), end4 = x + (<usize>(count & ~3) << 2);
  for (; x < end4; x += 16) least = i32x4.min_s(least, v128.load(x));
  for (; x < end; x += 4) least = i32x4.min_s(least, v128.load32_splat(x));
  return min<i32>(min<i32>(i32x4.extract_lane(least, 0), i32x4.extract_lane(least, 1)), min<i32>(i32x4.extract_lane(least, 2), i32x4.extract_lane(least, 3)));
}

function largestBits(x: usize, count: i32): i32 {
  let largest = i32x4.splat(0);
  const end = x + (<usize>count << 2), end4 = x + (<usize>(count & ~3) << 2);
  for (; x < end4; x += 16) largest = i32x4.max_s(largest, v128.load(x));
  for (; x < end; x += 4) largest = i32x4.max_s(largest, v128.load32_splat(x));
  return max<i32>(max<i32>(i32x4.extract_lane(largest, 0), i32x4.extract_lane(largest, 1)), max<i32>(i32x4.extract_lane(largest, 2), i32x4.extract_lane(largest, 3)));
}
