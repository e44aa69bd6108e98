// Causal attention with grouped heads over the KV blocks of kv.ts, softmax taken online, block by block.
//
// The work is cut into vectors: one vector is one query head in one row. Vectors that read the same keys (the heads of a group, and up to
// 32 / group consecutive rows) go through a block together, four at a time, through the tiles of tiles.ts. None of that shows in the result: for one vector
//
//   for each block of 32 absolute positions that it sees, in order:
//     s_t = scale · Σ_d q_d·k_t,d      over d in order
//     m' = max(m, max s_t);  a = e^(m − m');  p_t = e^(s_t − m')
//     l = l·a + Σ p_t;  o = o·a + Σ_t p_t·v_t      over the t it sees, in order
//   y = o / l
//
// so its bits depend on its position and window alone, not on rows, chunks or the other heads.
//
// scratch: for each vector in work a row of 32 + D floats, D = headDim rounded up to 8, then 2:
//
//   [ scores, then weights: V × 32 ][ o: V × D ][ m, l: V × 2 ]      V = min(rows, ⌊32 / group⌋ or 1) · group ≤ max(32, group)
//
// so max(32, heads / kvHeads) · (headDim rounded up to 8 + 34) floats are enough, whatever the rows; each range from … to needs its own.
import { exp1, exp4 } from '../simd/exp';
import { laneMask, maxLanes, storeLanes, sumLanes } from '../simd/lanes';
import { BLOCK, blockOf, halfBytes } from './kv';
import { scores1, scores2, scores3, scores4, values1, values2, values3, values4 } from './tiles';

/** Rows of one group that go through the blocks together hold at most this many vectors, unless the group itself is larger. */
const VECTORS: i32 = 32;

export function attention(y: usize, ldy: i32, q: usize, ldq: i32, table: usize, position: i32, rows: i32, heads: i32, kvHeads: i32, headDim: i32, scale: f32,
    window: i32, scratch: usize, from: i32, to: i32): void {
  const group = heads / kvHeads;
  const chunk = max<i32>(1, VECTORS / group);
  for (let kvHead = from; kvHead < to; kvHead++) {
    const column = <usize>(kvHead * group) * (<usize>headDim << 2);
    for (let i = 0; i < rows; i += chunk) {
      chunkOfRows(y + column + <usize>i * (<usize>ldy << 2), <usize>ldy << 2, q + column + <usize>i * (<usize>ldq << 2), <usize>ldq << 2, table,
        position + i, min<i32>(chunk, rows - i), group, kvHead, headDim, scale, window, scratch);
    }
  }
}

/** The first position that the row at p sees. */
// @ts-ignore: decorator
@inline
function firstSeen(p: i32, window: i32): i32 {
  return window > 0 ? max<i32>(0, p - window + 1) : 0;
}

/** rows × group vectors; vector j is head j % group of row j / group. */
function chunkOfRows(y: usize, ldy: usize, q: usize, ldq: usize, table: usize, position: i32, rows: i32, group: i32, kvHead: i32, headDim: i32,
    scale: f32, window: i32, scratch: usize): void {
  const vectors = rows * group;
  const headBytes = <usize>headDim << 2;
  const outBytes = <usize>((headDim + 7) & ~7) << 2;
  const outs = scratch + (<usize>vectors << 7);
  const sums = outs + <usize>vectors * outBytes;
  memory.fill(outs, 0, <usize>vectors * outBytes);
  for (let j = 0; j < vectors; j++) {
    store<f32>(sums + (<usize>j << 3), -Infinity);
    store<f32>(sums + (<usize>j << 3), 0, 4);
  }

  const lastBlock = (position + rows - 1) / BLOCK;
  for (let block = firstSeen(position, window) / BLOCK; block <= lastBlock; block++) {
    const start = block * BLOCK;
    const keys = blockOf(table, block) + <usize>kvHead * (halfBytes(headDim) << 1);
    const values = keys + halfBytes(headDim);
    for (let j = 0; j < vectors; j += 4) {
      const count = min<i32>(4, vectors - j);
      const weights = scratch + (<usize>j << 7);
      const out = outs + <usize>j * outBytes;
      const sum = sums + (<usize>j << 3);

      // Where the queries of this tile start, and which of the block's positions each sees: from … to, empty when from ≥ to.
      const row0 = j / group, row1 = (j + 1) / group, row2 = (j + 2) / group, row3 = (j + 3) / group;
      const p0 = position + row0;
      const from0 = seenFrom(p0, window, start), to0 = seenTo(p0, start);
      if (from0 >= to0 && count == 1) continue;
      const q0 = q + <usize>row0 * ldq + <usize>(j - row0 * group) * headBytes;
      if (count == 1) {
        scores1(weights, q0, keys, headDim);
        softmaxOfBlock(weights, out, outBytes, sum, scale, from0, to0);
        values1(out, weights, values, headBytes, outBytes, from0, to0);
        continue;
      }
      const p1 = position + row1;
      const q1 = q + <usize>row1 * ldq + <usize>(j + 1 - row1 * group) * headBytes;
      const from1 = seenFrom(p1, window, start), to1 = seenTo(p1, start);
      let from2 = from1, to2 = to1, from3 = from1, to3 = to1;
      if (count == 2) {
        scores2(weights, q0, q1, keys, headDim);
      } else {
        const p2 = position + row2;
        const q2 = q + <usize>row2 * ldq + <usize>(j + 2 - row2 * group) * headBytes;
        from2 = seenFrom(p2, window, start); to2 = seenTo(p2, start);
        from3 = from2; to3 = to2;
        if (count == 3) {
          scores3(weights, q0, q1, q2, keys, headDim);
        } else {
          const p3 = position + row3;
          const q3 = q + <usize>row3 * ldq + <usize>(j + 3 - row3 * group) * headBytes;
          from3 = seenFrom(p3, window, start); to3 = seenTo(p3, start);
          scores4(weights, q0, q1, q2, q3, keys, headDim);
          softmaxOfBlock(weights + 384, out + 3 * outBytes, outBytes, sum + 24, scale, from3, to3);
        }
        softmaxOfBlock(weights + 256, out + 2 * outBytes, outBytes, sum + 16, scale, from2, to2);
      }
      softmaxOfBlock(weights + 128, out + outBytes, outBytes, sum + 8, scale, from1, to1);
      softmaxOfBlock(weights, out, outBytes, sum, scale, from0, to0);

      // Values that all of the tile see go through it together; those before and after, that only some see, one vector at a time (the first never sees past the others).
      // Weights of positions a vector does not see are never multiplied: 0 · v could still be NaN or turn −0 into 0.
      let shared = max<i32>(max<i32>(from0, from1), max<i32>(from2, from3));
      let end = min<i32>(min<i32>(to0, to1), min<i32>(to2, to3));
      if (shared >= end) shared = end = BLOCK; // nothing is shared: each vector for itself, "before"
      values1(out, weights, values, headBytes, outBytes, from0, min<i32>(shared, to0));
      values1(out + outBytes, weights + 128, values, headBytes, outBytes, from1, min<i32>(shared, to1));
      if (count > 2) values1(out + 2 * outBytes, weights + 256, values, headBytes, outBytes, from2, min<i32>(shared, to2));
      if (count > 3) values1(out + 3 * outBytes, weights + 384, values, headBytes, outBytes, from3, min<i32>(shared, to3));
      if (count == 2) values2(out, weights, values, headBytes, outBytes, shared, end);
      else if (count == 3) values3(out, weights, values, headBytes, outBytes, shared, end);
      else values4(out, weights, values, headBytes, outBytes, shared, end);
      values1(out + outBytes, weights + 128, values, headBytes, outBytes, end, to1);
      if (count > 2) values1(out + 2 * outBytes, weights + 256, values, headBytes, outBytes, end, to2);
      if (count > 3) values1(out + 3 * outBytes, weights + 384, values, headBytes, outBytes, end, to3);
    }
  }

  for (let j = 0; j < vectors; j++) {
    const row = j / group;
    divide(y + <usize>row * ldy + <usize>(j - row * group) * headBytes, outs + <usize>j * outBytes, load<f32>(sums + (<usize>j << 3), 4), headDim);
  }
}

// @ts-ignore: decorator
@inline
function seenFrom(p: i32, window: i32, start: i32): i32 {
  return max<i32>(0, firstSeen(p, window) - start);
}

// @ts-ignore: decorator
@inline
function seenTo(p: i32, start: i32): i32 {
  return min<i32>(BLOCK, p - start + 1);
}

/** Turns the 32 scores into weights, of which only from … to are meant; scales o and l to the new maximum and adds the weights to l. */
function softmaxOfBlock(scores: usize, out: usize, outBytes: usize, sum: usize, scale: f32, from: i32, to: i32): void {
  if (from >= to) return;
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

function divide(y: usize, out: usize, sum: f32, headDim: i32): void {
  const l = f32x4.splat(sum);
  let left = headDim;
  for (; left >= 4; left -= 4, y += 16, out += 16) v128.store(y, f32x4.div(v128.load(out), l));
  if (left) storeLanes(y, f32x4.div(v128.load(out), l), left);
}
