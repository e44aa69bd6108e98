// Top-p without a sort. In ascending order, values are removed while the mass up to and with them is at most (1 − p) of the whole; the best stays.
//
// The mass of the values below the middle of those still in question says on which side the cut is (simd/select.ts).
import { keepBelow, keepFrom, largestBits, leastBits } from '../simd/select';
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
