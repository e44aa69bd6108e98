// Scalar references of the convolutions: straight from the definition, nothing unfolded.
import { packedAt } from '../linear/reference';

function at(base: usize, row: i32, stride: i32, column: i32): usize {
  return base + 4 * (<usize>row * <usize>stride + <usize>column);
}

/** The input at a position that may lie outside. */
function input(x: usize, ldx: i32, position: i32, channel: i32, length: i32, mode: i32): f32 {
  if (mode == 0 && (position < 0 || position >= length)) return 0;
  while (position < 0 || position >= length) {
    if (mode == 1) position = position < 0 ? -position : 2 * length - 2 - position;
    else if (mode == 2) position = position < 0 ? position + 1 : position - 1;
    else position += position < 0 ? length : -length;
  }
  return load<f32>(at(x, position, ldx, channel));
}

/** The panels of group g, each group [outputs, k]. */
function groupOf(w: usize, g: i32, outputs: i32, k: i32, dtype: i32): usize {
  return w + <usize>g * <usize>((outputs + 7) / 8 * 8) * <usize>k * (dtype == 0 ? 4 : 2);
}

export function conv1d(
  y: usize, ldy: i32, x: usize, ldx: i32, w: usize, bias: usize, scratch: usize, length: i32, inChannels: i32, outChannels: i32, outLength: i32,
  kernel: i32, stride: i32, padding: i32, dilation: i32, groups: i32, paddingMode: i32, dtype: i32,
): void {
  const channels = inChannels / groups, outputs = outChannels / groups, k = kernel * channels;
  for (let t = 0; t < outLength; t++) {
    for (let o = 0; o < outChannels; o++) {
      const g = o / outputs, panels = groupOf(w, g, outputs, k, dtype);
      let sum: f32 = bias ? load<f32>(bias + 4 * <usize>o) : 0;
      for (let tap = 0; tap < kernel; tap++) {
        for (let c = 0; c < channels; c++) {
          const value = input(x, ldx, t * stride + tap * dilation - padding, g * channels + c, length, paddingMode);
          sum += value * packedAt(panels, o % outputs, tap * channels + c, k, dtype);
        }
      }
      store<f32>(at(y, t, ldy, o), sum);
    }
  }
}

export function loraConv1d(
  y: usize, ldy: i32, x: usize, ldx: i32, a: usize, b: usize, bias: usize, scratch: usize, length: i32, inChannels: i32, outChannels: i32, outLength: i32,
  kernel: i32, stride: i32, padding: i32, groups: i32, rank: i32, scale: f32, dtype: i32,
): void {
  const k = kernel * inChannels, outputs = outChannels / groups, ranks = rank / groups;
  for (let t = 0; t < outLength; t++) {
    for (let r = 0; r < rank; r++) {
      let sum: f32 = 0;
      for (let tap = 0; tap < kernel; tap++) {
        for (let c = 0; c < inChannels; c++) {
          sum += input(x, ldx, t * stride + tap - padding, c, length, 0) * packedAt(a, r, tap * inChannels + c, k, dtype);
        }
      }
      store<f32>(scratch + 4 * <usize>r, sum * scale);
    }
    for (let o = 0; o < outChannels; o++) {
      const g = o / outputs, panels = groupOf(b, g, outputs, ranks, dtype);
      let sum = load<f32>(at(y, t, ldy, o));
      if (bias) sum += scale * load<f32>(bias + 4 * <usize>o);
      for (let r = 0; r < ranks; r++) sum += load<f32>(scratch + 4 * <usize>(g * ranks + r)) * packedAt(panels, o % outputs, r, ranks, dtype);
      store<f32>(at(y, t, ldy, o), sum);
    }
  }
}
