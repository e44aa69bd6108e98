// The quantised formats as types, by which a micro-kernel is made for each: `changetype<Format>(0).dtype` is a constant.
import { Q4_0, Q4_1, Q4_K, Q5_0, Q5_1, Q5_K, Q6_K, Q8_0 } from '../simd/dtype';
import { RELAXED } from '../simd/features';

@unmanaged export class Bytes {
  // @ts-ignore: decorator
  @inline get dtype(): i32 { return Q8_0; }
}

@unmanaged export class Nibbles {
  // @ts-ignore: decorator
  @inline get dtype(): i32 { return Q4_0; }
}

@unmanaged export class NibblesMinimum {
  // @ts-ignore: decorator
  @inline get dtype(): i32 { return Q4_1; }
}

@unmanaged export class Fifths {
  // @ts-ignore: decorator
  @inline get dtype(): i32 { return Q5_0; }
}

@unmanaged export class FifthsMinimum {
  // @ts-ignore: decorator
  @inline get dtype(): i32 { return Q5_1; }
}

@unmanaged export class SuperNibbles {
  // @ts-ignore: decorator
  @inline get dtype(): i32 { return Q4_K; }
}

@unmanaged export class SuperFifths {
  // @ts-ignore: decorator
  @inline get dtype(): i32 { return Q5_K; }
}

@unmanaged export class Pairs {
  // @ts-ignore: decorator
  @inline get dtype(): i32 { return Q6_K; }
}

/** It is multiplied as 16-bit integers (products.ts). */
// @ts-ignore: decorator
@inline export function isWide(dtype: i32): bool {
  return !RELAXED || dtype == Q8_0;
}

/** Superblocks of eight sub-blocks, each with a scale and a minimum of its own. */
// @ts-ignore: decorator
@inline export function isSuper(dtype: i32): bool {
  return dtype == Q4_K || dtype == Q5_K;
}

/** Its weights are scale · q + minimum. */
// @ts-ignore: decorator
@inline export function hasMinimum(dtype: i32): bool {
  return dtype == Q4_1 || dtype == Q5_1 || isSuper(dtype);
}

// @ts-ignore: decorator
@inline export function hasFifths(dtype: i32): bool {
  return dtype == Q5_0 || dtype == Q5_1 || dtype == Q5_K;
}
