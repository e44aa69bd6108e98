/**
 * Repetition penalty, as transformers: the logit of each distinct id of history is divided by the penalty, or multiplied where it is negative.
 * history: count i32; ids outside [0, n) are passed over. scratch: n floats, of which those at the ids of history are written.
 */
export function penalize(x: usize, n: i32, history: usize, count: i32, penalty: f32, scratch: usize): void {
  const end = history + (<usize>count << 2);
  // All values are taken before one is changed, so an id that occurs twice is penalised once.
  for (let p = history; p < end; p += 4) {
    const id = load<u32>(p);
    if (id < <u32>n) store<f32>(scratch + (<usize>id << 2), load<f32>(x + (<usize>id << 2)));
  }
  for (let p = history; p < end; p += 4) {
    const id = load<u32>(p);
    if (id >= <u32>n) continue;
    const v = load<f32>(scratch + (<usize>id << 2));
    store<f32>(x + (<usize>id << 2), v < 0 ? v * penalty : v / penalty);
  }
}
