// What a build may use beyond 128-bit SIMD. One source, six binaries (asconfig.json): these three constants and simd/arithmetic.ts, quant/ and parallel/ that ask
// for them are all that tells them apart. Constant, so that what a build doesn't use isn't in it.

/** Fused multiply-add, and the dot products of 8-bit integers into 16 bits: `relaxed.wasm` and `relaxed-dot.wasm`. */
// @ts-ignore: decorator
@inline export const RELAXED: bool = ASC_FEATURE_RELAXED_SIMD;

/** The dot products of 8-bit integers that add into 32 bits, too: `relaxed-dot.wasm`. */
// @ts-ignore: decorator, and a name that only asconfig.json gives
@inline export const RELAXED_DOT: bool = isDefined(WITH_RELAXED_DOT);

/** Several instances over one shared memory: the builds named `…-threads`. */
// @ts-ignore: decorator
@inline export const THREADS: bool = ASC_FEATURE_THREADS;

/** What this build is: 1 RELAXED, 2 RELAXED_DOT, 4 THREADS. */
export function buildFeatures(): i32 {
  return <i32>RELAXED | (<i32>RELAXED_DOT << 1) | (<i32>THREADS << 2);
}
