// Where a part begins and what lies there.

/** The first of `count` rows, outputs or elements that part `part` of `parts` does, counted from 0, in steps of `step`; of part `parts` the end. */
// @ts-ignore: decorator
@inline export function begin(part: i32, parts: i32, count: i32, step: i32): i32 {
  return min(count, <i32>(<i64>((count + step - 1) / step) * part / parts) * step);
}

/** From a row of `ld` floats to the `row`th behind it. */
// @ts-ignore: decorator
@inline export function bytes(row: i32, ld: i32): usize {
  return (<usize>row * <usize>ld) << 2;
}
