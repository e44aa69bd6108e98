// im2col of one group: row t of dst holds what output position t sees, tap by tap,
//
//   dst [outLength][kernel][channels],   dst[t][j] = x[t·stride + j·dilation - padding][channels of the group]
//
// so that a convolution is a product with weights packed by `packConv`.

// Padding modes, what stands left of the first and right of the last position. 0: zeros.
const REFLECT: i32 = 1; // the input mirrored without its edge: padding < length
const REPLICATE: i32 = 2; // the edge
const CIRCULAR: i32 = 3; // the other end

/** `x` points at the first channel of the group. */
export function unfold(
  dst: usize, x: usize, ldx: i32, length: i32, channels: i32, outLength: i32, kernel: i32, stride: i32, padding: i32, dilation: i32, mode: i32,
): void {
  const bytes = <usize>channels << 2, row = <usize>ldx << 2;
  for (let t = 0; t < outLength; t++) {
    let position = t * stride - padding;
    for (let j = 0; j < kernel; j++) {
      const source = position >= 0 && position < length ? position : outside(position, length, mode);
      if (source < 0) memory.fill(dst, 0, bytes);
      else memory.copy(dst, x + <usize>source * row, bytes);
      dst += bytes;
      position += dilation;
    }
  }
}

/** The position that stands in for one outside of the input; -1: zeros. */
function outside(position: i32, length: i32, mode: i32): i32 {
  if (mode == REPLICATE) return position < 0 ? 0 : length - 1;
  if (mode == REFLECT) return position < 0 ? -position : 2 * (length - 1) - position;
  if (mode == CIRCULAR) {
    const rest = position % length;
    return rest < 0 ? rest + length : rest;
  }
  return -1;
}
