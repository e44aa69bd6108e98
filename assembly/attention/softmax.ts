// The online softmax of one vector over one block of 32 positions, and what a block's positions a query sees. Scores are in base 2: the query was multiplied by log₂e.
import { exp2of4 } from '../simd/exp2';
import { laneMask, storeLanes, sumLanes } from '../simd/lanes';
import { tanh4 } from '../simd/tanh';
import { BLOCK } from './kv';

// What is kept of a vector from block to block, in bytes:
//
//   [ m: 4 equal floats ][ l: 4 partial sums ][ of q8: what one of the block's weights is worth: 8 equal floats ][ of q8: what one of the query is worth: 4 ]
export const STATE: usize = 80;
const SUMS: usize = 16;
export const WEIGHT_WORTH: usize = 32;
export const QUERY_WORTH: usize = 64;

const LOG2E: f32 = 1.44269504088896341;
/** Below every score: an m of −∞ would make NaN of −∞ − −∞ where every score so far was −∞ (an overflow in the model). */
const LOWEST: f32 = -3.0e38;

/** The first position that the row at p sees. */
// @ts-ignore: decorator
@inline
export function firstSeen(p: i32, window: i32): i32 {
  return window > 0 ? max<i32>(0, p - window + 1) : 0;
}

// Which of the positions of the block that begins at `start` the row at p sees: from … to, empty when from ≥ to.

// @ts-ignore: decorator
@inline
export function seenFrom(p: i32, window: i32, start: i32): i32 {
  return max<i32>(0, firstSeen(p, window) - start);
}

// @ts-ignore: decorator
@inline
export function seenTo(p: i32, start: i32): i32 {
  return min<i32>(BLOCK, p - start + 1);
}

/** What a query is multiplied by, so that its scores are in base 2. */
// @ts-ignore: decorator
@inline
export function queryFactor(scale: f32): f32 {
  return scale * LOG2E;
}

export function begin(state: usize, queryWorth: f32): void {
  v128.store(state, f32x4.splat(LOWEST));
  v128.store(state, f32x4.splat(0), SUMS);
  v128.store(state, f32x4.splat(queryWorth), QUERY_WORTH);
}

// @ts-ignore: decorator
@inline
function eachTimes(scores: usize, factors: usize, next: usize): void {
  for (const end = scores + 128; scores < end; scores += 16, factors += next) v128.store(scores, f32x4.mul(v128.load(scores), v128.load(factors)));
}

function cap(scores: usize, softcap: f32): void {
  const most = f32x4.splat(softcap * LOG2E), slope = f32x4.splat(1 / (softcap * LOG2E));
  for (const end = scores + 128; scores < end; scores += 16) v128.store(scores, f32x4.mul(most, tanh4(f32x4.mul(v128.load(scores), slope))));
}

/** −∞ where the vector does not see, so that those weights become 0. What lay there (anything) is not looked at. */
function hide(scores: usize, from: i32, to: i32): void {
  const hidden = f32x4.splat(-Infinity);
  for (let t = 0; t < BLOCK; t += 4, scores += 16) v128.store(scores, v128.bitselect(v128.load(scores), hidden, v128.andnot(laneMask(to - t), laneMask(from - t))));
}

// A block's softmax in two steps: what waits for a maximum, for all vectors of a tile, before what doesn't.

/**
 * Raises m to the largest of the 32 scores, of which only from … to are meant, and scales o and l to it.
 * `scales`: 32 factors of the scores, or 0. `softcap`: scores s become softcap·tanh(s / softcap), or 0. `worth`: multiply by what the query is worth.
 */
export function raise(scores: usize, scales: usize, worth: bool, out: usize, outBytes: usize, state: usize, softcap: f32, from: i32, to: i32): void {
  if (scales) eachTimes(scores, scales, 16);
  if (worth) eachTimes(scores, state + QUERY_WORTH, 0);
  if (softcap > 0) cap(scores, softcap);
  if (from > 0 || to < BLOCK) hide(scores, from, to);
  let m = f32x4.pmax(
    f32x4.pmax(f32x4.pmax(v128.load(scores), v128.load(scores, 16)), f32x4.pmax(v128.load(scores, 32), v128.load(scores, 48))),
    f32x4.pmax(f32x4.pmax(v128.load(scores, 64), v128.load(scores, 80)), f32x4.pmax(v128.load(scores, 96), v128.load(scores, 112))));
  m = f32x4.pmax(m, v128.shuffle<i32>(m, m, 2, 3, 0, 1));
  const before = v128.load(state);
  m = f32x4.pmax(before, f32x4.pmax(m, v128.shuffle<i32>(m, m, 1, 0, 3, 2)));
  if (!v128.any_true(f32x4.ne(before, m))) return;
  const rescale = exp2of4(f32x4.sub(before, m));
  v128.store(state, m);
  v128.store(state, f32x4.mul(v128.load(state, SUMS), rescale), SUMS);
  for (const end = out + outBytes; out < end; out += 16) v128.store(out, f32x4.mul(v128.load(out), rescale));
}

/** Turns the 32 scores into weights and adds them to l. */
export function weigh(scores: usize, state: usize): void {
  const m = v128.load(state);
  let sums = v128.load(state, SUMS);
  for (const end = scores + 128; scores < end; scores += 32) {
    const p = exp2of4(f32x4.sub(v128.load(scores), m)), q = exp2of4(f32x4.sub(v128.load(scores, 16), m));
    v128.store(scores, p);
    v128.store(scores, q, 16);
    sums = f32x4.add(sums, f32x4.add(p, q));
  }
  v128.store(state, sums, SUMS);
}

/** y = out / l, a head's floats. */
export function divide(y: usize, out: usize, state: usize, headDim: i32): void {
  const l = f32x4.splat(sumLanes(v128.load(state, SUMS)));
  let left = headDim;
  for (; left >= 4; left -= 4, y += 16, out += 16) v128.store(y, f32x4.div(v128.load(out), l));
  if (left) storeLanes(y, f32x4.div(v128.load(out), l), left);
}
