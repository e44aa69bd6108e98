// The online softmax of one vector over one block of 32 positions, and what a block's positions a query sees.
import { exp1, exp4 } from '../simd/exp';
import { laneMask, maxLanes, storeLanes, sumLanes } from '../simd/lanes';
import { tanh4 } from '../simd/tanh';
import { BLOCK } from './kv';

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

/**
 * Turns the 32 scores into weights, of which only from … to are meant; scales o and l (`sum`: m, l) to the new maximum and adds the weights to l.
 * `scales`: 32 factors of the scores, or 0. `softcap`: scores s become softcap·tanh(s / softcap), or 0.
 */
export function softmaxOfBlock(scores: usize, scales: usize, out: usize, outBytes: usize, sum: usize, scale: f32, softcap: f32, from: i32, to: i32): void {
  if (from >= to) return;
  if (scales) {
    for (let at: usize = 0; at < 128; at += 16) v128.store(scores + at, f32x4.mul(v128.load(scores + at), v128.load(scales + at)));
  }
  if (softcap > 0) {
    const cap = f32x4.splat(softcap), slope = f32x4.splat(scale / softcap);
    for (let at: usize = 0; at < 128; at += 16) v128.store(scores + at, f32x4.mul(cap, tanh4(f32x4.mul(v128.load(scores + at), slope))));
    scale = 1;
  }
  const factor = f32x4.splat(scale);
  const hidden = f32x4.splat(-Infinity);
  let top = hidden;
  if (from == 0 && to == BLOCK) {
    for (let at = scores, end = scores + 128; at < end; at += 16) {
      const s = f32x4.mul(v128.load(at), factor);
      v128.store(at, s);
      top = f32x4.pmax(top, s);
    }
  } else {
    // -infinity where the vector does not see; so those weights become 0. What lay there (anything) is not looked at.
    for (let t = 0; t < BLOCK; t += 4) {
      const at = scores + (<usize>t << 2);
      const seen = v128.andnot(laneMask(to - t), laneMask(from - t));
      const s = v128.bitselect(f32x4.mul(v128.load(at), factor), hidden, seen);
      v128.store(at, s);
      top = f32x4.pmax(top, s);
    }
  }
  const before = load<f32>(sum);
  let highest = max<f32>(before, maxLanes(top));
  // Every score so far was -infinity (an overflow in the model): e^(-∞ − -∞) would be NaN.
  if (highest == -Infinity) highest = 0;
  const m = f32x4.splat(highest);
  let total = f32x4.splat(0);
  for (let end = scores + 128; scores < end; scores += 16) {
    const p = exp4(f32x4.sub(v128.load(scores), m));
    v128.store(scores, p);
    total = f32x4.add(total, p);
  }
  const rescale = exp1(before - highest);
  store<f32>(sum, highest);
  store<f32>(sum, load<f32>(sum, 4) * rescale + sumLanes(total), 4);
  if (rescale == 1) return;
  const a = f32x4.splat(rescale);
  for (let end = out + outBytes; out < end; out += 16) v128.store(out, f32x4.mul(v128.load(out), a));
}

/** y = out / sum, a head's floats. */
export function divide(y: usize, out: usize, sum: f32, headDim: i32): void {
  const l = f32x4.splat(sum);
  let left = headDim;
  for (; left >= 4; left -= 4, y += 16, out += 16) v128.store(y, f32x4.div(v128.load(out), l));
  if (left) storeLanes(y, f32x4.div(v128.load(out), l), left);
}
