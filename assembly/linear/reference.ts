// Scalar references of the linear kernels. Sums run in the order that the kernels document, so that results are equal bit for bit.
import { packBlocks, panelWeight, unpackRow } from '../quant/reference';
import { bytesOf, finiteBlocks, narrowBlock, weightAt, weightsOf } from '../quant/blocks-reference';

/** Eight blocks. */
const ROUNDED: usize = memory.data(8 * 34);

/** Value i of an array of a dtype, decoded field by field. */
export function valueOf(p: usize, i: usize, dtype: i32): f32 {
  if (dtype == 0) return load<f32>(p + 4 * i);
  const h = <i32>load<u16>(p + 2 * i);
  if (dtype == 1) return reinterpret<f32>(h << 16);
  const exponent = (h >> 10) & 31, mantissa = h & 1023;
  let magnitude: f32 = 0;
  if (exponent == 31) magnitude = mantissa ? f32.NaN : Infinity;
  else if (exponent == 0) magnitude = <f32>mantissa * 5.9604644775390625e-8; // 2^-24
  else {
    magnitude = <f32>(mantissa + 1024) * 0.0009765625;
    for (let e = exponent; e > 15; e--) magnitude *= 2;
    for (let e = exponent; e < 15; e++) magnitude *= 0.5;
  }
  return h & 0x8000 ? -magnitude : magnitude;
}

function sizeOf(dtype: i32): usize {
  return dtype == 0 ? 4 : 2;
}

/** Element [row, column] of a packed matrix of row length k. */
export function packedAt(w: usize, row: i32, column: i32, k: i32, dtype: i32): f32 {
  return dtype >= 3 ? panelWeight(w, row, column, k, dtype) : valueOf(w, packedIndex(row, column, k), dtype);
}

function packedIndex(row: i32, column: i32, k: i32): usize {
  return (<usize>(row / 8) * <usize>k + <usize>column) * 8 + <usize>(row % 8);
}

function move(dst: usize, to: usize, src: usize, from: usize, dtype: i32): void {
  if (dtype == 0) store<u32>(dst + 4 * to, load<u32>(src + 4 * from));
  else store<u16>(dst + 2 * to, load<u16>(src + 2 * from));
}

function clear(dst: usize, to: usize, dtype: i32): void {
  if (dtype == 0) store<u32>(dst + 4 * to, 0);
  else store<u16>(dst + 2 * to, 0);
}

function paddedTo8(n: i32): i32 {
  return (n + 7) / 8 * 8;
}

export function pack(dst: usize, src: usize, rows: i32, k: i32, dtype: i32): void {
  if (dtype >= 3) {
    packBlocks(dst, src, rows, k, dtype);
    return;
  }
  for (let i = 0; i < paddedTo8(rows); i++) {
    for (let j = 0; j < k; j++) {
      if (i < rows) move(dst, packedIndex(i, j, k), src, <usize>i * <usize>k + <usize>j, dtype);
      else clear(dst, packedIndex(i, j, k), dtype);
    }
  }
}

export function packColumns(dst: usize, src: usize, n: i32, k: i32, from: i32, count: i32, dtype: i32): void {
  for (let i = 0; i < paddedTo8(n); i++) {
    for (let j = 0; j < count; j++) {
      if (i < n) move(dst, packedIndex(i, from + j, k), src, <usize>j * <usize>n + <usize>i, dtype);
      else clear(dst, packedIndex(i, from + j, k), dtype);
    }
  }
}

export function packConv(dst: usize, src: usize, out: i32, inPerGroup: i32, kernel: i32, dtype: i32): void {
  const k = inPerGroup * kernel;
  for (let o = 0; o < paddedTo8(out); o++) {
    for (let c = 0; c < inPerGroup; c++) {
      for (let tap = 0; tap < kernel; tap++) {
        const to = packedIndex(o, tap * inPerGroup + c, k);
        if (o < out) move(dst, to, src, (<usize>o * <usize>inPerGroup + <usize>c) * <usize>kernel + <usize>tap, dtype);
        else clear(dst, to, dtype);
      }
    }
  }
}

/** Stores x as value i of the dtype, rounded to the nearest, ties to even, by counting in units of the last place. */
export function storeRounded(p: usize, i: usize, x: f32, dtype: i32): void {
  if (dtype == 0) {
    store<f32>(p + 4 * i, x);
    return;
  }
  const bits = reinterpret<u32>(x), sign = <i32>(bits >> 31) << 15;
  let half: i32;
  if (dtype == 1) {
    if (isNaN(x)) half = <i32>(bits >> 16 & 0x7fff) | 0x40;
    else {
      const rest = bits & 0xffff;
      half = <i32>(bits >> 16 & 0x7fff);
      if (rest > 0x8000 || (rest == 0x8000 && half & 1)) half++;
    }
  } else if (isNaN(x)) half = 0x7e00 | <i32>(bits >> 13 & 0x3ff);
  else {
    const magnitude = <f64>abs(x);
    if (magnitude >= 65520) half = 0x7c00;
    else {
      // the exponent of the last place: at least that of the subnormals
      let exponent = 0, unit: f64 = 5.9604644775390625e-8; // 2^-24
      while (magnitude >= unit * 2048) {
        unit *= 2;
        exponent++;
      }
      const units = nearest(magnitude / unit);
      half = <i32>units + (exponent << 10); // 1024 units and more carry into the exponent's field
    }
  }
  store<u16>(p + 2 * i, <u16>(half | sign));
}

export function packRounded(dst: usize, src: usize, rows: i32, k: i32, dtype: i32): void {
  if (dtype >= 3) {
    // block by block of 8 rows, through a place of its own: panels are those of the rounded rows
    const weights = weightsOf(dtype), bytes = bytesOf(dtype);
    for (let i = 0; i < rows; i += 8) {
      for (let j = 0; j < k; j += weights) {
        for (let row = i; row < min(i + 8, rows); row++) narrowBlock(ROUNDED + <usize>(row - i) * bytes, src + 4 * (<usize>row * <usize>k + <usize>j), dtype);
        pack(dst, ROUNDED, min(8, rows - i), weights, dtype);
        dst += 8 * bytes;
      }
    }
    return;
  }
  for (let i = 0; i < paddedTo8(rows); i++) {
    for (let j = 0; j < k; j++) {
      storeRounded(dst, packedIndex(i, j, k), i < rows ? load<f32>(src + 4 * (<usize>i * <usize>k + <usize>j)) : 0, dtype);
    }
  }
}

export function unpack(dst: usize, src: usize, n: i32, k: i32, dtype: i32, from: i32, to: i32): void {
  for (let i = from; i < min(to, n); i++) {
    if (dtype >= 3) unpackRow(dst + 4 * <usize>(i - from) * <usize>k, src, i, k, dtype);
    else for (let j = 0; j < k; j++) store<f32>(dst + 4 * (<usize>(i - from) * <usize>k + <usize>j), packedAt(src, i, j, k, dtype));
  }
}

export function widen(dst: usize, src: usize, count: i32, dtype: i32): void {
  if (dtype >= 3) {
    for (let i: usize = 0; i < <usize>count; i++) store<f32>(dst + 4 * i, weightAt(src, i, dtype));
    return;
  }
  for (let i: usize = 0; i < <usize>count; i++) store<f32>(dst + 4 * i, valueOf(src, i, dtype));
}

export function narrow(dst: usize, src: usize, count: i32, dtype: i32): void {
  if (dtype >= 3) {
    for (let i: usize = 0; i < <usize>count; i += 32) narrowBlock(dst + i / 32 * bytesOf(dtype), src + 4 * i, dtype);
    return;
  }
  for (let i: usize = 0; i < <usize>count; i++) storeRounded(dst, i, load<f32>(src + 4 * i), dtype);
}

export function allFinite(x: usize, count: i32, dtype: i32): i32 {
  if (dtype >= 3) return finiteBlocks(x, count / weightsOf(dtype), dtype);
  for (let i: usize = 0; i < <usize>count; i++) if (!isFinite(valueOf(x, i, dtype))) return 0;
  return 1;
}

export function matmul(
  y: usize, ldy: i32, x: usize, ldx: i32, w: usize, init: usize, ldi: i32, m: i32, n: i32, k: i32, dtype: i32, from: i32, to: i32,
): void {
  for (let i = 0; i < m; i++) {
    for (let j = from; j < min(to, n); j++) {
      let sum: f32 = init ? load<f32>(init + 4 * (<usize>i * <usize>ldi + <usize>j)) : 0;
      for (let q = 0; q < k; q++) sum += load<f32>(x + 4 * (<usize>i * <usize>ldx + <usize>q)) * packedAt(w, j, q, k, dtype);
      store<f32>(y + 4 * (<usize>i * <usize>ldy + <usize>j), sum);
    }
  }
}

export function transpose(y: usize, x: usize, n: i32, k: i32): void {
  for (let j = 0; j < k; j++) {
    for (let i = 0; i < n; i++) store<f32>(y + 4 * (<usize>j * <usize>n + <usize>i), load<f32>(x + 4 * (<usize>i * <usize>k + <usize>j)));
  }
}

export function equalBytes(a: usize, b: usize, bytes: usize): i32 {
  let different = 0;
  for (let i: usize = 0; i < bytes; i++) if (load<u8>(a + i) != load<u8>(b + i)) different++;
  return different == 0 ? 1 : 0;
}
