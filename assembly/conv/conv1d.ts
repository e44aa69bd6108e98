import { matmul } from '../linear/matmul';
import { F32 } from '../simd/dtype';
import { unfold } from './unfold';

/** Bytes of the panels of W [n, k]. */
// @ts-ignore: decorator
@inline export function panelBytes(n: i32, k: i32, dtype: i32): usize {
  return (<usize>((n + 7) >> 3) * <usize>k) << (dtype == F32 ? 5 : 4);
}

/**
 * x [length, inChannels] → y [outLength, outChannels]. `w`: for each group the panels of [out/groups, kernel·in/groups] (`packConv`), one after
 * another; bias [outChannels] or 0; scratch [outLength, kernel·in/groups] floats (unused where kernel = stride = 1 without padding).
 * y[t, o] = bias[o] + Σ over taps, within them over channels.
 */
export function conv1d(
  y: usize, ldy: i32, x: usize, ldx: i32, w: usize, bias: usize, scratch: usize, length: i32, inChannels: i32, outChannels: i32, outLength: i32,
  kernel: i32, stride: i32, padding: i32, dilation: i32, groups: i32, paddingMode: i32, dtype: i32,
): void {
  const channels = inChannels / groups, outputs = outChannels / groups, k = kernel * channels;
  const pointwise = kernel == 1 && stride == 1 && padding == 0;
  for (let g = 0; g < groups; g++) {
    if (pointwise) matmul(y, ldy, x, ldx, w, bias, 0, outLength, outputs, k, dtype, 0, outputs);
    else {
      unfold(scratch, x, ldx, length, channels, outLength, kernel, stride, padding, dilation, paddingMode);
      matmul(y, ldy, scratch, k, w, bias, 0, outLength, outputs, k, dtype, 0, outputs);
    }
    x += <usize>channels << 2;
    y += <usize>outputs << 2;
    if (bias) bias += <usize>outputs << 2;
    w += panelBytes(outputs, k, dtype);
  }
}
