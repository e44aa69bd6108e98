// Elementwise f32. The output may be an input.
//   kind 0 relu, 1 silu = x·σ(x), 2 gelu = x·Φ(x) (erf), 3 gelu by tanh: ½x(1 + tanh z) = x·σ(2z), z = √(2/π)·(x + 0.044715 x³)
import { erf4 } from '../simd/erf';
import { power4 } from '../simd/exp';
import { storeLanes } from '../simd/lanes';
import { tanh4 } from '../simd/tanh';

const RELU: i32 = 0;
const SILU: i32 = 1;
const GELU: i32 = 2;

/** √½ */
const HALF_ROOT: f32 = 0.70710678118654752440;
/** 2·√(2/π) */
const TANH_SLOPE: f32 = 1.59576912160573071176;
/** 2·√(2/π)·0.044715 */
const TANH_CUBIC: f32 = 0.07135481627159802509;

/** What bounds an exponent: the power is neither infinite nor denormal. */
const BOUNDS: usize = memory.data<f32>([87, 87, 87, 87, -87, -87, -87, -87], 16);

/** x·σ(z) = x / (1 + e^−z); beyond ±87 of z the power is what it is there. NaN stays NaN. */
// @ts-ignore: decorator
@inline
function timesSigmoid(x: v128, z: v128): v128 {
  const exponent = f32x4.pmax(f32x4.pmin(f32x4.neg(z), v128.load(BOUNDS)), v128.load(BOUNDS, 16));
  return f32x4.div(x, f32x4.add(f32x4.splat(1), power4(exponent)));
}

// @ts-ignore: decorator
@inline
function act4(x: v128, kind: i32): v128 {
  if (kind == RELU) return f32x4.pmax(x, f32x4.splat(0));
  if (kind == SILU) return timesSigmoid(x, x);
  if (kind == GELU) return f32x4.mul(f32x4.mul(f32x4.splat(0.5), x), f32x4.add(f32x4.splat(1), erf4(f32x4.mul(x, f32x4.splat(HALF_ROOT)))));
  return timesSigmoid(x, f32x4.mul(x, f32x4.add(f32x4.splat(TANH_SLOPE), f32x4.mul(f32x4.splat(TANH_CUBIC), f32x4.mul(x, x)))));
}

// @ts-ignore: decorator
@inline
function activateAll(y: usize, x: usize, count: i32, kind: i32): void {
  const end = y + (<usize>(count & ~3) << 2);
  for (; y < end; y += 16, x += 16) v128.store(y, act4(v128.load(x), kind));
  if (count & 3) storeLanes(y, act4(v128.load(x), kind), count & 3);
}

// @ts-ignore: decorator
@inline
function gateAll(y: usize, g: usize, u: usize, count: i32, kind: i32): void {
  // two at a time: neither waits for the other
  for (const end = y + (<usize>(count & ~7) << 2); y < end; y += 32, g += 32, u += 32) {
    const a = f32x4.mul(act4(v128.load(g), kind), v128.load(u)), b = f32x4.mul(act4(v128.load(g, 16), kind), v128.load(u, 16));
    v128.store(y, a);
    v128.store(y, b, 16);
  }
  if (count & 4) {
    v128.store(y, f32x4.mul(act4(v128.load(g), kind), v128.load(u)));
    y += 16; g += 16; u += 16;
  }
  if (count & 3) storeLanes(y, f32x4.mul(act4(v128.load(g), kind), v128.load(u)), count & 3);
}

/** y = act(x) */
export function activate(y: usize, x: usize, count: i32, kind: i32): void {
  switch (kind) {
    case 0: activateAll(y, x, count, 0); break;
    case 1: activateAll(y, x, count, 1); break;
    case 2: activateAll(y, x, count, 2); break;
    default: activateAll(y, x, count, 3);
  }
}

/** y = act(g) ⊙ u */
export function gate(y: usize, g: usize, u: usize, count: i32, kind: i32): void {
  switch (kind) {
    case 0: gateAll(y, g, u, count, 0); break;
    case 1: gateAll(y, g, u, count, 1); break;
    case 2: gateAll(y, g, u, count, 2); break;
    default: gateAll(y, g, u, count, 3);
  }
}

/** y = a + b */
export function add(y: usize, a: usize, b: usize, count: i32): void {
  const end = y + (<usize>(count & ~3) << 2);
  for (; y < end; y += 16, a += 16, b += 16) v128.store(y, f32x4.add(v128.load(a), v128.load(b)));
  if (count & 3) storeLanes(y, f32x4.add(v128.load(a), v128.load(b)), count & 3);
}

/** y = s·x */
export function scale(y: usize, x: usize, s: f32, count: i32): void {
  const factor = f32x4.splat(s);
  const end = y + (<usize>(count & ~3) << 2);
  for (; y < end; y += 16, x += 16) v128.store(y, f32x4.mul(v128.load(x), factor));
  if (count & 3) storeLanes(y, f32x4.mul(v128.load(x), factor), count & 3);
}

/** y = cap·tanh(x / cap): Gemma2's soft bound of logits */
export function softcap(y: usize, x: usize, cap: f32, count: i32): void {
  const most = f32x4.splat(cap), slope = f32x4.splat(1 / cap);
  const end = y + (<usize>(count & ~3) << 2);
  for (; y < end; y += 16, x += 16) v128.store(y, f32x4.mul(most, tanh4(f32x4.mul(v128.load(x), slope))));
  if (count & 3) storeLanes(y, f32x4.mul(most, tanh4(f32x4.mul(v128.load(x), slope))), count & 3);
}

/** y = value in each element. */
export function fill(y: usize, value: f32, count: i32): void {
  const v = f32x4.splat(value);
  const end = y + (<usize>(count & ~3) << 2);
  for (; y < end; y += 16) v128.store(y, v);
  if (count & 3) storeLanes(y, v, count & 3);
}

/** y += s·x */
export function accumulate(y: usize, x: usize, s: f32, count: i32): void {
  const factor = f32x4.splat(s);
  const end = y + (<usize>(count & ~3) << 2);
  for (; y < end; y += 16, x += 16) v128.store(y, f32x4.add(v128.load(y), f32x4.mul(v128.load(x), factor)));
  if (count & 3) storeLanes(y, f32x4.add(v128.load(y), f32x4.mul(v128.load(x), factor)), count & 3);
}
