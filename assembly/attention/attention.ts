// Causal attention with grouped heads over the KV blocks of kv.ts, softmax taken online, block by block.
//
// The work is cut into vectors: one vector is one query head in one row. Vectors that read the same keys (the heads of a group, and up to
// 32 / group consecutive rows) go through a block together, four at a time, through the tiles of tiles.ts. None of that shows in the result: for one vector
//
//   for each block of 32 absolute positions that it sees, in order:
//     s_t = scale · Σ_d q_d·k_t,d      over d in order; with a softcap softcap·tanh(s_t / softcap)
//     m' = max(m, max s_t);  a = e^(m − m');  p_t = e^(s_t − m')
//     l = l·a + Σ p_t;  o = o·a + Σ_t p_t·v_t      over the t it sees, in order
//   y = o / l
//
// so its bits depend on its position and window alone, not on rows, chunks or the other heads.
//
// The cache is f32, f16 or q8 (kv.ts). Halves are widened into scratch, a head's part of a block at a time; s_t and p_t are then multiplied by the scales of key and value, both powers
// of two, so nothing is rounded but what was when it was stored. q8 has integer products and its own file: attention_q8.ts.
//
// scratch: for each vector in work a row of 32 + D floats, D = headDim rounded up to 8, then 2; and, of f16, keys and values of a head in a block:
//
//   [ scores, then weights: V × 32 ][ o: V × D ][ m, l: V × 2 ][ Kᵀ, V: 64 × headDim ]      V = min(rows, ⌊32 / group⌋ or 1) · group ≤ max(32, group)
//
// so, with what q8 has besides, max(32, heads / kvHeads) · (3/2 · D + 36) + 64 · headDim floats are enough, whatever the rows and the dtype; each range from … to needs its own.
import { F16, F32 } from '../simd/dtype';
import { chunkOfBytes } from './attention_q8';
import { BLOCK, blockOf, fetch, keyBytes, valueBytes, widenHalves } from './kv';
import { divide, firstSeen, seenFrom, seenTo, softmaxOfBlock } from './softmax';
import { scores1, scores2, scores3, scores4, values1, values2, values3, values4 } from './tiles';

/** Rows of one group that go through the blocks together hold at most this many vectors, unless the group itself is larger. */
export const VECTORS: i32 = 32;

export function attention(y: usize, ldy: i32, q: usize, ldq: i32, table: usize, position: i32, rows: i32, heads: i32, kvHeads: i32, headDim: i32, scale: f32,
    softcap: f32, window: i32, dtype: i32, scratch: usize, from: i32, to: i32): void {
  const group = heads / kvHeads;
  const chunk = max<i32>(1, VECTORS / group);
  for (let kvHead = from; kvHead < to; kvHead++) {
    const column = <usize>(kvHead * group) * (<usize>headDim << 2);
    for (let i = 0; i < rows; i += chunk) {
      const yi = y + column + <usize>i * (<usize>ldy << 2), qi = q + column + <usize>i * (<usize>ldq << 2);
      const count = min<i32>(chunk, rows - i);
      if (dtype == F32 || dtype == F16) chunkOfRows(yi, <usize>ldy << 2, qi, <usize>ldq << 2, table, position + i, count, group, kvHead, headDim, scale, softcap, window, dtype, scratch);
      else chunkOfBytes(yi, <usize>ldy << 2, qi, <usize>ldq << 2, table, position + i, count, group, kvHead, headDim, scale, softcap, window, scratch);
    }
  }
}

/** rows × group vectors; vector j is head j % group of row j / group. */
function chunkOfRows(y: usize, ldy: usize, q: usize, ldq: usize, table: usize, position: i32, rows: i32, group: i32, kvHead: i32, headDim: i32,
    scale: f32, softcap: f32, window: i32, dtype: i32, scratch: usize): void {
  const vectors = rows * group;
  const headBytes = <usize>headDim << 2;
  const outBytes = <usize>((headDim + 7) & ~7) << 2;
  const outs = scratch + (<usize>vectors << 7);
  const sums = outs + <usize>vectors * outBytes;
  const wideKeys = sums + (<usize>vectors << 3), wideValues = wideKeys + (headBytes << 5);
  memory.fill(outs, 0, <usize>vectors * outBytes);
  for (let j = 0; j < vectors; j++) {
    store<f32>(sums + (<usize>j << 3), -Infinity);
    store<f32>(sums + (<usize>j << 3), 0, 4);
  }

  const half = keyBytes(headDim, dtype), whole = half + valueBytes(headDim, dtype);
  const lastBlock = (position + rows - 1) / BLOCK;
  for (let block = firstSeen(position, window) / BLOCK; block <= lastBlock; block++) {
    const keys = blockOf(table, block) + <usize>kvHead * whole, values = keys + half;
    if (dtype == F32) {
      fetch(keys, whole);
      partOfBlock(q, ldq, position, vectors, group, headDim, scale, softcap, window, block * BLOCK, keys, values, 0, 0, scratch, outs, outBytes, sums);
    } else {
      widenHalves(wideKeys, keys + 128, headDim);
      widenHalves(wideValues, values + 128, headDim);
      partOfBlock(q, ldq, position, vectors, group, headDim, scale, softcap, window, block * BLOCK, wideKeys, wideValues, keys, values, scratch, outs, outBytes, sums);
    }
  }

  for (let j = 0; j < vectors; j++) {
    const row = j / group;
    divide(y + <usize>row * ldy + <usize>(j - row * group) * headBytes, outs + <usize>j * outBytes, load<f32>(sums + (<usize>j << 3), 4), headDim);
  }
}

/** The vectors against a head's keys and values in the block that begins at position `start`; of halves, with the scales of both. */
function partOfBlock(q: usize, ldq: usize, position: i32, vectors: i32, group: i32, headDim: i32, scale: f32, softcap: f32, window: i32, start: i32, keys: usize, values: usize,
    keyScales: usize, valueScales: usize, scratch: usize, outs: usize, outBytes: usize, sums: usize): void {
  const headBytes = <usize>headDim << 2;
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
      softmaxOfBlock(weights, keyScales, out, outBytes, sum, scale, softcap, from0, to0);
      if (valueScales) multiply(weights, valueScales);
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
        softmaxOfBlock(weights + 384, keyScales, out + 3 * outBytes, outBytes, sum + 24, scale, softcap, from3, to3);
      }
      softmaxOfBlock(weights + 256, keyScales, out + 2 * outBytes, outBytes, sum + 16, scale, softcap, from2, to2);
    }
    softmaxOfBlock(weights + 128, keyScales, out + outBytes, outBytes, sum + 8, scale, softcap, from1, to1);
    softmaxOfBlock(weights, keyScales, out, outBytes, sum, scale, softcap, from0, to0);

    if (valueScales) for (let n = 0; n < count; n++) multiply(weights + (<usize>n << 7), valueScales);

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

/** 32 weights times the scales of their values; of positions that are not seen anything may come out. */
// @ts-ignore: decorator
@inline
function multiply(weights: usize, scales: usize): void {
  for (let at: usize = 0; at < 128; at += 16) v128.store(weights + at, f32x4.mul(v128.load(weights + at), v128.load(scales + at)));
}
