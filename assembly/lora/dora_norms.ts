// What DoRA's norms are made of, for Δ = B·A (scale left out): ‖w‖², 2·w·Δ and ‖Δ‖², a row of each in `out`. Δ is never whole in memory:
// a stretch of it at a time lies in scratch. Its elements are f32 sums over the rank in order; the three sums are kept in f64.
import { matmul } from '../linear/matmul';
import { unpack } from '../linear/convert';
import { stepBytes } from '../linear/tiles';
import { panelBytes, unpackSteps } from '../quant/unpack';
import { decoded } from '../simd/block';
import { BF16, F32, four, Q8_0 } from '../simd/dtype';

/** Inputs per stretch of `doraNorms`. */
const STRETCH: i32 = 64;
/** Columns per stretch of `doraColumnNorms`. */
const COLUMNS: i32 = 32;

/**
 * For each of n outputs of a linear layer: w packs W [n, k], a packs A [rank, k], b packs B [n, rank].
 * scratch [1072] floats: Δᵀ of 64 inputs × 8 outputs, the same stretch of one panel of A as f32, sums [3][8] of f64.
 */
export function doraNorms(out: usize, w: usize, wdtype: i32, a: usize, b: usize, dtype: i32, n: i32, k: i32, rank: i32, scratch: usize): void {
  if (dtype == F32) norms<f32>(out, w, wdtype, a, b, dtype, n, k, rank, scratch);
  else if (dtype == BF16) norms<u16>(out, w, wdtype, a, b, dtype, n, k, rank, scratch);
  else norms<i16>(out, w, wdtype, a, b, dtype, n, k, rank, scratch);
}

/** W is that of the factors. */
function norms<W>(out: usize, w: usize, wdtype: i32, a: usize, b: usize, dtype: i32, n: i32, k: i32, rank: i32, scratch: usize): void {
  const delta = scratch, widened = delta + (<usize>STRETCH << 5), sums = widened + (<usize>STRETCH << 5);
  const row = <usize>n << 2, aPitch = <usize>k * stepBytes<W>(), bPitch = <usize>rank * stepBytes<W>();
  const wStep: usize = wdtype == F32 ? 32 : 16, wPitch = wdtype >= Q8_0 ? panelBytes(k, wdtype) : <usize>k * wStep;
  for (; n > 0; n -= 8) {
    memory.fill(sums, 0, 3 * 8 * 8);
    for (let j = 0; j < k; j += STRETCH) {
      const steps = min(k - j, STRETCH);
      // Δᵀ[j, outputs] = Σ_r A[r, j]·B[outputs, r]: a step of a panel of A is a row of eight ranks
      for (let r = 0; r < rank; r += 8) {
        const from = a + <usize>(r >> 3) * aPitch + <usize>j * stepBytes<W>();
        let rows = widened;
        if (isFloat<W>()) rows = from;
        else {
          for (let i: usize = 0; i < <usize>(steps << 1); i++) v128.store(widened + (i << 4), four<W>(from + i * (stepBytes<W>() >> 1)));
        }
        matmul(delta, 8, rows, 8, b + <usize>r * stepBytes<W>(), r ? delta : 0, r ? 8 : 0, steps, 8, min(rank - r, 8), dtype, 0, 8);
      }
      const from = w + <usize>j * wStep;
      if (wdtype >= Q8_0) {
        unpackSteps(decoded(), w, j, steps, wdtype);
        accumulate<f32>(sums, decoded(), delta, steps);
      } else if (wdtype == F32) accumulate<f32>(sums, from, delta, steps);
      else if (wdtype == BF16) accumulate<u16>(sums, from, delta, steps);
      else accumulate<i16>(sums, from, delta, steps);
    }
    for (let i: usize = 0; i < <usize>min(n, 8); i++) {
      store<f32>(out + (i << 2), <f32>load<f64>(sums + (i << 3)));
      store<f32>(out + (i << 2) + row, <f32>(2 * load<f64>(sums + (i << 3), 64)));
      store<f32>(out + (i << 2) + 2 * row, <f32>load<f64>(sums + (i << 3), 128));
    }
    out += 32;
    w += wPitch;
    b += bPitch;
  }
}

/** sums [3][8] of f64 += w², w·Δ, Δ² over `steps` steps of 8 outputs. */
function accumulate<V>(sums: usize, w: usize, delta: usize, steps: i32): void {
  for (let half: usize = 0; half < 2; half++) {
    const s = sums + (half << 5);
    let ww0 = v128.load(s), ww1 = v128.load(s, 16), wd0 = v128.load(s, 64), wd1 = v128.load(s, 80), dd0 = v128.load(s, 128), dd1 = v128.load(s, 144);
    let p = w + half * (stepBytes<V>() >> 1), q = delta + (half << 4);
    for (let i = 0; i < steps; i++) {
      const x = four<V>(p), d = v128.load(q);
      const x0 = f64x2.promote_low_f32x4(x), x1 = f64x2.promote_low_f32x4(v128.shuffle<f32>(x, x, 2, 3, 2, 3));
      const d0 = f64x2.promote_low_f32x4(d), d1 = f64x2.promote_low_f32x4(v128.shuffle<f32>(d, d, 2, 3, 2, 3));
      ww0 = f64x2.add(ww0, f64x2.mul(x0, x0));
      ww1 = f64x2.add(ww1, f64x2.mul(x1, x1));
      wd0 = f64x2.add(wd0, f64x2.mul(x0, d0));
      wd1 = f64x2.add(wd1, f64x2.mul(x1, d1));
      dd0 = f64x2.add(dd0, f64x2.mul(d0, d0));
      dd1 = f64x2.add(dd1, f64x2.mul(d1, d1));
      p += stepBytes<V>();
      q += 32;
    }
    v128.store(s, ww0);
    v128.store(s, ww1, 16);
    v128.store(s, wd0, 64);
    v128.store(s, wd1, 80);
    v128.store(s, dd0, 128);
    v128.store(s, dd1, 144);
  }
}

/**
 * For each of dim columns of an embedding, over the vocabulary: w packs W [vocab, dim], a packs Aᵀ [vocab, rank], b packs B [dim, rank].
 * scratch [32·rank + 448] floats: 32 rows of B as f32, Δ of 32 columns × 8 ids, sums [3][32] of f64.
 */
export function doraColumnNorms(out: usize, w: usize, wdtype: i32, a: usize, b: usize, dtype: i32, vocab: i32, dim: i32, rank: i32, scratch: usize): void {
  if (wdtype == F32 || wdtype >= Q8_0) columnNorms<f32>(out, w, wdtype, a, b, dtype, vocab, dim, rank, scratch);
  else if (wdtype == BF16) columnNorms<u16>(out, w, wdtype, a, b, dtype, vocab, dim, rank, scratch);
  else columnNorms<i16>(out, w, wdtype, a, b, dtype, vocab, dim, rank, scratch);
}

/** V is the dtype of W; of a quantised one f32, to which 32 columns of a panel are decoded at a time. */
function columnNorms<V>(out: usize, w: usize, wdtype: i32, a: usize, b: usize, dtype: i32, vocab: i32, dim: i32, rank: i32, scratch: usize): void {
  const row = <usize>dim << 2, delta = scratch + (<usize>(COLUMNS * rank) << 2), sums = delta + (<usize>COLUMNS << 5);
  const aPitch = <usize>rank << (dtype == F32 ? 5 : 4), isQuantized = wdtype >= Q8_0, wPitch = isQuantized ? panelBytes(dim, wdtype) : <usize>dim * stepBytes<V>();
  for (let d = 0; d < dim; d += COLUMNS) {
    const columns = min(dim - d, COLUMNS);
    unpack(scratch, b, dim, rank, dtype, d, d + columns);
    memory.fill(sums, 0, <usize>COLUMNS * 3 * 8);
    let ids = a, from = isQuantized ? w : w + <usize>d * stepBytes<V>();
    // lanes past the vocabulary are zeros in both panels and add nothing
    for (let v = 0; v < vocab; v += 8) {
      matmul(delta, 8, scratch, rank, ids, 0, 0, columns, 8, rank, dtype, 0, 8);
      let steps = from;
      if (isQuantized) {
        steps = decoded();
        unpackSteps(steps, from, d, columns, wdtype);
      }
      for (let i = 0; i < columns; i++) addColumn<V>(sums + (<usize>i << 3), steps + <usize>i * stepBytes<V>(), delta + (<usize>i << 5));
      ids += aPitch;
      from += wPitch;
    }
    for (let i: usize = 0; i < <usize>columns; i++) {
      const s = sums + (i << 3), to = out + (i << 2);
      store<f32>(to, <f32>load<f64>(s));
      store<f32>(to + row, <f32>(2 * load<f64>(s, 8 * 32)));
      store<f32>(to + 2 * row, <f32>load<f64>(s, 16 * 32));
    }
    out += <usize>columns << 2;
  }
}

/** Eight ids of one column into its three sums, which lie 32 apart. */
// @ts-ignore: decorator
@inline function addColumn<V>(sums: usize, w: usize, delta: usize): void {
  let ww = f64x2.splat(0), wd = f64x2.splat(0), dd = f64x2.splat(0);
  for (let half: usize = 0; half < 2; half++) {
    const x = four<V>(w + half * (stepBytes<V>() >> 1)), d = v128.load(delta + (half << 4));
    const x0 = f64x2.promote_low_f32x4(x), x1 = f64x2.promote_low_f32x4(v128.shuffle<f32>(x, x, 2, 3, 2, 3));
    const d0 = f64x2.promote_low_f32x4(d), d1 = f64x2.promote_low_f32x4(v128.shuffle<f32>(d, d, 2, 3, 2, 3));
    ww = f64x2.add(ww, f64x2.add(f64x2.mul(x0, x0), f64x2.mul(x1, x1)));
    wd = f64x2.add(wd, f64x2.add(f64x2.mul(x0, d0), f64x2.mul(x1, d1)));
    dd = f64x2.add(dd, f64x2.add(f64x2.mul(d0, d0), f64x2.mul(d1, d1)));
  }
  addPair(sums, ww);
  addPair(sums + 8 * 32, wd);
  addPair(sums + 16 * 32, dd);
}

// @ts-ignore: decorator
@inline function addPair(sum: usize, pair: v128): void {
  store<f64>(sum, load<f64>(sum) + (f64x2.extract_lane(pair, 0) + f64x2.extract_lane(pair, 1)));
}
