// Combining adapters, element by element, as PEFT's utils/merge_utils.py does on stacked task tensors:
//
//   linear            Σ w_i·t_i                            accumulate (activation/)
//   magnitude_prune   each t_i pruned, then Σ w_i·t_i      prune, accumulate
//   dare_linear       each t_i dropped, then Σ w_i·t_i     bernoulli, drop, accumulate
//   ties              each t_i pruned, then merged         prune, disjointMerge
//   dare_ties         each t_i dropped, then merged        bernoulli, drop, disjointMerge
//   cat               w·s·A stacked by rows, B by columns  copyScaled
//
// on the factors A (weight √|w·s|·sign) and B (weight √|w·s|), or, for the forms in _svd, on the dense s·BA, then cut to a rank by svd.ts.
import { next } from '../sample/random';
import { storeLanes } from '../simd/lanes';
import { countFrom, keepBelow, keepFrom, largestBits, leastBits } from '../simd/select';

/** y[i, j] = scale·x[i, j] of [m, n]. */
export function copyScaled(y: usize, ldy: i32, x: usize, ldx: i32, m: i32, n: i32, scale: f32): void {
  const s = f32x4.splat(scale);
  for (let i = 0; i < m; i++) {
    let at: usize = 0;
    for (let left = n; left > 0; left -= 4, at += 16) {
      const v = f32x4.mul(v128.load(x + at), s);
      if (left >= 4) v128.store(y + at, v);
      else storeLanes(y + at, v, left);
    }
    x += <usize>ldx << 2;
    y += <usize>ldy << 2;
  }
}

/**
 * Keeps the `keep` largest of |x| and sets the others to 0; of equals at the cut the first are kept (torch.topk does not say which).
 * scratch: count floats.
 */
export function prune(x: usize, count: i32, keep: i32, scratch: usize): void {
  if (keep >= count) return;
  if (keep <= 0) {
    memory.fill(x, 0, <usize>count << 2);
    return;
  }
  for (let at: usize = 0, end = <usize>count << 2; at < end; at += 4) store<i32>(scratch + at, load<i32>(x + at) & 0x7fffffff);
  let left = count, above = 0;
  let least = leastBits(scratch, left), largest = largestBits(scratch, left);
  while (least < largest) {
    const middle = least + ((largest - least) >> 1) + 1;
    const upper = countFrom(scratch, left, middle);
    if (above + upper >= keep) {
      left = keepFrom(scratch, left, middle);
      least = leastBits(scratch, left);
    } else {
      above += upper;
      left = keepBelow(scratch, left, middle);
      largest = largestBits(scratch, left);
    }
  }
  let ties = keep - above;
  for (let end = x + (<usize>count << 2); x < end; x += 4) {
    const bits = load<i32>(x) & 0x7fffffff;
    if (bits > least || (bits == least && ties-- > 0)) continue;
    store<i32>(x, 0);
  }
}

/** mask: count bytes, each 1 with probability `density`, else 0. state: as `seed` leaves it. */
export function bernoulli(mask: usize, count: i32, density: f64, state: usize): void {
  const bound = density * 4294967296.0;
  for (let end = mask + <usize>count; mask < end; mask++) store<u8>(mask, <u8>i32(<f64>next(state) < bound));
}

/** x = x·mask / density, mask of bytes 0 and 1. */
export function drop(x: usize, mask: usize, count: i32, density: f32): void {
  for (let end = x + (<usize>count << 2); x < end; x += 4, mask++) store<f32>(x, load<f32>(x) * <f32>load<u8>(mask) / density);
}

/**
 * y = Σ w_i·t_i / number, over those t_i whose sign is the elected one: at each element that of Σ t_i (method 0, "total") or Σ sign t_i (method 1,
 * "frequency"), positive when the sum is 0. tensors: `adapters` pointers (u32); weights: as many floats. y may be one of the tensors.
 */
export function disjointMerge(y: usize, tensors: usize, weights: usize, adapters: i32, count: i32, method: i32): void {
  const zero = f32x4.splat(0), one = f32x4.splat(1);
  const last = <usize>adapters << 2;
  for (let left = count, at: usize = 0; left > 0; left -= 4, at += 16) {
    let votes = zero;
    for (let i: usize = 0; i < last; i += 4) {
      const t = v128.load(<usize>load<u32>(tensors + i) + at);
      const vote = method == 0 ? t : f32x4.sub(v128.and(f32x4.gt(t, zero), one), v128.and(f32x4.lt(t, zero), one));
      votes = f32x4.add(votes, vote);
    }
    const positive = f32x4.ge(votes, zero);
    let sum = zero, number = zero;
    for (let i: usize = 0; i < last; i += 4) {
      const t = v128.load(<usize>load<u32>(tensors + i) + at);
      const agrees = v128.bitselect(f32x4.gt(t, zero), f32x4.lt(t, zero), positive);
      sum = f32x4.add(sum, v128.and(f32x4.mul(t, v128.load32_splat(weights + i)), agrees));
      number = f32x4.add(number, v128.and(one, agrees));
    }
    const mean = f32x4.div(sum, f32x4.pmax(number, one));
    if (left >= 4) v128.store(y + at, mean);
    else storeLanes(y + at, mean, left);
  }
}
