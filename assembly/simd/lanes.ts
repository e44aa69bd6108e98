// Ends of rows that are no multiple of four: a kernel reads a whole vector (the ABI allows 64 bytes past an operand) and
// writes, or counts, only the lanes that belong to it. So a value has the same bits wherever in a vector it falls.

const LANES: usize = memory.data<i32>([0, 1, 2, 3], 16);

/** Stores the first `count` (1 to 3) lanes of v. */
// @ts-ignore: decorator
@inline
export function storeLanes(p: usize, v: v128, count: i32): void {
  if (count & 2) {
    v128.store64_lane(p, v, 0);
    if (count & 1) v128.store32_lane(p, v, 2, 8);
  } else {
    v128.store32_lane(p, v, 0);
  }
}

/** All ones in the first `count` lanes, zeros in the others. */
// @ts-ignore: decorator
@inline
export function laneMask(count: i32): v128 {
  return i32x4.gt_s(i32x4.splat(count), v128.load(LANES));
}

/** (lane 0 + lane 1) + (lane 2 + lane 3). */
// @ts-ignore: decorator
@inline
export function sumLanes(v: v128): f32 {
  return (f32x4.extract_lane(v, 0) + f32x4.extract_lane(v, 1)) + (f32x4.extract_lane(v, 2) + f32x4.extract_lane(v, 3));
}

/** The largest lane, for lanes without NaN (as pmax leaves them). */
// @ts-ignore: decorator
@inline
export function maxLanes(v: v128): f32 {
  return max<f32>(max<f32>(f32x4.extract_lane(v, 0), f32x4.extract_lane(v, 1)), max<f32>(f32x4.extract_lane(v, 2), f32x4.extract_lane(v, 3)));
}
