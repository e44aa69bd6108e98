// Scalar references of quantised panels and products. A panel block is a permutation of the bits of eight blocks, a few of them inverted: here it is written
// down bit by bit. Sums run block by block as quant/tiles.ts says.
import { valueOf } from '../linear/reference';
import { bytesOf, weightAt, weightsOf } from './blocks-reference';

/** One block of one row. */
const BLOCK: usize = memory.data(224);

/** Bits of a panel block: place of a bit of position p of 32 weights, `width` bits of it kept together `per` to a 16-bit lane. */
function inVectors(lane: i32, p: i32, bit: i32, kind: i32): i32 {
  const eighth = p / 8, j = p % 8 / 2;
  let vector = lane / 4, within: i32;
  if (kind == 0) { // bytes
    vector += eighth / 2 * 8 + j * 2;
    within = eighth % 2 * 8 + bit;
  } else if (kind == 1) { // nibbles
    vector += j * 2;
    within = (eighth % 2 * 2 + eighth / 2) * 4 + bit;
  } else if (kind == 2) { // fifths
    within = (eighth % 2 * 2 + eighth / 2) * 4 + j;
  } else { // pairs
    vector += eighth / 2 * 2;
    within = eighth % 2 * 8 + j * 2 + bit;
  }
  return vector * 128 + lane % 4 * 32 + p % 2 * 16 + within;
}

/** Bit `bit` of the block of row `lane` → twice its place in the panel block, plus one where it is inverted. */
function placeOf(dtype: i32, lane: i32, bit: i32): i32 {
  const byte = bit / 8, b = bit % 8;
  if (dtype == 10) {
    if (byte >= 208) return 2 * (lane * 16 + bit - 208 * 8);
    if (byte >= 192) return 2 * (128 + (byte - 192) * 64 + lane * 8 + b);
    if (byte >= 128) {
      const i = byte - 128, subblock = i / 32 * 4 + b / 2;
      return 2 * ((144 + subblock * 192) * 8 + inVectors(lane, i % 32, b % 2, 3));
    }
    const subblock = byte / 64 * 4 + b / 4 * 2 + byte % 64 / 32;
    return 2 * ((144 + subblock * 192 + 64) * 8 + inVectors(lane, byte % 32, b % 4, 1));
  }
  if (byte < 2) return 2 * (lane * 16 + bit);
  if (dtype == 3) return 2 * (128 + inVectors(lane, byte - 2, b, 0)) + i32(b == 7 && (byte - 2) / 8 % 2 == 0);
  const hasMinimum = dtype == 5 || dtype == 7 || dtype >= 8;
  if (hasMinimum && byte < 4) return 2 * (128 + lane * 16 + bit - 16);
  if (dtype >= 8) {
    const size = dtype == 9 ? 160 : 128, high = size - 128;
    if (byte < 16) return 2 * ((32 + (byte - 4) * 8 + lane) * 8 + b);
    if (byte < 16 + high) return 2 * ((128 + b * size) * 8 + inVectors(lane, byte - 16, 0, 2));
    const i = byte - 16 - high, subblock = i / 32 * 2 + b / 4, p = i % 32;
    return 2 * ((128 + subblock * size + high) * 8 + inVectors(lane, p, b % 4, 1));
  }
  const header = hasMinimum ? 4 : 2, hasFifths = dtype >= 6;
  if (hasFifths && byte < header + 4) return 2 * (header * 64 + inVectors(lane, bit - header * 8, 0, 2));
  const i = byte - header - (hasFifths ? 4 : 0), p = b < 4 ? i : i + 16;
  return 2 * ((header * 8 + (hasFifths ? 32 : 0)) * 8 + inVectors(lane, p, b % 4, 1));
}

function bitAt(p: usize, bit: i32): i32 {
  return (<i32>load<u8>(p + <usize>(bit / 8)) >> (bit % 8)) & 1;
}

/** Row-major blocks → panels. */
export function packBlocks(dst: usize, src: usize, rows: i32, k: i32, dtype: i32): void {
  const bytes = bytesOf(dtype), blocks = k / weightsOf(dtype);
  for (let panel = 0; panel < rows; panel += 8) {
    for (let block = 0; block < blocks; block++) {
      memory.fill(dst, 0, 8 * bytes);
      for (let lane = 0; lane < 8; lane++) {
        const from = src + <usize>((panel + lane) * blocks + block) * bytes;
        for (let bit = 0; bit < <i32>bytes * 8; bit++) {
          const place = placeOf(dtype, lane, bit), at = dst + <usize>(place / 16);
          const value = (panel + lane < rows ? bitAt(from, bit) : 0) ^ (place & 1);
          store<u8>(at, load<u8>(at) | <u8>(value << (place / 2 % 8)));
        }
      }
      dst += 8 * bytes;
    }
  }
}

/** The block of one row in a panel block → BLOCK. */
function takeOut(panel: usize, lane: i32, dtype: i32): void {
  const bytes = bytesOf(dtype);
  memory.fill(BLOCK, 0, bytes);
  for (let bit = 0; bit < <i32>bytes * 8; bit++) {
    const place = placeOf(dtype, lane, bit), at = BLOCK + <usize>(bit / 8);
    store<u8>(at, load<u8>(at) | <u8>((bitAt(panel, place / 2) ^ (place & 1)) << (bit % 8)));
  }
}

function panelOf(w: usize, row: i32, block: i32, k: i32, dtype: i32): usize {
  return w + <usize>(row / 8 * (k / weightsOf(dtype)) + block) * 8 * bytesOf(dtype);
}

/** Row `row` of W [n, k] in panels as f32. */
export function unpackRow(dst: usize, w: usize, row: i32, k: i32, dtype: i32): void {
  const weights = weightsOf(dtype);
  for (let j = 0; j < k; j++) {
    if (j % weights == 0) takeOut(panelOf(w, row, j / weights, k, dtype), row % 8, dtype);
    store<f32>(dst + 4 * <usize>j, weightAt(BLOCK, <usize>(j % weights), dtype));
  }
}

/** Element [row, column] of W in panels. */
export function panelWeight(w: usize, row: i32, column: i32, k: i32, dtype: i32): f32 {
  const weights = weightsOf(dtype);
  takeOut(panelOf(w, row, column / weights, k, dtype), row % 8, dtype);
  return weightAt(BLOCK, <usize>(column % weights), dtype);
}

/** Activations are read and written as relaxed builds do (activation.ts); else as plain ones. */
let relaxed = false;

export function referRelaxed(on: i32): void {
  relaxed = on != 0;
}

function blockOfRow(q: usize, row: i32, block: i32, k: i32): usize {
  return q + <usize>(row * (k / 32)) * 128 + <usize>block * (relaxed ? 128 : 80);
}

export function quantizeRows(q: usize, x: usize, ldx: i32, m: i32, k: i32): void {
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < k; j += 32) {
      const block = blockOfRow(q, i, j / 32, k), from = x + 4 * (<usize>i * <usize>ldx + <usize>j);
      if (relaxed) quantizeNarrow(block, from);
      quantizeWide(relaxed ? block + 48 : block, from);
    }
  }
}

function largestOf(x: usize): f32 {
  let largest: f32 = 0;
  for (let i: usize = 0; i < 32; i++) largest = max(largest, abs(load<f32>(x + 4 * i)));
  return largest < <f32>8.271806125530277e-25 ? 0 : largest;
}

function quantizeWide(q: usize, x: usize): void {
  const largest = largestOf(x);
  memory.fill(q, 0, 80);
  if (largest == 0) return;
  const inverse: f32 = 2047 / largest, d: f32 = largest / 2047;
  let total = 0;
  for (let i: usize = 0; i < 32; i++) {
    const value = <i32>nearest(load<f32>(x + 4 * i) * inverse), eighth = i / 8;
    const own = q + 2 * i, sum = q + 72 + 2 * (eighth % 2 * 2 + eighth / 2);
    store<i16>(own, <i16>value);
    store<i16>(sum, load<i16>(sum) + <i16>value);
    total += value;
  }
  store<f32>(q + 64, d);
  store<f32>(q + 68, d * <f32>total);
}

/** Place of value i among the 32 bytes. */
function narrowPlace(i: i32): i32 {
  const eighth = i / 8, j = i % 8;
  return eighth / 2 * 16 + j * 2 + eighth % 2;
}

function quantizeNarrow(q: usize, x: usize): void {
  const largest = largestOf(x);
  memory.fill(q, 0, 48);
  if (largest == 0) return;
  const inverse: f32 = 127 / largest, d: f32 = largest / 127;
  let total = 0;
  for (let i = 0; i < 32; i++) {
    const value = <i32>nearest(load<f32>(x + 4 * <usize>i) * inverse), parity = <usize>(i % 2) * 2;
    store<i8>(q + <usize>narrowPlace(i), <i8>value);
    store<i16>(q + 40 + parity, load<i16>(q + 40 + parity) - <i16>(8 * value));
    if (i < 16) store<i16>(q + 44 + parity, load<i16>(q + 44 + parity) - <i16>(32 * value));
    total += value;
  }
  store<f32>(q + 32, d);
  store<f32>(q + 36, d * <f32>total);
}

export function matmulQuantized(
  y: usize, ldy: i32, q: usize, w: usize, init: usize, ldi: i32, m: i32, n: i32, k: i32, dtype: i32, from: i32, to: i32,
): void {
  const weights = weightsOf(dtype), size = dtype == 10 ? 16 : 32, isNarrow = relaxed && dtype != 3;
  for (let j = from; j < min(to, n); j++) {
    for (let i = 0; i < m; i++) {
      store<f32>(y + 4 * (<usize>i * <usize>ldy + <usize>j), init ? load<f32>(init + 4 * (<usize>i * <usize>ldi + <usize>j)) : 0);
    }
    for (let column = 0; column < k; column += size) {
      if (column % weights == 0) takeOut(panelOf(w, j, column / weights, k, dtype), j % 8, dtype);
      const at = column % weights, scale = scaleAt(at, dtype), minimum = minimumAt(at, dtype);
      for (let i = 0; i < m; i++) {
        const block = blockOfRow(q, i, column / 32, k), x = relaxed && !isNarrow ? block + 48 : block, sum = y + 4 * (<usize>i * <usize>ldy + <usize>j);
        const tail = isNarrow ? x + 32 : x + 64;
        let products = 0;
        for (let p = 0; p < size; p++) {
          const place = column % 32 + p;
          products += (isNarrow ? <i32>load<i8>(x + <usize>narrowPlace(place)) : <i32>load<i16>(x + 2 * <usize>place)) * integerAt(at + p, dtype);
        }
        store<f32>(sum, load<f32>(sum) + <f32>products * (scale * load<f32>(tail)));
        if (dtype == 5 || dtype == 7 || dtype == 8 || dtype == 9) store<f32>(sum, load<f32>(sum) + minimum * load<f32>(tail + 4));
      }
    }
  }
}

// BLOCK read apart: weight = scale · integer + minimum.

function nibbleAt(bytes: i32, i: i32, upper: i32): i32 {
  return (<i32>load<u8>(BLOCK + <usize>(bytes + i)) >> (4 * upper)) % 16;
}

function integerAt(i: i32, dtype: i32): i32 {
  if (dtype == 3) return load<i8>(BLOCK + <usize>(2 + i));
  if (dtype == 10) {
    const subblock = i % 128 / 32;
    const high = (<i32>load<u8>(BLOCK + <usize>(128 + i / 128 * 32 + i % 32)) >> (2 * subblock)) % 4;
    return nibbleAt(i / 128 * 64 + subblock % 2 * 32, i % 32, subblock / 2) + 16 * high - 32;
  }
  if (dtype >= 8) {
    const fifth = dtype == 9 ? bitAt(BLOCK + 16, i % 32 * 8 + i / 32) : 0;
    return nibbleAt((dtype == 9 ? 48 : 16) + i / 64 * 32, i % 32, i / 32 % 2) + 16 * fifth;
  }
  const header = dtype == 5 || dtype == 7 ? 4 : 2, hasFifths = dtype >= 6;
  const value = nibbleAt(header + (hasFifths ? 4 : 0), i % 16, i / 16) + (hasFifths ? 16 * bitAt(BLOCK + <usize>header, i) : 0);
  return value - (dtype == 4 ? 8 : dtype == 6 ? 16 : 0);
}

/** A six-bit number of the 12 bytes: scale s, or minimum s with `upper` 1. */
function sixBits(s: i32, upper: i32): i32 {
  const packed = BLOCK + 4;
  if (s < 4) return load<u8>(packed + <usize>(s + 4 * upper)) % 64;
  return (<i32>load<u8>(packed + <usize>(s + 4)) >> (4 * upper)) % 16 + <i32>load<u8>(packed + <usize>(s - 4 + 4 * upper)) / 64 * 16;
}

/** The scale of the weights around i. */
function scaleAt(i: i32, dtype: i32): f32 {
  if (dtype == 10) return valueOf(BLOCK + 208, 0, 2) * <f32>load<i8>(BLOCK + <usize>(192 + i / 16));
  const d = valueOf(BLOCK, 0, 2);
  return dtype >= 8 ? d * <f32>sixBits(i / 32, 0) : d;
}

function minimumAt(i: i32, dtype: i32): f32 {
  if (dtype == 8 || dtype == 9) return -valueOf(BLOCK, 1, 2) * <f32>sixBits(i / 32, 1);
  return valueOf(BLOCK, 1, 2);
}
