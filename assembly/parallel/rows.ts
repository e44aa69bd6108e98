// What works row by row, or element by element, by several threads: a prompt has many rows, a token alone is done faster than shared.
import { activate as activateHere, add as addHere, gate as gateHere } from '../activation/activation';
import { rope as ropeHere } from '../attention/rope';
import { layerNorm as layerNormHere, rmsNorm as rmsNormHere } from '../norm/norm';
import { ACTIVATION_BYTES, quantizeRows as quantizeRowsHere } from '../quant/activation';
import { THREADS } from '../simd/features';
import { args, fork, partsOf, shared } from './control';
import { begin, bytes } from './ranges';
import { ACTIVATE, ADD, GATE, LAYER_NORM, QUANTIZE, RMS_NORM, ROPE } from './tasks';

/** Elements from which a region pays: copied and added, or with an exponential each. */
const LEAST: i64 = 16384;
const LEAST_EXP: i64 = 4096;

/** Elementwise kernels are cut at multiples of a cache line, 16 floats. */
const LINE: i32 = 16;

export function quantizeRows(q: usize, x: usize, ldx: i32, m: i32, k: i32): void {
  if (!THREADS || m == 1 || !shared(<i64>m * k, LEAST)) return quantizeRowsHere(q, x, ldx, m, k);
  const a = args();
  store<usize>(a, q);
  store<usize>(a, x, 4);
  store<i32>(a, ldx, 8);
  store<i32>(a, m, 12);
  store<i32>(a, k, 16);
  fork(QUANTIZE, partsOf(m));
}

export function quantizePart(part: i32, parts: i32): void {
  const a = args();
  const ldx = load<i32>(a, 8), m = load<i32>(a, 12), k = load<i32>(a, 16), row = begin(part, parts, m, 1);
  quantizeRowsHere(load<usize>(a) + <usize>row * <usize>(k >> 5) * ACTIVATION_BYTES, load<usize>(a, 4) + bytes(row, ldx), ldx, begin(part + 1, parts, m, 1) - row, k);
}

export function rmsNorm(y: usize, x: usize, w: usize, m: i32, n: i32, eps: f32, offset: f32): void {
  if (!THREADS || m == 1 || !shared(<i64>m * n, LEAST)) return rmsNormHere(y, x, w, m, n, eps, offset);
  normed(y, x, w, 0, m, n, eps, offset, RMS_NORM);
}

export function layerNorm(y: usize, x: usize, w: usize, b: usize, m: i32, n: i32, eps: f32): void {
  if (!THREADS || m == 1 || !shared(<i64>m * n, LEAST)) return layerNormHere(y, x, w, b, m, n, eps);
  normed(y, x, w, b, m, n, eps, 0, LAYER_NORM);
}

function normed(y: usize, x: usize, w: usize, b: usize, m: i32, n: i32, eps: f32, offset: f32, task: i32): void {
  const a = args();
  store<usize>(a, y);
  store<usize>(a, x, 4);
  store<usize>(a, w, 8);
  store<usize>(a, b, 12);
  store<i32>(a, m, 16);
  store<i32>(a, n, 20);
  store<f32>(a, eps, 24);
  store<f32>(a, offset, 28);
  fork(task, partsOf(m));
}

export function rmsNormPart(part: i32, parts: i32): void {
  const a = args();
  const m = load<i32>(a, 16), n = load<i32>(a, 20), row = begin(part, parts, m, 1), at = bytes(row, n);
  rmsNormHere(load<usize>(a) + at, load<usize>(a, 4) + at, load<usize>(a, 8), begin(part + 1, parts, m, 1) - row, n, load<f32>(a, 24), load<f32>(a, 28));
}

export function layerNormPart(part: i32, parts: i32): void {
  const a = args();
  const m = load<i32>(a, 16), n = load<i32>(a, 20), row = begin(part, parts, m, 1), at = bytes(row, n);
  layerNormHere(load<usize>(a) + at, load<usize>(a, 4) + at, load<usize>(a, 8), load<usize>(a, 12), begin(part + 1, parts, m, 1) - row, n, load<f32>(a, 24));
}

export function activate(y: usize, x: usize, count: i32, kind: i32): void {
  if (!THREADS || !shared(count, LEAST_EXP)) return activateHere(y, x, count, kind);
  elementwise(y, x, 0, count, kind, ACTIVATE);
}

export function gate(y: usize, g: usize, u: usize, count: i32, kind: i32): void {
  if (!THREADS || !shared(count, LEAST_EXP)) return gateHere(y, g, u, count, kind);
  elementwise(y, g, u, count, kind, GATE);
}

export function add(y: usize, a: usize, b: usize, count: i32): void {
  if (!THREADS || !shared(count, LEAST)) return addHere(y, a, b, count);
  elementwise(y, a, b, count, 0, ADD);
}

function elementwise(y: usize, first: usize, second: usize, count: i32, kind: i32, task: i32): void {
  const a = args();
  store<usize>(a, y);
  store<usize>(a, first, 4);
  store<usize>(a, second, 8);
  store<i32>(a, count, 12);
  store<i32>(a, kind, 16);
  fork(task, partsOf((count + LINE - 1) / LINE));
}

export function activatePart(part: i32, parts: i32): void {
  const a = args();
  const from = begin(part, parts, load<i32>(a, 12), LINE), at = <usize>from << 2;
  activateHere(load<usize>(a) + at, load<usize>(a, 4) + at, begin(part + 1, parts, load<i32>(a, 12), LINE) - from, load<i32>(a, 16));
}

export function gatePart(part: i32, parts: i32): void {
  const a = args();
  const from = begin(part, parts, load<i32>(a, 12), LINE), at = <usize>from << 2;
  gateHere(load<usize>(a) + at, load<usize>(a, 4) + at, load<usize>(a, 8) + at, begin(part + 1, parts, load<i32>(a, 12), LINE) - from, load<i32>(a, 16));
}

export function addPart(part: i32, parts: i32): void {
  const a = args();
  const from = begin(part, parts, load<i32>(a, 12), LINE), at = <usize>from << 2;
  addHere(load<usize>(a) + at, load<usize>(a, 4) + at, load<usize>(a, 8) + at, begin(part + 1, parts, load<i32>(a, 12), LINE) - from);
}

export function rope(x: usize, ldx: i32, table: usize, rows: i32, heads: i32, headDim: i32, rotaryDim: i32): void {
  if (!THREADS || rows == 1 || !shared(<i64>rows * (heads * rotaryDim), LEAST)) return ropeHere(x, ldx, table, rows, heads, headDim, rotaryDim);
  const a = args();
  store<usize>(a, x);
  store<i32>(a, ldx, 4);
  store<usize>(a, table, 8);
  store<i32>(a, rows, 12);
  store<i32>(a, heads, 16);
  store<i32>(a, headDim, 20);
  store<i32>(a, rotaryDim, 24);
  fork(ROPE, partsOf(rows));
}

export function ropePart(part: i32, parts: i32): void {
  const a = args();
  const ldx = load<i32>(a, 4), rows = load<i32>(a, 12), rotaryDim = load<i32>(a, 24), row = begin(part, parts, rows, 1);
  ropeHere(load<usize>(a) + bytes(row, ldx), ldx, load<usize>(a, 8) + bytes(row, rotaryDim), begin(part + 1, parts, rows, 1) - row, load<i32>(a, 16), load<i32>(a, 20), rotaryDim);
}
