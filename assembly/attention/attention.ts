// Causal attention with grouped heads over the KV blocks of kv.ts, softmax taken online, block by block.
//
// The work is cut into vectors: one vector is one query head in one row. Vectors that read the same keys (the heads of a group, in consecutive rows) go through the blocks 32 at
// a time, one to four in a tile (tiles.ts). None of that shows in the result: for one vector
//
//   for each block of 32 absolute positions that it sees, in order:
//     s_t = Σ_d q_d·k_t,d      q = query · scale · log₂e, over d in order; with a softcap softcap·tanh(s_t / softcap)
//     m' = max(m, max s_t);  a = 2^(m − m');  p_t = 2^(s_t − m')
//     l = l·a + Σ p_t;  o = o·a + Σ_t p_t·v_t      over the t it sees, in order; l in four parts, t mod 4
//   y = o / l
//
// so its bits depend on its position and window alone, not on rows, chunks or the other heads.
//
// The cache is f32, f16 or q8 (kv.ts). Of halves, s_t and p_t are multiplied by the scales of key and value, both powers of two, so nothing is rounded but what was when it was stored.
// Of bytes the query is rounded to 15 bits and a sign, once; so are, in each block, the weights (times the scales of the values):
//
//   s_t = worth(q) · Σ_g scale_g,t · Σ_d q_d·k_t,d         integers over d in group g, then over g in order
//   o   = o·a + worth(w) · Σ_t w_t·v_t                     integers over t, w_t = p_t · scale_t
//
// Both are at most 2⁻¹⁶ of the largest off, a 256th of what the cache's own rounding does.
//
// scratch, in floats, D = headDim rounded up to 8; each range from … to needs its own:
//
//   [ scores, then weights: 32 × 32 ][ o: 32 × D ][ queries: 32 × D ][ state (softmax.ts): 32 × 20 ][ Kᵀ, V of f16, widened: 64 × D ]      together 128 · D + 1664
import { F16, F32 } from '../simd/dtype';
import { BLOCK, blockOf, fetch, GROUP, keyBytes, Q8, valueBytes, widenHalves } from './kv';
import { bytesOfQuery, bytesOfWeights } from './rounding';
import { begin, divide, firstSeen, queryFactor, raise, seenFrom, seenTo, STATE, weigh, WEIGHT_WORTH } from './softmax';
import * as floats from './tiles';
import * as bytes from './tiles_q8';

/** Vectors that go through the blocks together. */
export const VECTORS: i32 = 32;
/** From this many tiles on, halves are widened once for all of them. */
const WIDE: i32 = 3;

/** Bytes of scratch of one range. */
export function scratchBytes(headDim: i32): usize {
  return <usize>(VECTORS * (32 + STATE / 4) + (2 * VECTORS + 64) * ((headDim + 7) & ~7)) << 2;
}

export function attention(y: usize, ldy: i32, q: usize, ldq: i32, table: usize, position: i32, rows: i32, heads: i32, kvHeads: i32, headDim: i32, scale: f32,
    softcap: f32, window: i32, dtype: i32, scratch: usize, from: i32, to: i32): void {
  const group = heads / kvHeads, vectors = rows * group, column = <usize>group * (<usize>headDim << 2);
  const most = max<i32>(1, VECTORS / vectors);
  for (let kvHead = from; kvHead < to; kvHead += most) {
    const at = <usize>kvHead * column;
    for (let first = 0; first < vectors; first += VECTORS) {
      chunk(y + at, <usize>ldy << 2, q + at, <usize>ldq << 2, table, position, first, min<i32>(VECTORS, vectors - first), group, kvHead, min<i32>(most, to - kvHead), headDim, scale,
        softcap, window, dtype, scratch);
    }
  }
}

/** Of `kvCount` kv heads, `count` vectors each, from vector `first` on; vector j of a kv head is head j % group of row j / group. At most VECTORS together. */
function chunk(y: usize, ldy: usize, q: usize, ldq: usize, table: usize, position: i32, first: i32, count: i32, group: i32, kvHead: i32, kvCount: i32, headDim: i32,
    scale: f32, softcap: f32, window: i32, dtype: i32, scratch: usize): void {
  const columns = <usize>((headDim + 7) & ~7), headBytes = <usize>headDim << 2, outBytes = columns << 2, column = <usize>group * headBytes;
  const outs = scratch + (VECTORS << 7), queries = outs + VECTORS * outBytes, states = queries + VECTORS * outBytes, wide = states + VECTORS * STATE;
  const all = kvCount * count;
  memory.fill(outs, 0, <usize>all * outBytes);
  for (let i = 0; i < all; i++) {
    const head = i / count, j = first + i - head * count, row = j / group;
    const from = q + <usize>row * ldq + <usize>head * column + <usize>(j - row * group) * headBytes, to = queries + <usize>i * outBytes;
    let worth: f32 = 1;
    if (dtype == Q8) worth = queryFactor(scale) * bytesOfQuery(to, from, headDim);
    else copyScaled(to, from, headBytes, queryFactor(scale));
    begin(states + <usize>i * STATE, worth);
  }

  const half = keyBytes(headDim, dtype), whole = half + valueBytes(headDim, dtype);
  const lastBlock = (position + (first + count - 1) / group) / BLOCK;
  const tiles = (count + 3) >> 2;
  for (let block = firstSeen(position + first / group, window) / BLOCK; block <= lastBlock; block++) {
    // A block's heads one behind the other, each from its beginning to its end: the machine's own prefetching likes it.
    let part = blockOf(table, block) + <usize>kvHead * whole;
    fetch(part);
    for (let i = 0; i < all; part += whole) {
      let keys = part, values = part + half, keyScales: usize = 0, valueScales: usize = 0, as = dtype;
      if (dtype == F16) {
        keyScales = keys; valueScales = values;
        keys += 128; values += 128;
        if (tiles >= WIDE) {
          widenHalves(wide, keys, <usize>headDim);
          widenHalves(wide + (headBytes << 5), values, columns);
          keys = wide; values = wide + (headBytes << 5);
          as = F32;
        }
      }
      for (let tile = 0, j = first; tile < tiles; tile++) {
        // as many each, or one more: 5 are 3 + 2
        const n = (first + count - j + tiles - tile - 1) / (tiles - tile);
        tileOfBlock(scratch + (<usize>i << 7), outs + <usize>i * outBytes, outBytes, queries + <usize>i * outBytes, states + <usize>i * STATE, j, n, group, position, window,
          block * BLOCK, keys, values, keyScales, valueScales, headDim, softcap, as);
        i += n;
        j += n;
      }
    }
  }

  for (let i = 0; i < all; i++) {
    const head = i / count, j = first + i - head * count, row = j / group;
    divide(y + <usize>row * ldy + <usize>head * column + <usize>(j - row * group) * headBytes, outs + <usize>i * outBytes, states + <usize>i * STATE, headDim);
  }
}

/** Whole vectors: up to three floats more than asked for are written, which lie within the row of scratch. */
// @ts-ignore: decorator
@inline
function copyScaled(to: usize, from: usize, bytes: usize, factor: f32): void {
  const f = f32x4.splat(factor);
  for (const end = to + bytes; to < end; to += 16, from += 16) v128.store(to, f32x4.mul(v128.load(from), f));
}

/** The n vectors from vector j on against a head's part of the block that begins at position `start`. */
function tileOfBlock(weights: usize, out: usize, outBytes: usize, query: usize, state: usize, j: i32, n: i32, group: i32, position: i32, window: i32,
    start: i32, keys: usize, values: usize, keyScales: usize, valueScales: usize, headDim: i32, softcap: f32, dtype: i32): void {
  // Vectors that see nothing of the block are left out: the first ones may stand before it, the last ones' windows begin behind it.
  while (n > 0 && seenTo(position + j / group, start) <= 0) {
    j++; n--;
    weights += 128; out += outBytes; query += outBytes; state += STATE;
  }
  while (n > 0 && seenFrom(position + (j + n - 1) / group, window, start) >= BLOCK) n--;
  if (n == 0) return;

  scores(weights, query, outBytes, keys, headDim, n, dtype);
  for (let i = 0; i < n; i++) {
    const p = position + (j + i) / group;
    raise(weights + (<usize>i << 7), keyScales, dtype == Q8, out + <usize>i * outBytes, outBytes, state + <usize>i * STATE, softcap, seenFrom(p, window, start), seenTo(p, start));
  }
  for (let i = 0; i < n; i++) weigh(weights + (<usize>i << 7), state + <usize>i * STATE);
  if (valueScales) for (let i = 0; i < n; i++) multiply(weights + (<usize>i << 7), valueScales);
  if (dtype == Q8) {
    for (let i = 0; i < n; i++) {
      const p = position + (j + i) / group;
      bytesOfWeights(weights + (<usize>i << 7), values, seenFrom(p, window, start), seenTo(p, start), state + <usize>i * STATE + WEIGHT_WORTH);
    }
  }

  // Of floats, values that all of the tile see go through it together; those before and after, that only some see, one vector at a time.
  // Weights of positions a vector does not see are never multiplied: 0 · v could still be NaN or turn −0 into 0. Of bytes they are the integer 0.
  const first = position + j / group, last = position + (j + n - 1) / group;
  if (dtype == Q8) {
    weighted(out, outBytes, weights, state, values, headDim, n, seenFrom(first, window, start), seenTo(last, start), dtype);
    return;
  }
  let from = seenFrom(last, window, start), to = seenTo(first, start);
  if (from >= to) from = to = BLOCK; // nothing is shared: each vector for itself, "before"
  if (from > 0) {
    for (let i = 0; i < n; i++) {
      const p = position + (j + i) / group;
      weighted(out + <usize>i * outBytes, outBytes, weights + (<usize>i << 7), state, values, headDim, 1, seenFrom(p, window, start), min<i32>(from, seenTo(p, start)), dtype);
    }
  }
  weighted(out, outBytes, weights, state, values, headDim, n, from, to, dtype);
  if (to < BLOCK) {
    for (let i = 0; i < n; i++) {
      weighted(out + <usize>i * outBytes, outBytes, weights + (<usize>i << 7), state, values, headDim, 1, to, seenTo(position + (j + i) / group, start), dtype);
    }
  }
}

/** s[n][t] of n vectors and all keys of the block. */
function scores(s: usize, query: usize, queryBytes: usize, keys: usize, headDim: i32, n: i32, dtype: i32): void {
  if (dtype == F32) floatTile<f32>(s, 128, query, queryBytes, keys, <usize>headDim << 5, 4, headDim, true, n);
  else if (dtype == F16) floatTile<i16>(s, 128, query, queryBytes, keys, <usize>headDim << 4, 4, headDim, true, n);
  else {
    let panels = keys + (<usize>((headDim + GROUP - 1) / GROUP) << 7);
    for (let d = 0; d < headDim; d += GROUP) {
      const steps = (min<i32>(GROUP, headDim - d) + 1) >> 1;
      byteTile(s, 128, query + (<usize>d << 1), queryBytes, panels, <usize>steps << 4, 4, steps, keys + (<usize>d << 2), 0, 32, d == 0, n);
      panels += <usize>steps << 6;
    }
  }
}

/** o[n] += the values from … to times their weights. */
function weighted(out: usize, outBytes: usize, weights: usize, state: usize, values: usize, headDim: i32, n: i32, from: i32, to: i32, dtype: i32): void {
  if (from >= to) return;
  const panels = (headDim + 7) >> 3;
  if (dtype == F32) floatTile<f32>(out, outBytes, weights + (<usize>from << 2), 128, values + (<usize>from << 5), 1024, panels, to - from, false, n);
  else if (dtype == F16) floatTile<i16>(out, outBytes, weights + (<usize>from << 2), 128, values + (<usize>from << 4), 512, panels, to - from, false, n);
  else {
    const pair = from >> 1;
    byteTile(out, outBytes, weights + (<usize>pair << 2), 128, values + 128 + (<usize>pair << 4), 256, panels, ((to + 1) >> 1) - pair, state + WEIGHT_WORTH, STATE, 0, false, n);
  }
}

function floatTile<W>(y: usize, ldy: usize, x: usize, ldx: usize, panels: usize, pitch: usize, count: i32, steps: i32, fresh: bool, n: i32): void {
  if (n == 1) floats.tile1<W>(y, x, panels, pitch, count, steps, fresh);
  else if (n == 2) floats.tile2<W>(y, ldy, x, ldx, panels, pitch, count, steps, fresh);
  else if (n == 3) floats.tile3<W>(y, ldy, x, ldx, panels, pitch, count, steps, fresh);
  else floats.tile4<W>(y, ldy, x, ldx, panels, pitch, count, steps, fresh);
}

function byteTile(y: usize, ldy: usize, x: usize, ldx: usize, panels: usize, pitch: usize, count: i32, steps: i32, factors: usize, ldf: usize, factorNext: usize, fresh: bool, n: i32): void {
  if (n == 1) bytes.tile1(y, x, panels, pitch, count, steps, factors, factorNext, fresh);
  else if (n == 2) bytes.tile2(y, ldy, x, ldx, panels, pitch, count, steps, factors, ldf, factorNext, fresh);
  else if (n == 3) bytes.tile3(y, ldy, x, ldx, panels, pitch, count, steps, factors, ldf, factorNext, fresh);
  else bytes.tile4(y, ldy, x, ldx, panels, pitch, count, steps, factors, ldf, factorNext, fresh);
}

/** 32 weights times the scales of their values; of positions that are not seen anything may come out. */
// @ts-ignore: decorator
@inline
function multiply(weights: usize, scales: usize): void {
  for (const end = weights + 128; weights < end; weights += 16, scales += 16) v128.store(weights, f32x4.mul(v128.load(weights), v128.load(scales)));
}
