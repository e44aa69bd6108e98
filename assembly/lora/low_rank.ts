// Low-rank deltas beside a base layer, added to its output in place: y += scale·(B(A x) + bias).
// The r-vector between the factors takes the scale (and so a rescale writes one number); then
//
//   y = (y + scale·bias) + Σ_r (scale·u_r)·B[:, r]   with u = A x
//
// in this order, so that a row's bits are the same in every batch and range.
import { panelBytes } from '../conv/conv1d';
import { unfold } from '../conv/unfold';
import { gather } from '../embed/gather';
import { matmul } from '../linear/matmul';
import { madd } from '../simd/arithmetic';
import { addUp } from './up';

/** a packs A [rank, k], b packs B [n, rank], bias [n] or 0; scratch [m, rank] floats. Each range from … to computes A x for itself. */
export function loraMatmul(
  y: usize, ldy: i32, x: usize, ldx: i32, a: usize, b: usize, bias: usize, scratch: usize, m: i32, n: i32, k: i32, rank: i32, scale: f32, dtype: i32,
  from: i32, to: i32,
): void {
  loraDown(scratch, x, ldx, a, m, k, rank, scale, dtype);
  loraUp(y, ldy, scratch, b, bias, m, n, rank, scale, dtype, from, to);
}

/** u [m, rank] = scale·A x, the first half of `loraMatmul`. */
export function loraDown(u: usize, x: usize, ldx: i32, a: usize, m: i32, k: i32, rank: i32, scale: f32, dtype: i32): void {
  matmul(u, rank, x, ldx, a, 0, 0, m, rank, k, dtype, 0, rank);
  multiplyAll(u, m * rank, scale);
}

/** y += scale·bias + B u, the second. */
export function loraUp(y: usize, ldy: i32, u: usize, b: usize, bias: usize, m: i32, n: i32, rank: i32, scale: f32, dtype: i32, from: i32, to: i32): void {
  if (bias) addScaledRow(y + (<usize>from << 2), ldy, bias + (<usize>from << 2), m, min(to, n) - from, scale);
  if (m == 1) addUp(y, u, b, n, rank, dtype, from, to);
  else matmul(y, ldy, u, rank, b, y, ldy, m, n, rank, dtype, from, to);
}

/** y[i] += scale·B·Aᵀ[ids[i]]: a packs Aᵀ [V, rank], b packs B [n, rank]; scratch [rows, rank] floats. */
export function loraGather(y: usize, ldy: i32, ids: usize, a: usize, b: usize, scratch: usize, rows: i32, n: i32, rank: i32, scale: f32, dtype: i32): void {
  gather(scratch, rank, ids, a, rows, rank, dtype, scale);
  matmul(y, ldy, scratch, rank, b, y, ldy, rows, n, rank, dtype, 0, n);
}

/**
 * The delta of a convolution as PEFT's forward has it: A runs at dilation 1 with zero padding and over all channels, whatever the base layer does;
 * B is 1×1 with the base layer's groups. a packs A [rank, kernel·in] (`packConv`), b per group B [out/groups, rank/groups];
 * scratch [outLength, kernel·in + rank] floats: the unfolded input, then A x.
 */
export function loraConv1d(
  y: usize, ldy: i32, x: usize, ldx: i32, a: usize, b: usize, bias: usize, scratch: usize, length: i32, inChannels: i32, outChannels: i32, outLength: i32,
  kernel: i32, stride: i32, padding: i32, groups: i32, rank: i32, scale: f32, dtype: i32,
): void {
  const k = kernel * inChannels, outputs = outChannels / groups, ranks = rank / groups;
  let u = scratch + ((<usize>outLength * <usize>k) << 2);
  unfold(scratch, x, ldx, length, inChannels, outLength, kernel, stride, padding, 1, 0);
  matmul(u, rank, scratch, k, a, 0, 0, outLength, rank, k, dtype, 0, rank);
  multiplyAll(u, outLength * rank, scale);
  if (bias) addScaledRow(y, ldy, bias, outLength, outChannels, scale);
  for (let g = 0; g < groups; g++) {
    matmul(y, ldy, u, rank, b, y, ldy, outLength, outputs, ranks, dtype, 0, outputs);
    y += <usize>outputs << 2;
    u += <usize>ranks << 2;
    b += panelBytes(outputs, ranks, dtype);
  }
}

/** y[i] += scale·row for each of m rows of n. */
export function addScaledRow(y: usize, ldy: i32, row: usize, m: i32, n: i32, scale: f32): void {
  const s = f32x4.splat(scale);
  for (; m > 0; m--) {
    let to = y, from = row, count = n;
    for (; count >= 4; count -= 4) {
      v128.store(to, madd(s, v128.load(from), v128.load(to)));
      to += 16;
      from += 16;
    }
    for (; count > 0; count--) {
      store<f32>(to, load<f32>(to) + scale * load<f32>(from));
      to += 4;
      from += 4;
    }
    y += <usize>ldy << 2;
  }
}

function multiplyAll(x: usize, count: i32, scale: f32): void {
  const s = f32x4.splat(scale);
  for (; count >= 4; count -= 4) {
    v128.store(x, f32x4.mul(s, v128.load(x)));
    x += 16;
  }
  for (; count > 0; count--) {
    store<f32>(x, load<f32>(x) * scale);
    x += 4;
  }
}
