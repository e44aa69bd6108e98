/** c + a·b on four lanes, rounded twice: the one place that would know of a fused or relaxed form. */
// @ts-ignore: decorator
@inline export function madd(a: v128, b: v128, c: v128): v128 {
  return f32x4.add(c, f32x4.mul(a, b));
}
