// y = init + x·Wᵀ for W in quantised panels (panels.ts) and x in blocks of 12 or 8 bits (activation.ts). A few rows read the panels as they lie (single.ts, double.ts, quadruple.ts); for more
// of them a stretch of a panel at a time is decoded (decode.ts) and multiplied with all rows (tiles.ts). None of the driver's choices changes a bit of a
// result: what is summed in which order stands in tiles.ts.
import { decoded, lanes } from '../simd/block';
import { blockBytes, blockWeights, Q4_0, Q4_1, Q4_K, Q5_0, Q5_1, Q5_K, Q6_K, Q8_0 } from '../simd/dtype';
import { RELAXED } from '../simd/features';
import { panelsAtOnce } from '../simd/panels-at-once';
import { ACTIVATION_BYTES, ACTIVATION_STEP } from './activation';
import { decode, unitsOf } from './decode';
import { Bytes, Fifths, FifthsMinimum, Nibbles, NibblesMinimum, Pairs, SuperFifths, SuperNibbles } from './formats';
import { doubleBytes, doubleNibbles } from './double';
import { quadrupleNibbles } from './quadruple';
import { singleBytes, singleNibbles, singlePairs } from './single';
import { tile1x8, tile2x8, tile4x8 } from './tiles';

/** Up to so many rows decoding in registers, anew for each one to four, beats decoding to memory (`scripts/bench/quant.mjs`): what lies outside the caches is read while it is multiplied. */
// @ts-ignore: decorator
@inline function fewOf(dtype: i32): i32 {
  if (dtype == Q8_0) return 12;
  if (isNibbles(dtype)) return RELAXED ? 24 : 8;
  return RELAXED || dtype == Q6_K ? 2 : 3;
}

/** Bytes of panels that stay in a second-level cache while one row after another goes through them. */
const NEAR: i32 = 128 * 1024;

/** Units decoded at a time: three superblocks, 13.5 KB of `decoded`. */
const STRETCH: i32 = 24;

/** Rows worked through all panels at a time: their activations stay in a second-level cache of 1 MB. */
const AT_ONCE: i32 = 128;

/** Where accumulators start when there is no init. */
const ZEROS: usize = memory.data<f32>([0, 0, 0, 0, 0, 0, 0, 0], 16);

/** y [m, n] = init + x·Wᵀ for outputs from … to; arguments as of `matmul`, but q [m, k/32] blocks as `quantizeRows` leaves them. */
export function matmulQuantized(
  y: usize, ldy: i32, q: usize, w: usize, init: usize, ldi: i32, m: i32, n: i32, k: i32, dtype: i32, from: i32, to: i32,
): void {
  const yStep = <usize>ldy << 2, xStep = <usize>(k >> 5) * ACTIVATION_BYTES, blocks = k / blockWeights(dtype), pitch = <usize>blocks * (<usize>blockBytes(dtype) << 3);
  y += <usize>from << 2;
  w += <usize>(from >> 3) * pitch;
  // the distance in init from one row and from one panel to the next
  let iStep: usize = 0, iNext: usize = 0;
  if (init) {
    init += <usize>from << 2;
    iStep = <usize>ldi << 2;
    iNext = 32;
  } else {
    init = ZEROS;
  }
  let count = min(to, n) - from;
  if (m == 1 && panelsAtOnce(dtype) > 1) {
    const done = count & ~31;
    fourPanels(y, q, w, pitch, init, iNext, done, blocks, dtype);
    y += <usize>done << 2;
    w += <usize>(done >> 3) * pitch;
    init += <usize>(done >> 3) * iNext;
    count -= done;
  }
  for (; m > 0; m -= AT_ONCE) {
    const rows = min(m, AT_ONCE);
    if (rows <= fewOf(dtype)) fewRows(y, yStep, q, xStep, w, pitch, init, iStep, iNext, rows, count, blocks, dtype);
    else if (dtype == Q6_K) manyRows<Pairs>(y, yStep, q, xStep, w, pitch, init, iStep, iNext, rows, count, blocks, dtype);
    else if (dtype == Q4_1 || dtype == Q4_K) manyRows<NibblesMinimum>(y, yStep, q, xStep, w, pitch, init, iStep, iNext, rows, count, blocks, dtype);
    else if (!RELAXED) {
      // The decoded weights are what their scales multiply: formats differ by their minimums alone.
      if (dtype == Q5_1 || dtype == Q5_K) manyRows<NibblesMinimum>(y, yStep, q, xStep, w, pitch, init, iStep, iNext, rows, count, blocks, dtype);
      else manyRows<Nibbles>(y, yStep, q, xStep, w, pitch, init, iStep, iNext, rows, count, blocks, dtype);
    } else if (dtype == Q8_0) manyRows<Bytes>(y, yStep, q, xStep, w, pitch, init, iStep, iNext, rows, count, blocks, dtype);
    else if (dtype == Q4_0) manyRows<Nibbles>(y, yStep, q, xStep, w, pitch, init, iStep, iNext, rows, count, blocks, dtype);
    else if (dtype == Q5_0) manyRows<Fifths>(y, yStep, q, xStep, w, pitch, init, iStep, iNext, rows, count, blocks, dtype);
    else manyRows<FifthsMinimum>(y, yStep, q, xStep, w, pitch, init, iStep, iNext, rows, count, blocks, dtype);
    y += <usize>rows * yStep;
    q += <usize>rows * xStep;
    init += <usize>rows * iStep;
  }
}

/** One row on four panels at once: a block of each in turn, going on from the sums so far, in y. `count` is a multiple of 32. */
function fourPanels(y: usize, x: usize, w: usize, pitch: usize, init: usize, iNext: usize, count: i32, blocks: i32, dtype: i32): void {
  const bytes = pitch / <usize>blocks, step = <usize>unitsOf(dtype) * ACTIVATION_STEP;
  for (; count > 0; count -= 32) {
    let sums = init, sNext = iNext, q = x;
    for (const end = w + pitch; w < end; w += bytes) {
      for (let i: usize = 0; i < 4; i++) single(y + (i << 5), q, w + i * pitch, 1, sums + i * sNext, dtype);
      q += step;
      sums = y;
      sNext = 32;
    }
    y += 128;
    w += 3 * pitch;
    init += iNext << 2;
  }
}

/** Panels as they lie, so many that the rows after the first four, or fewer, find them near: those four read one stream from the first panel of the group to the last. */
function fewRows(
  y: usize, ldy: usize, x: usize, ldx: usize, w: usize, pitch: usize, init: usize, ldi: usize, iNext: usize, m: i32, count: i32, blocks: i32, dtype: i32,
): void {
  const atOnce = max(1, NEAR / <i32>pitch) << 3;
  for (; count > 0; count -= atOnce) {
    for (let i = 0, rows = 0; i < m; i += rows) {
      const here = min(count, atOnce);
      rows = together(m - i, dtype);
      let c = y + <usize>i * ldy, from = init + <usize>i * ldi, p = w;
      const a = x + <usize>i * ldx;
      for (let left = here; left > 0; left -= 8) {
        if (left >= 8) some(rows, c, ldy, a, ldx, p, blocks, from, ldi, dtype);
        else {
          some(rows, lanes(), 32, a, ldx, p, blocks, from, ldi, dtype);
          for (let j: usize = 0; j < <usize>rows; j++) memory.copy(c + j * ldy, lanes() + (j << 5), <usize>left << 2);
        }
        c += 32;
        p += pitch;
        from += iNext;
      }
    }
    y += <usize>atOnce << 2;
    w += <usize>(atOnce >> 3) * pitch;
    init += <usize>(atOnce >> 3) * iNext;
  }
}

/** Rows that the next micro-kernel takes of those that are left. */
// @ts-ignore: decorator
@inline function together(left: i32, dtype: i32): i32 {
  return RELAXED && left >= 4 && isNibbles(dtype) ? 4 : left >= 2 && (isNibbles(dtype) || dtype == Q8_0) ? 2 : 1;
}

// @ts-ignore: decorator
@inline function isNibbles(dtype: i32): bool {
  return dtype == Q4_0 || dtype == Q4_1 || dtype == Q4_K;
}

function some(rows: i32, y: usize, ldy: usize, x: usize, ldx: usize, w: usize, blocks: i32, init: usize, ldi: usize, dtype: i32): void {
  if (rows == 1) single(y, x, w, blocks, init, dtype);
  else if (dtype == Q8_0) doubleBytes(y, ldy, x, ldx, w, blocks, init, ldi);
  else if (dtype == Q4_0) nibbles<Nibbles>(rows, y, ldy, x, ldx, w, blocks, init, ldi);
  else if (dtype == Q4_1) nibbles<NibblesMinimum>(rows, y, ldy, x, ldx, w, blocks, init, ldi);
  else nibbles<SuperNibbles>(rows, y, ldy, x, ldx, w, blocks, init, ldi);
}

// @ts-ignore: decorator
@inline function nibbles<F>(rows: i32, y: usize, ldy: usize, x: usize, ldx: usize, w: usize, blocks: i32, init: usize, ldi: usize): void {
  if (RELAXED && rows == 4) quadrupleNibbles<F>(y, ldy, x, ldx, w, blocks, init, ldi);
  else doubleNibbles<F>(y, ldy, x, ldx, w, blocks, init, ldi);
}

/** Inlined, so that each micro-kernel is called from two places and stays a function of its own: in one body they share registers badly. */
// @ts-ignore: decorator
@inline function single(y: usize, x: usize, w: usize, blocks: i32, init: usize, dtype: i32): void {
  switch (dtype) {
    case Q8_0: singleBytes(y, x, w, blocks, init); break;
    case Q4_0: singleNibbles<Nibbles>(y, x, w, blocks, init); break;
    case Q4_1: singleNibbles<NibblesMinimum>(y, x, w, blocks, init); break;
    case Q5_0: singleNibbles<Fifths>(y, x, w, blocks, init); break;
    case Q5_1: singleNibbles<FifthsMinimum>(y, x, w, blocks, init); break;
    case Q4_K: singleNibbles<SuperNibbles>(y, x, w, blocks, init); break;
    case Q6_K: singlePairs(y, x, w, blocks, init); break;
    default: singleNibbles<SuperFifths>(y, x, w, blocks, init);
  }
}

function manyRows<F>(
  y: usize, ldy: usize, x: usize, ldx: usize, w: usize, pitch: usize, init: usize, ldi: usize, iNext: usize, m: i32, count: i32, blocks: i32, dtype: i32,
): void {
  const bytes = pitch / <usize>blocks, units = unitsOf(dtype), most = STRETCH / units;
  for (; count > 0; count -= 8) {
    // a stretch goes on from the sums so far, in y
    let sums = init, sStep = ldi, a = x;
    for (let left = blocks; left > 0; left -= most) {
      const now = min(left, most);
      decode(decoded(), w, now, dtype);
      panel<F>(y, ldy, a, ldx, now * units, sums, sStep, m, min(count, 8));
      w += <usize>now * bytes;
      a += <usize>(now * units) * ACTIVATION_STEP;
      sums = y;
      sStep = ldy;
    }
    y += 32;
    init += iNext;
  }
}

/** All rows on the decoded stretch of a panel, of which `valid` lanes are outputs. */
function panel<F>(y: usize, ldy: usize, x: usize, ldx: usize, units: i32, init: usize, ldi: usize, m: i32, valid: i32): void {
  while (m > 0) {
    const rows: i32 = m >= 4 ? 4 : m >= 2 ? 2 : 1;
    const c = valid == 8 ? y : lanes(), ldc = valid == 8 ? ldy : 32;
    if (rows == 4 && valid == 8) tile4x8<F>(y, ldy, x, ldx, decoded(), units, init, ldi);
    else if (rows == 4) tile4x8<F>(lanes(), 32, x, ldx, decoded(), units, init, ldi);
    else if (rows == 2) tile2x8<F>(c, ldc, x, ldx, decoded(), units, init, ldi);
    else tile1x8<F>(c, x, decoded(), units, init);
    if (valid < 8) for (let i: usize = 0; i < <usize>rows; i++) memory.copy(y + i * ldy, lanes() + (i << 5), <usize>valid << 2);
    y += <usize>rows * ldy;
    x += <usize>rows * ldx;
    init += <usize>rows * ldi;
    m -= rows;
  }
}
