// attention.ts over a cache of bytes. The query is rounded to 15 bits and a sign, once; so are, in each block, the weights (times the scales of the values):
//
//   s_t = scale · worth(q) · Σ_g scale_g,t · Σ_d q_d·k_t,d         integers over d in group g, then over g in order
//   o   = o·a + worth(w) · Σ_t w_t·v_t                             integers over t, w_t = p_t · scale_t
//
// Both are at most 2⁻¹⁶ of the largest off, a 256th of what the cache's own rounding does.
//
// scratch: [ scores, then weights: V × 32 ][ o: V × D ][ m, l, worth of q, worth of w: V × 4 ][ q: V × D/2 ] floats, D = headDim rounded up to 8
import { BLOCK, blockOf, keyBytes, Q8, valueBytes } from './kv';
import { divide, firstSeen, seenFrom, seenTo, softmaxOfBlock } from './softmax';
import { bytesOfQuery, bytesOfWeights, scores1, scores2, scores3, scores4, values1, values2, values3, values4 } from './tiles_q8';

/** rows × group vectors; vector j is head j % group of row j / group. */
export function chunkOfBytes(y: usize, ldy: usize, q: usize, ldq: usize, table: usize, position: i32, rows: i32, group: i32, kvHead: i32, headDim: i32,
    scale: f32, softcap: f32, window: i32, scratch: usize): void {
  const vectors = rows * group;
  const columns = <usize>((headDim + 7) & ~7);
  const outBytes = columns << 2, qBytes = columns << 1;
  const outs = scratch + (<usize>vectors << 7);
  const sums = outs + <usize>vectors * outBytes;
  const queries = sums + (<usize>vectors << 4);
  memory.fill(outs, 0, <usize>vectors * outBytes);
  for (let j = 0; j < vectors; j++) {
    const row = j / group, sum = sums + (<usize>j << 4);
    store<f32>(sum, -Infinity);
    store<f32>(sum, 0, 4);
    store<f32>(sum, scale * bytesOfQuery(queries + <usize>j * qBytes, q + <usize>row * ldq + (<usize>((j - row * group) * headDim) << 2), headDim), 8);
  }

  const half = keyBytes(headDim, Q8), whole = half + valueBytes(headDim, Q8);
  const lastBlock = (position + rows - 1) / BLOCK;
  for (let block = firstSeen(position, window) / BLOCK; block <= lastBlock; block++) {
    const start = block * BLOCK;
    const keys = blockOf(table, block) + <usize>kvHead * whole;
    const scales = keys + half;
    for (let j = 0; j < vectors; j += 4) {
      const first = position + j / group, last = position + min<i32>(j + 3, vectors - 1) / group;
      // In one tile where every vector sees some of the block, else each for itself: adding nothing could turn −0 into 0.
      const together = seenFrom(first, window, start) < seenTo(first, start) && seenFrom(last, window, start) < seenTo(last, start);
      const end = min<i32>(j + 4, vectors);
      const count = together ? end - j : 1;
      for (let i = j; i < end; i += count) {
        const at = position + i / group;
        const from = seenFrom(at, window, start);
        const to = seenTo(position + (i + count - 1) / group, start);
        if (from >= seenTo(at, start)) continue;
        const weights = scratch + (<usize>i << 7), out = outs + <usize>i * outBytes, sum = sums + (<usize>i << 4), query = queries + <usize>i * qBytes;
        if (count == 1) scores1(weights, query, qBytes, keys, headDim);
        else if (count == 2) scores2(weights, query, qBytes, keys, headDim);
        else if (count == 3) scores3(weights, query, qBytes, keys, headDim);
        else scores4(weights, query, qBytes, keys, headDim);
        for (let n = 0; n < count; n++) {
          const p = position + (i + n) / group;
          const s = weights + (<usize>n << 7), m = sum + (<usize>n << 4);
          const begin = seenFrom(p, window, start), stop = seenTo(p, start);
          softmaxOfBlock(s, 0, out + <usize>n * outBytes, outBytes, m, load<f32>(m, 8), softcap, begin, stop);
          store<f32>(m, bytesOfWeights(s, scales, begin, stop), 12);
        }
        const values = scales + 128;
        if (count == 1) values1(out, weights, sum, values, columns, from, to);
        else if (count == 2) values2(out, weights, sum, values, columns, from, to);
        else if (count == 3) values3(out, weights, sum, values, columns, from, to);
        else values4(out, weights, sum, values, columns, from, to);
      }
    }
  }

  for (let j = 0; j < vectors; j++) {
    const row = j / group;
    divide(y + <usize>row * ldy + (<usize>((j - row * group) * headDim) << 2), outs + <usize>j * outBytes, load<f32>(sums + (<usize>j << 4), 4), headDim);
  }
}
