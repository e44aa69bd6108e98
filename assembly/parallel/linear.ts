// Products by several threads: parts are runs of panels of outputs or, where there are more rows than panels, runs of rows. Each is its kernel's own product over a smaller
// range, so that nothing shows in the bits.
import { matmul as matmulHere } from '../linear/matmul';
import { loraDown, loraUp } from '../lora/low_rank';
import { matmulQuantized as matmulQuantizedHere } from '../quant/matmul';
import { ACTIVATION_BYTES } from '../quant/activation';
import { THREADS } from '../simd/features';
import { args, fork, partsOf, shared, threadCount } from './control';
import { begin, bytes } from './ranges';
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

// The arguments of a product [m, to - from]: first what says how it is cut, 16 bytes, [ m ][ from ][ to ][ 1: by rows ]; behind them its own.
const OWN: usize = 16;

/** Works a product whose own arguments are written. */
function forkProduct(task: i32, m: i32, from: i32, to: i32): void {
  const a = args(), parts = split(m, to - from);
  store<i32>(a, m);
  store<i32>(a, from, 4);
  store<i32>(a, to, 8);
  store<i32>(a, i32(parts < 0), 12);
  fork(task, abs(parts));
}

// What `cut` found: a part's first row and how many, its first output and the one behind its last. An instance works one part at a time.
let row: i32 = 0;
let rows: i32 = 0;
let first: i32 = 0;
let last: i32 = 0;

function cut(part: i32, parts: i32): void {
  const a = args(), m = load<i32>(a), from = load<i32>(a, 4), to = load<i32>(a, 8);
  const byRows = load<i32>(a, 12) != 0;
  row = byRows ? begin(part, parts, m, TILE_ROWS) : 0;
  rows = (byRows ? begin(part + 1, parts, m, TILE_ROWS) : m) - row;
  first = byRows ? from : from + begin(part, parts, to - from, 8);
  last = byRows ? to : from + begin(part + 1, parts, to - from, 8);
}

export function matmul(
  y: usize, ldy: i32, x: usize, ldx: i32, w: usize, init: usize, ldi: i32, m: i32, n: i32, k: i32, dtype: i32, from: i32, to: i32,
): void {
  if (!THREADS || !shared(<i64>m * (to - from) * k, LEAST)) return matmulHere(y, ldy, x, ldx, w, init, ldi, m, n, k, dtype, from, to);
  const a = args() + OWN;
  store<usize>(a, y);
  store<i32>(a, ldy, 4);
  store<usize>(a, x, 8);
  store<i32>(a, ldx, 12);
  store<usize>(a, w, 16);
  store<usize>(a, init, 20);
  store<i32>(a, ldi, 24);
  store<i32>(a, n, 28);
  store<i32>(a, k, 32);
  store<i32>(a, dtype, 36);
  forkProduct(MATMUL, m, from, to);
}

export function matmulPart(part: i32, parts: i32): void {
  cut(part, parts);
  const a = args() + OWN, ldy = load<i32>(a, 4), ldx = load<i32>(a, 12), init = load<usize>(a, 20), ldi = load<i32>(a, 24);
  matmulHere(load<usize>(a) + bytes(row, ldy), ldy, load<usize>(a, 8) + bytes(row, ldx), ldx, load<usize>(a, 16), init ? init + bytes(row, ldi) : 0, ldi, rows, load<i32>(a, 28),
    load<i32>(a, 32), load<i32>(a, 36), first, last);
}

export function matmulQuantized(
  y: usize, ldy: i32, q: usize, w: usize, init: usize, ldi: i32, m: i32, n: i32, k: i32, dtype: i32, from: i32, to: i32,
): void {
  if (!THREADS || !shared(<i64>m * (to - from) * k, LEAST)) return matmulQuantizedHere(y, ldy, q, w, init, ldi, m, n, k, dtype, from, to);
  const a = args() + OWN;
  store<usize>(a, y);
  store<i32>(a, ldy, 4);
  store<usize>(a, q, 8);
  store<usize>(a, w, 12);
  store<usize>(a, init, 16);
  store<i32>(a, ldi, 20);
  store<i32>(a, n, 24);
  store<i32>(a, k, 28);
  store<i32>(a, dtype, 32);
  forkProduct(MATMUL_QUANTIZED, m, from, to);
}

export function matmulQuantizedPart(part: i32, parts: i32): void {
  cut(part, parts);
  const a = args() + OWN, ldy = load<i32>(a, 4), init = load<usize>(a, 16), ldi = load<i32>(a, 20), k = load<i32>(a, 28);
  matmulQuantizedHere(load<usize>(a) + bytes(row, ldy), ldy, load<usize>(a, 8) + <usize>row * <usize>(k >> 5) * ACTIVATION_BYTES, load<usize>(a, 12), init ? init + bytes(row, ldi) : 0, ldi,
    rows, load<i32>(a, 24), k, load<i32>(a, 32), first, last);
}

/** A x once for all, by rows, then B's share of each output. */
export function loraMatmul(
  y: usize, ldy: i32, x: usize, ldx: i32, a: usize, b: usize, bias: usize, scratch: usize, m: i32, n: i32, k: i32, rank: i32, scale: f32, dtype: i32,
  from: i32, to: i32,
): void {
  const steps = (m + TILE_ROWS - 1) / TILE_ROWS;
  if (THREADS && steps > 1 && shared(<i64>m * rank * k, LEAST)) {
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
    fork(LORA_DOWN, partsOf(steps));
  } else loraDown(scratch, x, ldx, a, m, k, rank, scale, dtype);
  if (!THREADS || !shared(<i64>m * (to - from) * rank, LEAST)) return loraUp(y, ldy, scratch, b, bias, m, n, rank, scale, dtype, from, to);
  const at = args() + OWN;
  store<usize>(at, y);
  store<i32>(at, ldy, 4);
  store<usize>(at, scratch, 8);
  store<usize>(at, b, 12);
  store<usize>(at, bias, 16);
  store<i32>(at, n, 20);
  store<i32>(at, rank, 24);
  store<f32>(at, scale, 28);
  store<i32>(at, dtype, 32);
  forkProduct(LORA_UP, m, from, to);
}

export function loraDownPart(part: i32, parts: i32): void {
  const a = args();
  const m = load<i32>(a, 16), rank = load<i32>(a, 24), ldx = load<i32>(a, 8);
  const start = begin(part, parts, m, TILE_ROWS), count = begin(part + 1, parts, m, TILE_ROWS) - start;
  loraDown(load<usize>(a) + bytes(start, rank), load<usize>(a, 4) + bytes(start, ldx), ldx, load<usize>(a, 12), count, load<i32>(a, 20), rank, load<f32>(a, 28), load<i32>(a, 32));
}

export function loraUpPart(part: i32, parts: i32): void {
  cut(part, parts);
  const a = args() + OWN, ldy = load<i32>(a, 4), rank = load<i32>(a, 24);
  loraUp(load<usize>(a) + bytes(row, ldy), ldy, load<usize>(a, 8) + bytes(row, rank), load<usize>(a, 12), load<usize>(a, 16), rows, load<i32>(a, 20), rank, load<f32>(a, 28), load<i32>(a, 32),
    first, last);
}
