// A token from logits, filtered in the order of transformers' warpers: temperature, top-k, top-p, min-p.
//
// Every probability is taken relative to the largest, e = exp(score − top) ∈ [0, 1], and counted as the integer ⌊e·2³⁴⌋ held in an f64: sums of up
// to 2¹⁹ of them are exact, hence the same in any order. So what is kept, and what is drawn, does not depend on how it is searched for.
//
// No sort: top-k keeps a heap of k scores; top-p halves the range of values that may hold the cut, with the mass below it.
//
//   x        scores → the e of the m candidates, in the order of their ids
//   scratch  [ n floats: heap, then values around the cut ][ n i32: ids of the candidates, if top-k left some out ]
import { exp4 } from '../simd/exp';
import { argmax } from './argmax';
import { nucleus, removedTies } from './nucleus';
import { kthLargest } from './heap';
import { mass, massAbove } from './mass';
import { uniform } from './random';

/**
 * Draws an id from softmax(x / temperature). temperature ≤ 0: the argmax, and nothing is drawn. topK 0, topP 1, minP 0 switch a filter off. Scores equal to the
 * k-th are all kept; of equal probabilities at the cut of top-p those of larger ids are kept (transformers: a stable ascending sort). The best is never removed.
 */
export function sample(x: usize, n: i32, temperature: f32, topK: i32, topP: f64, minP: f32, state: usize, scratch: usize): i32 {
  const best = argmax(x, n);
  if (!(temperature > 0)) return best;
  scaleScores(x, n, temperature);
  const top = load<f32>(x + (<usize>best << 2));
  // All scores −infinity, or a temperature so small that they overflow: its limit is the argmax.
  if (!(abs<f32>(top) < Infinity)) return best;

  let count = n;
  let ids: usize = 0;
  if (topK > 0 && topK < n) {
    ids = scratch + (<usize>n << 2);
    count = compact(x, n, kthLargest(x, n, topK, scratch), ids);
  }
  exponentials(x, count, top);

  let cut: f32 = 0;
  let ties = 0;
  if (topP < 1) {
    cut = nucleus(x, count, topP, scratch);
    ties = removedTies(scratch);
  }
  if (minP > cut) {
    cut = min<f32>(minP, 1);
    ties = 0;
  }
  const total = massAbove(x, count, cut) - <f64>ties * mass(cut);
  const chosen = walk(x, count, cut, ties, floor<f64>(uniform(state) * total));
  return ids ? load<i32>(ids + (<usize>chosen << 2)) : chosen;
}

/** x / temperature; NaN becomes −infinity. */
function scaleScores(x: usize, n: i32, temperature: f32): void {
  const t = f32x4.splat(temperature), lowest = f32x4.splat(-Infinity);
  const end = x + (<usize>n << 2), end4 = x + (<usize>(n & ~3) << 2);
  for (; x < end4; x += 16) v128.store(x, f32x4.pmax(lowest, f32x4.div(v128.load(x), t)));
  for (; x < end; x += 4) v128.store32_lane(x, f32x4.pmax(lowest, f32x4.div(v128.load32_splat(x), t)), 0);
}

/** Moves the scores ≥ threshold to the front and writes their ids; returns how many. */
function compact(x: usize, n: i32, threshold: f32, ids: usize): i32 {
  const wanted = f32x4.splat(threshold);
  let to = x, id = ids;
  for (let i = 0; i < n; i += 4) {
    const from = x + (<usize>i << 2);
    if (!v128.any_true(f32x4.ge(v128.load(from), wanted))) continue;
    for (let j = i, end = min<i32>(i + 4, n); j < end; j++) {
      const v = load<f32>(x + (<usize>j << 2));
      if (v < threshold) continue;
      store<f32>(to, v);
      store<i32>(id, j);
      to += 4;
      id += 4;
    }
  }
  return <i32>((id - ids) >>> 2);
}

function exponentials(x: usize, count: i32, top: f32): void {
  const t = f32x4.splat(top);
  const end = x + (<usize>count << 2), end4 = x + (<usize>(count & ~3) << 2);
  for (; x < end4; x += 16) v128.store(x, exp4(f32x4.sub(v128.load(x), t)));
  for (; x < end; x += 4) v128.store32_lane(x, exp4(f32x4.sub(v128.load32_splat(x), t)), 0);
}

/** The first index at which the mass of the kept values up to it exceeds target: those ≥ cut, less the first `ties` equal to it. */
function walk(x: usize, count: i32, cut: f32, ties: i32, target: f64): i32 {
  let seen: f64 = 0;
  let i = 0;
  if (ties == 0) {
    // Sixteen at a time as long as the target lies further on.
    for (; i + 16 <= count; i += 16) {
      const next = seen + massAbove(x + (<usize>i << 2), 16, cut);
      if (next > target) break;
      seen = next;
    }
  }
  let last = 0;
  for (; i < count; i++) {
    const e = load<f32>(x + (<usize>i << 2));
    if (e < cut) continue;
    if (e == cut && ties > 0) {
      ties--;
      continue;
    }
    seen += mass(e);
    if (seen > target) return i;
    last = i;
  }
  return last;
}
