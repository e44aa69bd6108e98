// A matrix W [n, k] lies in panels of 8 rows, in the dtype of its file:
//
//   panel p:  [ W[8p..8p+8, 0] ][ W[8p..8p+8, 1] ] … [ W[8p..8p+8, k-1] ]      k steps of 8 weights
//
// so that a step of 8 outputs is one load, and the next step follows it in memory. Rows from n up to the next multiple of 8 are
// zeros. Packing moves bits and never looks at values, so it knows element sizes only. Panels of quantised dtypes are those of quant/panels.ts.
import { transpose4x4, transpose8x8 } from '../simd/transpose';
import { F32, Q8_0 } from '../simd/dtype';
import { packBlocks } from '../quant/panels';

/** Row-major [rows, k] → panels. A large matrix comes in stretches of rows, each but the last a multiple of 8. */
export function pack(dst: usize, src: usize, rows: i32, k: i32, dtype: i32): void {
  if (dtype >= Q8_0) {
    packBlocks(dst, src, rows, k, dtype);
    return;
  }
  const step = <usize>k << (dtype == F32 ? 2 : 1);
  for (; rows >= 8; rows -= 8) {
    if (dtype == F32) panel32(dst, src, k);
    else panel16(dst, src, k);
    src += step << 3;
    dst += step << 3;
  }
  if (rows > 0) {
    if (dtype == F32) ragged<u32>(dst, src, rows, k, 1, k);
    else ragged<u16>(dst, src, rows, k, 1, k);
  }
}

/** [out, inPerGroup, kernel] → panels of [out, kernel·inPerGroup]: K index = tap·inPerGroup + channel, as `unfold` lays out the input. */
export function packConv(dst: usize, src: usize, out: i32, inPerGroup: i32, kernel: i32, dtype: i32): void {
  const k = inPerGroup * kernel, step = <usize>k << (dtype == F32 ? 5 : 4);
  for (; out > 0; out -= 8) {
    if (dtype == F32) ragged<u32>(dst, src, min(out, 8), inPerGroup, kernel, k);
    else ragged<u16>(dst, src, min(out, 8), inPerGroup, kernel, k);
    src += step;
    dst += step;
  }
}

/**
 * `src` holds the rows from … from + count of a [k, n] matrix (GPT-2's Conv1D, lora_embedding_A); they become steps from … from + count
 * of every panel of W [n, k] at `dst`. Lanes at and above n become zero.
 */
export function packColumns(dst: usize, src: usize, n: i32, k: i32, from: i32, count: i32, dtype: i32): void {
  if (dtype == F32) columns<u32>(dst, src, n, k, from, count);
  else columns<u16>(dst, src, n, k, from, count);
}

function panel32(dst: usize, src: usize, k: i32): void {
  const step = <usize>k << 2, below = src + 4 * step;
  let j: usize = 0;
  for (const end = step & ~15; j < end; j += 16) {
    const p = src + j, q = below + j;
    transpose4x4(dst, 32, v128.load(p), v128.load(p + step), v128.load(p + 2 * step), v128.load(p + 3 * step));
    transpose4x4(dst + 16, 32, v128.load(q), v128.load(q + step), v128.load(q + 2 * step), v128.load(q + 3 * step));
    dst += 128;
  }
  for (; j < step; j += 4) {
    for (let i: usize = 0; i < 8; i++) store<u32>(dst + (i << 2), load<u32>(src + i * step + j));
    dst += 32;
  }
}

function panel16(dst: usize, src: usize, k: i32): void {
  const step = <usize>k << 1;
  let j: usize = 0;
  for (const end = step & ~15; j < end; j += 16) {
    transpose8x8(dst, src + j, step);
    dst += 128;
  }
  for (; j < step; j += 2) {
    for (let i: usize = 0; i < 8; i++) store<u16>(dst + (i << 1), load<u16>(src + i * step + j));
    dst += 16;
  }
}

/** One panel of up to 8 rows of [outer, inner] elements each; step inner·outer index o of inner index i holds element (o, i). */
function ragged<T>(dst: usize, src: usize, rows: i32, outer: i32, inner: i32, k: i32): void {
  const step = <usize>k * sizeof<T>();
  for (let i = 0; i < inner; i++) {
    for (let o = 0; o < outer; o++) {
      let from = src + <usize>(o * inner + i) * sizeof<T>();
      for (let lane = 0; lane < 8; lane++) {
        store<T>(dst, lane < rows ? load<T>(from) : <T>0);
        from += step;
        dst += sizeof<T>();
      }
    }
  }
}

function columns<T>(dst: usize, src: usize, n: i32, k: i32, from: i32, count: i32): void {
  const row = <usize>n * sizeof<T>(), pitch = (<usize>k * sizeof<T>()) << 3;
  dst += (<usize>from * sizeof<T>()) << 3;
  // a stretch of rows at a time, short enough that their cache lines are still there for the next panel
  for (; count > 0; count -= 64) {
    const rows = min(count, 64);
    let panel = dst, source = src;
    for (let lanes = n; lanes > 0; lanes -= 8) {
      let to = panel, from = source;
      for (let j = 0; j < rows; j++) {
        if (lanes >= 8) {
          v128.store(to, v128.load(from));
          if (sizeof<T>() == 4) v128.store(to, v128.load(from, 16), 16);
        } else {
          for (let lane = 0; lane < 8; lane++) store<T>(to + <usize>lane * sizeof<T>(), lane < lanes ? load<T>(from + <usize>lane * sizeof<T>()) : <T>0);
        }
        to += sizeof<T>() << 3;
        from += row;
      }
      panel += pitch;
      source += sizeof<T>() << 3;
    }
    src += row << 6;
    dst += sizeof<T>() << 9;
  }
}
