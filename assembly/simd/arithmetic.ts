import { RELAXED } from './features';

/** c + a·b on four lanes: rounded twice, or, where the build has a fused form, once. */
// @ts-ignore: decorator
@inline export function madd(a: v128, b: v128, c: v128): v128 {
  return RELAXED ? f32x4.relaxed_madd(a, b, c) : f32x4.add(c, f32x4.mul(a, b));
}
