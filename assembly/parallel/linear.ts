// Products by several threads: parts are runs of panels of outputs or, where there are more rows than panels, runs of rows. Each is its kernel's own product over a smaller
// range, so that nothing shows in the bits.
import { matmul as matmulHere } from '../linear/matmul';
import { loraDown, loraUp } from '../lora/low_rank';
import { matmulQuantized as matmulQuantizedHere } from '../quant/matmul';
import { ACTIVATION_BYTES } from '../quant/activation';
import { THREADS } from '../simd/features';
import { args, fork, partsOf, shared, threadCount } from './control';
import { LORA_DOWN, LORA_UP, MATMUL, MATMUL_QUANTIZED } from './tasks';

/** Multiply-adds from which a region pays. */
const LEAST: i64 = 32768;

/** Rows are cut at multiples of the rows of every tile: 4, in relaxed builds 6. */
const TILE_ROWS: i32 = 12;
/** Panels that a part has at least where there are many: a row alone goes through so many at once. */
const TILE_PANELS: i32 = 4;

/** Up to so many rows a product reads more than it computes: one run of panels for each thread then, since memory likes long ones (decoding 1.77 times as fast on two threads; by four runs each 1.27). */
const FEW_ROWS: i32 = 4;

/** Into how many parts [m, outputs] goes; negative: of rows. */
function split(m: i32, outputs: i32): i32 {
  const panels = (outputs + 7) >> 3, rows = (m + TILE_ROWS - 1) / TILE_ROWS;
  if (m <= FEW_ROWS) return min(panels, threadCount());
  if (rows > panels) return -partsOf(rows);
  return partsOf(panels >= 8 * TILE_PANELS ? panels / TILE_PANELS : panels);
}

/** The first row or output of part `part` of `parts`, counted from 0, in steps of `step`; of part `parts` the end. */
// @ts-ignore: decorator
@inline function begin(part: i32, parts: i32, count: i32, step: i32): i32 {
  return min(count, (count + step - 1) / step * part / parts * step);
}

export function matmul(
  y: usize, ldy: i32, x: usize, ldx: i32, w: usize, init: usize, ldi: i32, m: i32, n: i32, k: i32, dtype: i32, from: i32, to: i32,
): void {
  if (!THREADS || !shared(<i64>m * (to - from) * k, LEAST)) return matmulHere(y, ldy, x, ldx, w, init, ldi, m, n, k, dtype, from, to);
  const a = args(), parts = split(m, to - from);
  store<usize>(a, y);
  store<i32>(a, ldy, 4);
  store<usize>(a, x, 8);
  store<i32>(a, ldx, 12);
  store<usize>(a, w, 16);
  store<usize>(a, init, 20);
  store<i32>(a, ldi, 24);
  store<i32>(a, m, 28);
  store<i32>(a, n, 32);
  store<i32>(a, k, 36);
  store<i32>(a, dtype, 40);
  store<i32>(a, from, 44);
  store<i32>(a, to, 48);
  store<i32>(a, i32(parts < 0), 52);
  fork(MATMUL, abs(parts));
}

export function matmulPart(part: i32, parts: i32): void {
  const a = args();
  const ldy = load<i32>(a, 4), ldx = load<i32>(a, 12), init = load<usize>(a, 20), ldi = load<i32>(a, 24), m = load<i32>(a, 28), from = load<i32>(a, 44), to = load<i32>(a, 48);
  let row = 0, rows = m, first = from, last = to;
  if (load<i32>(a, 52)) {
    row = begin(part, parts, m, TILE_ROWS);
    rows = begin(part + 1, parts, m, TILE_ROWS) - row;
  } else {
    first = from + begin(part, parts, to - from, 8);
    last = from + begin(part + 1, parts, to - from, 8);
  }
  matmulHere(load<usize>(a) + bytes(row, ldy), ldy, load<usize>(a, 8) + bytes(row, ldx), ldx, load<usize>(a, 16), init ? init + bytes(row, ldi) : 0, ldi, rows, load<i32>(a, 32),
    load<i32>(a, 36), load<i32>(a, 40), first, last);
}

export function matmulQuantized(
  y: usize, ldy: i32, q: usize, w: usize, init: usize, ldi: i32, m: i32, n: i32, k: i32, dtype: i32, from: i32, to: i32,
): void {
  if (!THREADS || !shared(<i64>m * (to - from) * k, LEAST)) return matmulQuantizedHere(y, ldy, q, w, init, ldi, m, n, k, dtype, from, to);
  const a = args(), parts = split(m, to - from);
  store<usize>(a, y);
  store<i32>(a, ldy, 4);
  store<usize>(a, q, 8);
  store<usize>(a, w, 12);
  store<usize>(a, init, 16);
  store<i32>(a, ldi, 20);
  store<i32>(a, m, 24);
  store<i32>(a, n, 28);
  store<i32>(a, k, 32);
  store<i32>(a, dtype, 36);
  store<i32>(a, from, 40);
  store<i32>(a, to, 44);
  store<i32>(a, i32(parts < 0), 48);
  fork(MATMUL_QUANTIZED, abs(parts));
}

export function matmulQuantizedPart(part: i32, parts: i32): void {
  const a = args();
  const ldy = load<i32>(a, 4), init = load<usize>(a, 16), ldi = load<i32>(a, 20), m = load<i32>(a, 24), k = load<i32>(a, 32), from = load<i32>(a, 40), to = load<i32>(a, 44);
  let row = 0, rows = m, first = from, last = to;
  if (load<i32>(a, 48)) {
    row = begin(part, parts, m, TILE_ROWS);
    rows = begin(part + 1, parts, m, TILE_ROWS) - row;
  } else {
    first = from + begin(part, parts, to - from, 8);
    last = from + begin(part + 1, parts, to - from, 8);
  }
  matmulQuantizedHere(load<usize>(a) + bytes(row, ldy), ldy, load<usize>(a, 8) + <usize>row * <usize>(k >> 5) * ACTIVATION_BYTES, load<usize>(a, 12), init ? init + bytes(row, ldi) : 0, ldi,
    rows, load<i32>(a, 28), k, load<i32>(a, 36), first, last);
}

/** A x once for all, by rows, then B's share of each output. */
export function loraMatmul(
  y: usize, ldy: i32, x: usize, ldx: i32, a: usize, b: usize, bias: usize, scratch: usize, m: i32, n: i32, k: i32, rank: i32, scale: f32, dtype: i32,
  from: i32, to: i32,
): void {
  const rows = (m + TILE_ROWS - 1) / TILE_ROWS;
  if (THREADS && rows > 1 && shared(<i64>m * rank * k, LEAST)) {
    const at = args();
    store<usize>(at, scratch);
    store<usize>(at, x, 4);
    store<i32>(at, ldx, 8);
    store<usize>(at, a, 12);
    store<i32>(at, m, 16);
    store<i32>(at, k, 20);
    store<i32>(at, rank, 24);
    store<f32>(at, scale, 28);
    store<i32>(at, dtype, 32);
    fork(LORA_DOWN, partsOf(rows));
  } else loraDown(scratch, x, ldx, a, m, k, rank, scale, dtype);
  if (!THREADS || !shared(<i64>m * (to - from) * rank, LEAST)) return loraUp(y, ldy, scratch, b, bias, m, n, rank, scale, dtype, from, to);
  const at = args(), parts = split(m, to - from);
  store<usize>(at, y);
  store<i32>(at, ldy, 4);
  store<usize>(at, scratch, 8);
  store<usize>(at, b, 12);
  store<usize>(at, bias, 16);
  store<i32>(at, m, 20);
  store<i32>(at, n, 24);
  store<i32>(at, rank, 28);
  store<f32>(at, scale, 32);
  store<i32>(at, dtype, 36);
  store<i32>(at, from, 40);
  store<i32>(at, to, 44);
  store<i32>(at, i32(parts < 0), 48);
  fork(LORA_UP, abs(parts));
}

export function loraDownPart(part: i32, parts: i32): void {
  const a = args();
  const m = load<i32>(a, 16), rank = load<i32>(a, 24), ldx = load<i32>(a, 8);
  const row = begin(part, parts, m, TILE_ROWS), rows = begin(part + 1, parts, m, TILE_ROWS) - row;
  loraDown(load<usize>(a) + bytes(row, rank), load<usize>(a, 4) + bytes(row, ldx), ldx, load<usize>(a, 12), rows, load<i32>(a, 20), rank, load<f32>(a, 28), load<i32>(a, 32));
}

export function loraUpPart(part: i32, parts: i32): void {
  const a = args();
  const ldy = load<i32>(a, 4), m = load<i32>(a, 20), rank = load<i32>(a, 28), from = load<i32>(a, 40), to = load<i32>(a, 44);
  let row = 0, rows = m, first = from, last = to;
  if (load<i32>(a, 48)) {
    row = begin(part, parts, m, TILE_ROWS);
    rows = begin(part + 1, parts, m, TILE_ROWS) - row;
  } else {
    first = from + begin(part, parts, to - from, 8);
    last = from + begin(part + 1, parts, to - from, 8);
  }
  loraUp(load<usize>(a) + bytes(row, ldy), ldy, load<usize>(a, 8) + bytes(row, rank), load<usize>(a, 12), load<usize>(a, 16), rows, load<i32>(a, 24), rank, load<f32>(a, 32), load<i32>(a, 36),
    first, last);
}

/** From a row of `ld` floats to the `row`th behind it. */
// @ts-ignore: decorator
@inline function bytes(row: i32, ld: i32): usize {
  return (<usize>row * <usize>ld) << 2;
}
