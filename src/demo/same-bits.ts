/** Whether two passes gave the same bits, in words. */
export function sameBits(a: Float32Array, b: Float32Array): string {
  const bytes = (x: Float32Array): Buffer => Buffer.from(x.buffer, x.byteOffset, x.byteLength);
  return bytes(a).equals(bytes(b)) ? 'the same bits' : 'OTHER BITS';
}
