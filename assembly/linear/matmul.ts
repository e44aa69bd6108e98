// y = init + x·Wᵀ over packed panels (pack.ts). The driver picks tiles (tiles.ts); none of its choices changes a bit of a result.
import { decoded, DECODED_STEPS, lanes, packed, PACKED_FLOATS } from '../simd/block';
import { BF16, F32, four } from '../simd/dtype';
import { RELAXED } from '../simd/features';
import { panelsAtOnce } from '../simd/panels-at-once';
import { packRows, tilesOf } from './rows';
import { stepBytes, tile1x16, tile1x32, tile1x8, tile2x16, tile2x8, tile3x8, tile4x8, tile5x8, tile6x8 } from './tiles';

/** Where accumulators start when there is no init. */
const ZEROS: usize = memory.data<f32>([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);

/** Rows that are worked in a pass however long they are: each panel comes from outside the caches once for them. */
const FEWEST_ROWS: i32 = 60;

/** From this many rows on, widening a panel once beats widening it in every tile (as measured: bf16 is cheap to widen, f16 is not). */
// @ts-ignore: decorator
@inline function direct<W>(): i32 {
  return isFloat<W>() ? i32.MAX_VALUE : isSigned<W>() ? 3 : 16;
}

export function matmul(
  y: usize, ldy: i32, x: usize, ldx: i32, w: usize, init: usize, ldi: i32, m: i32, n: i32, k: i32, dtype: i32, from: i32, to: i32,
): void {
  if (dtype == F32) product<f32>(y, ldy, x, ldx, w, init, ldi, m, n, k, dtype, from, to);
  else if (dtype == BF16) product<u16>(y, ldy, x, ldx, w, init, ldi, m, n, k, dtype, from, to);
  else product<i16>(y, ldy, x, ldx, w, init, ldi, m, n, k, dtype, from, to);
}

function product<W>(
  y: usize, ldy: i32, x: usize, ldx: i32, w: usize, init: usize, ldi: i32, m: i32, n: i32, k: i32, dtype: i32, from: i32, to: i32,
): void {
  const yStep = <usize>ldy << 2, xStep = <usize>ldx << 2, pitch = <usize>k * stepBytes<W>();
  y += <usize>from << 2;
  w += <usize>(from >> 3) * pitch;
  // the distance in init from one row and from one output to the next
  let iStep: usize = 0, iNext: usize = 0;
  if (init) {
    init += <usize>from << 2;
    iStep = <usize>ldi << 2;
    iNext = 4;
  } else {
    init = ZEROS;
  }
  const count = min(to, n) - from;
  if (m == 1) oneRow<W>(y, x, w, pitch, init, iNext, count, k, panelsAtOnce(dtype));
  else if (m == 2) twoRows<W>(y, yStep, x, xStep, w, pitch, init, iStep, iNext, count, k);
  else {
    // passes of equal length over the panels, with whole rows packed where that leaves enough of them
    const most = max(FEWEST_ROWS, PACKED_FLOATS / k), passes = (m + most - 1) / most;
    for (let pass = 0; pass < passes; pass++) {
      const rows = m / passes + i32(pass < m % passes);
      manyRows<W>(y, yStep, x, xStep, w, pitch, init, iStep, iNext, rows, count, k);
      y += <usize>rows * yStep;
      x += <usize>rows * xStep;
      init += <usize>rows * iStep;
    }
  }
}

function oneRow<W>(y: usize, x: usize, w: usize, pitch: usize, init: usize, iNext: usize, count: i32, k: i32, atOnce: i32): void {
  // Two calls keep the tile out of line: inlined into this loop it runs at two thirds of its speed.
  while (count >= 64 && atOnce > 1) {
    tile1x32<W>(y, x, w, pitch, init);
    tile1x32<W>(y + 128, x, w + (pitch << 2), pitch, init + (iNext << 5));
    y += 256;
    w += pitch << 3;
    init += iNext << 6;
    count -= 64;
  }
  if (count >= 32 && atOnce > 1) {
    tile1x32<W>(y, x, w, pitch, init);
    y += 128;
    w += pitch << 2;
    init += iNext << 5;
    count -= 32;
  }
  if (count >= 16 && atOnce > 1) {
    tile1x16<W>(y, x, w, pitch, init);
    y += 64;
    w += pitch << 1;
    init += iNext << 4;
    count -= 16;
  }
  while (count >= 8) {
    tile1x8<W>(y, x, w, init, k);
    y += 32;
    w += pitch;
    init += iNext << 3;
    count -= 8;
  }
  if (count > 0) {
    tile1x8<W>(lanes(), x, w, init, k);
    memory.copy(y, lanes(), <usize>count << 2);
  }
}

function twoRows<W>(
  y: usize, ldy: usize, x: usize, ldx: usize, w: usize, pitch: usize, init: usize, ldi: usize, iNext: usize, count: i32, k: i32,
): void {
  while (count >= 16) {
    tile2x16<W>(y, ldy, x, ldx, w, pitch, init, ldi);
    y += 64;
    w += pitch << 1;
    init += iNext << 4;
    count -= 16;
  }
  if (count > 0) manyRows<W>(y, ldy, x, ldx, w, pitch, init, ldi, iNext, 2, count, k);
}

/** Some rows, a stretch of k at a time: its part of x packed, then each panel against all rows; each stretch goes on from the sums so far, in y. */
function manyRows<W>(
  y: usize, ldy: usize, x: usize, ldx: usize, w: usize, pitch: usize, init: usize, ldi: usize, iNext: usize, m: i32, count: i32, k: i32,
): void {
  const most = m < direct<W>() ? PACKED_FLOATS / m : min(PACKED_FLOATS / m, DECODED_STEPS);
  for (let stretches = (k + most - 1) / most; stretches > 0; stretches--) {
    const steps = k / stretches;
    packRows(x, ldx, m, steps);
    let c = y, p = w, from = init;
    for (let left = count; left > 0; left -= 8) {
      if (m < direct<W>()) panel<W>(c, ldy, p, from, ldi, m, steps, min(left, 8));
      else {
        widenPanel<W>(p, steps);
        panel<f32>(c, ldy, decoded(), from, ldi, m, steps, min(left, 8));
      }
      c += 32;
      p += pitch;
      from += iNext << 3;
    }
    init = y;
    ldi = ldy;
    iNext = 4;
    w += <usize>steps * stepBytes<W>();
    x += <usize>steps << 2;
    k -= steps;
  }
}

function widenPanel<W>(w: usize, steps: i32): void {
  let to = decoded();
  for (const end = w + <usize>steps * stepBytes<W>(); w < end; w += stepBytes<W>()) {
    v128.store(to, four<W>(w));
    v128.store(to, four<W>(w + (stepBytes<W>() >> 1)), 16);
    to += 32;
  }
}

/** All packed rows, fewer than `direct`, on one panel, of which `valid` lanes are outputs. */
function panel<W>(y: usize, ldy: usize, w: usize, init: usize, ldi: usize, m: i32, steps: i32, valid: i32): void {
  const tiles = tilesOf(m), base = m / tiles, larger = m % tiles;
  let x = packed();
  for (let i = 0; i < tiles; i++) {
    const rows = base + i32(i < larger);
    if (valid == 8) tile<W>(rows, y, ldy, x, w, init, ldi, steps);
    else {
      tile<W>(rows, lanes(), 32, x, w, init, ldi, steps);
      copyLanes(y, ldy, rows, valid);
    }
    y += <usize>rows * ldy;
    x += (<usize>rows * <usize>steps) << 2;
    init += <usize>rows * ldi;
  }
}

// @ts-ignore: decorator
@inline function tile<W>(rows: i32, y: usize, ldy: usize, x: usize, w: usize, init: usize, ldi: usize, steps: i32): void {
  if (rows == 4) tile4x8<W>(y, ldy, x, w, init, ldi, steps);
  else if (rows == 3) tile3x8<W>(y, ldy, x, w, init, ldi, steps);
  else if (rows == 2) tile2x8<W>(y, ldy, x, w, init, ldi, steps);
  else if (RELAXED && rows == 5) tile5x8<W>(y, ldy, x, w, init, ldi, steps);
  else if (RELAXED) tile6x8<W>(y, ldy, x, w, init, ldi, steps);
}

function copyLanes(y: usize, ldy: usize, rows: i32, valid: i32): void {
  for (let i = 0; i < rows; i++) memory.copy(y + <usize>i * ldy, lanes() + (<usize>i << 5), <usize>valid << 2);
}
