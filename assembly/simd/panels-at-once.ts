// How many panels a row alone goes through at once: 1, or 4 that lie one behind the other. Where arithmetic is what a product waits for, one is the faster; where it waits for memory, several
// streams of reads may be. Machines differ, so the host times both (models/panels-at-once.ts); the sums are the same, and so is each bit of them.
//
// By dtype, in memory and not in a global: what one thread is told all of them know.
const AT_ONCE: usize = memory.data<i32>([4, 4, 4, 1, 1, 1, 1, 1, 1, 1, 1]);

/** From now on, for weights of this dtype: `count` is 1 or 4. */
export function preferPanels(dtype: i32, count: i32): void {
  store<i32>(AT_ONCE + (<usize>dtype << 2), count);
}

// @ts-ignore: decorator
@inline export function panelsAtOnce(dtype: i32): i32 {
  return load<i32>(AT_ONCE + (<usize>dtype << 2));
}
