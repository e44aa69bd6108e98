// Rows by index. A row of a packed matrix is one lane of its panel, at a stride of 8.
import { scale as multiply } from '../activation/activation';
import { unpackRow } from '../quant/unpack';
import { BF16, F32, one, Q8_0 } from '../simd/dtype';

/** y[i] = scale · W[ids[i]]; `rows` ids. */
export function gather(y: usize, ldy: i32, ids: usize, w: usize, rows: i32, k: i32, dtype: i32, scale: f32): void {
  if (dtype >= Q8_0) {
    for (const end = ids + (<usize>rows << 2); ids < end; ids += 4) {
      unpackRow(y, w, load<i32>(ids), k, dtype);
      multiply(y, y, scale, k);
      y += <usize>ldy << 2;
    }
  } else if (dtype == F32) gatherAs<f32>(y, ldy, ids, w, rows, k, scale);
  else if (dtype == BF16) gatherAs<u16>(y, ldy, ids, w, rows, k, scale);
  else gatherAs<i16>(y, ldy, ids, w, rows, k, scale);
}

function gatherAs<W>(y: usize, ldy: i32, ids: usize, w: usize, rows: i32, k: i32, scale: f32): void {
  const stride = sizeof<W>() << 3, pitch = <usize>k * stride;
  for (const end = ids + (<usize>rows << 2); ids < end; ids += 4) {
    const id = <usize>load<u32>(ids);
    let from = w + (id >> 3) * pitch + (id & 7) * sizeof<W>();
    let to = y;
    for (const stop = y + (<usize>k << 2); to < stop; to += 4) {
      store<f32>(to, scale * one<W>(from));
      from += stride;
    }
    y += <usize>ldy << 2;
  }
}

/** Where ids[i] stands at position j of the ascending `indices`, y[i] = values[j]. */
export function replaceRows(y: usize, ldy: i32, ids: usize, rows: i32, k: i32, indices: usize, values: usize, count: i32): void {
  const bytes = <usize>k << 2;
  for (const end = ids + (<usize>rows << 2); ids < end; ids += 4) {
    const id = load<u32>(ids);
    let low = 0, high = count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (load<u32>(indices + (<usize>middle << 2)) < id) low = middle + 1;
      else high = middle;
    }
    if (low < count && load<u32>(indices + (<usize>low << 2)) == id) memory.copy(y, values + <usize>low * bytes, bytes);
    y += <usize>ldy << 2;
  }
}

/** y[i, indices[j]] = src[i, j]: the columns of a tied head whose embedding rows were replaced. */
export function scatterColumns(y: usize, ldy: i32, src: usize, lds: i32, indices: usize, m: i32, count: i32): void {
  for (; m > 0; m--) {
    for (let j: usize = 0; j < <usize>count; j++) {
      store<f32>(y + (<usize>load<u32>(indices + (j << 2)) << 2), load<f32>(src + (j << 2)));
    }
    y += <usize>ldy << 2;
    src += <usize>lds << 2;
  }
}

/** y[i] = x[indices[i]]. */
export function copyRows(y: usize, ldy: i32, x: usize, ldx: i32, indices: usize, rows: i32, n: i32): void {
  for (const end = indices + (<usize>rows << 2); indices < end; indices += 4) {
    memory.copy(y, x + ((<usize>load<u32>(indices) * <usize>ldx) << 2), <usize>n << 2);
    y += <usize>ldy << 2;
  }
}
