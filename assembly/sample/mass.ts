/** 2³⁴: what the largest probability counts. */
const UNIT: f64 = 17179869184;

/** ⌊e·2³⁴⌋ */
// @ts-ignore: decorator
@inline
export function mass(e: f32): f64 {
  return floor<f64>(<f64>e * UNIT);
}

// @ts-ignore: decorator
@inline
function mass2(e: v128): v128 {
  return f64x2.floor(f64x2.mul(f64x2.promote_low_f32x4(e), f64x2.splat(UNIT)));
}

/** Σ mass(e) over the values ≥ cut. */
export function massAbove(x: usize, count: i32, cut: f32): f64 {
  const c = f32x4.splat(cut);
  let low = f64x2.splat(0), high = f64x2.splat(0);
  const end = x + (<usize>count << 2), end4 = x + (<usize>(count & ~3) << 2);
  for (; x < end4; x += 16) {
    const e = v128.load(x);
    const kept = v128.and(e, f32x4.ge(e, c));
    low = f64x2.add(low, mass2(kept));
    high = f64x2.add(high, mass2(v128.shuffle<f32>(kept, kept, 2, 3, 2, 3)));
  }
  const sum = f64x2.add(low, high);
  let total = f64x2.extract_lane(sum, 0) + f64x2.extract_lane(sum, 1);
  for (; x < end; x += 4) if (load<f32>(x) >= cut) total += mass(load<f32>(x));
  return total;
}
