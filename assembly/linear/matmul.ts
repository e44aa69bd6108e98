// y = init + x·Wᵀ over packed panels (pack.ts). The driver picks tiles (tiles.ts); none of its choices changes a bit of a result.
import { decoded, DECODED_STEPS, lanes } from '../simd/block';
import { BF16, F32, four } from '../simd/dtype';
import { stepBytes, tile1x16, tile1x32, tile1x8, tile2x16, tile2x8, tile3x8, tile4x8 } from './tiles';

/** Where accumulators start when there is no init. */
const ZEROS: usize = memory.data<f32>([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);

/**
 * Rows of x worked per pass over the panels take about this many bytes: the second-level cache of a larger core. A quarter of it reads the panels from outside
 * so much oftener that K = 1536 and 2048 lose a tenth to a sixth (`npm run bench -- --only matmul`; Node 20 and Deno); twice as much wins hardly anything, and asks more of a small core.
 */
const ROWS_BYTES: usize = 1024 * 1024;

/** From this many rows on, widening a panel once beats widening it in every tile (as measured: bf16 is cheap to widen, f16 is not). */
// @ts-ignore: decorator
@inline function direct<W>(): i32 {
  return isFloat<W>() ? i32.MAX_VALUE : isSigned<W>() ? 3 : 16;
}

export function matmul(
  y: usize, ldy: i32, x: usize, ldx: i32, w: usize, init: usize, ldi: i32, m: i32, n: i32, k: i32, dtype: i32, from: i32, to: i32,
): void {
  if (dtype == F32) product<f32>(y, ldy, x, ldx, w, init, ldi, m, n, k, from, to);
  else if (dtype == BF16) product<u16>(y, ldy, x, ldx, w, init, ldi, m, n, k, from, to);
  else product<i16>(y, ldy, x, ldx, w, init, ldi, m, n, k, from, to);
}

function product<W>(y: usize, ldy: i32, x: usize, ldx: i32, w: usize, init: usize, ldi: i32, m: i32, n: i32, k: i32, from: i32, to: i32): void {
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
  if (m == 1) oneRow<W>(y, x, w, pitch, init, iNext, count, k);
  else if (m == 2) twoRows<W>(y, yStep, x, xStep, w, pitch, init, iStep, iNext, count, k);
  else {
    // passes of equal length, in whole tiles
    const most = max(4, <i32>(ROWS_BYTES / (<usize>k << 2)));
    const passes = (m + most - 1) / most, rows = ((m + passes - 1) / passes + 3) & ~3;
    for (let row = 0; row < m; row += rows) {
      manyRows<W>(y, yStep, x, xStep, w, pitch, init, iStep, iNext, min(rows, m - row), count, k);
      y += <usize>rows * yStep;
      x += <usize>rows * xStep;
      init += <usize>rows * iStep;
    }
  }
}

function oneRow<W>(y: usize, x: usize, w: usize, pitch: usize, init: usize, iNext: usize, count: i32, k: i32): void {
  // Two calls keep the tile out of line: inlined into this loop it runs at two thirds of its speed.
  while (count >= 64) {
    tile1x32<W>(y, x, w, pitch, init);
    tile1x32<W>(y + 128, x, w + (pitch << 2), pitch, init + (iNext << 5));
    y += 256;
    w += pitch << 3;
    init += iNext << 6;
    count -= 64;
  }
  if (count >= 32) {
    tile1x32<W>(y, x, w, pitch, init);
    y += 128;
    w += pitch << 2;
    init += iNext << 5;
    count -= 32;
  }
  if (count >= 16) {
    tile1x16<W>(y, x, w, pitch, init);
    y += 64;
    w += pitch << 1;
    init += iNext << 4;
    count -= 16;
  }
  if (count >= 8) {
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
  while (count > 0) {
    panel<W>(y, ldy, x, ldx, w, init, ldi, 2, k, min(count, 8));
    y += 32;
    w += pitch;
    init += iNext << 3;
    count -= 8;
  }
}

function manyRows<W>(
  y: usize, ldy: usize, x: usize, ldx: usize, w: usize, pitch: usize, init: usize, ldi: usize, iNext: usize, m: i32, count: i32, k: i32,
): void {
  for (; count > 0; count -= 8) {
    if (m < direct<W>()) panel<W>(y, ldy, x, ldx, w, init, ldi, m, k, min(count, 8));
    else decodedPanel<W>(y, ldy, x, ldx, w, init, ldi, m, k, min(count, 8));
    y += 32;
    w += pitch;
    init += iNext << 3;
  }
}

/** All rows, fewer than `direct`, on one panel, of which `valid` lanes are outputs. The rows are split evenly: 5 are 3 + 2, not 4 + 1. */
function panel<W>(y: usize, ldy: usize, x: usize, ldx: usize, w: usize, init: usize, ldi: usize, m: i32, k: i32, valid: i32): void {
  const tiles = (m + 3) >> 2, base = m / tiles;
  let larger = m - base * tiles;
  while (m > 0) {
    const rows = base + i32(larger > 0);
    const c = valid == 8 ? y : lanes(), ldc = valid == 8 ? ldy : 32;
    if (rows == 4 && direct<W>() > 4) tile4x8<W>(c, ldc, x, ldx, w, init, ldi, k);
    else if (rows == 3 && direct<W>() > 3) tile3x8<W>(c, ldc, x, ldx, w, init, ldi, k);
    else if (rows == 2) tile2x8<W>(c, ldc, x, ldx, w, init, ldi, k);
    else tile1x8<W>(c, x, w, init, k);
    if (valid < 8) for (let i = 0; i < rows; i++) memory.copy(y + <usize>i * ldy, lanes() + (<usize>i << 5), <usize>valid << 2);
    y += <usize>rows * ldy;
    x += <usize>rows * ldx;
    init += <usize>rows * ldi;
    m -= rows;
    larger--;
  }
}

/** As `panel`, a stretch of k at a time widened once for all rows; each stretch goes on from the sums so far, in y. */
function decodedPanel<W>(y: usize, ldy: usize, x: usize, ldx: usize, w: usize, init: usize, ldi: usize, m: i32, k: i32, valid: i32): void {
  for (; k > 0; k -= DECODED_STEPS) {
    const steps = min(k, DECODED_STEPS);
    let to = decoded();
    for (const end = w + <usize>steps * stepBytes<W>(); w < end; w += stepBytes<W>()) {
      v128.store(to, four<W>(w));
      v128.store(to, four<W>(w + (stepBytes<W>() >> 1)), 16);
      to += 32;
    }
    panel<f32>(y, ldy, x, ldx, decoded(), init, ldi, m, steps, valid);
    init = y;
    ldi = ldy;
    x += <usize>steps << 2;
  }
}
