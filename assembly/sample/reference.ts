export function argmax(x: usize, n: i32): i32 {
  let best = -1;
  for (let i = 0; i < n; i++) {
    const v = load<f32>(x + <usize>i * 4);
    if (best < 0 ? v == v : v > load<f32>(x + <usize>best * 4)) best = i;
  }
  return max<i32>(best, 0);
}

export function penalize(x: usize, n: i32, history: usize, count: i32, penalty: f32, scratch: usize): void {
  for (let id = 0; id < n; id++) {
    for (let j = 0; j < count; j++) {
      if (load<i32>(history + <usize>j * 4) != id) continue;
      const v = load<f32>(x + <usize>id * 4);
      store<f32>(x + <usize>id * 4, v < 0 ? v * penalty : v / penalty);
      break;
    }
  }
}

export function logProbability(x: usize, n: i32, id: i32): f64 {
  let top: f64 = -Infinity, total: f64 = 0;
  for (let i = 0; i < n; i++) top = max<f64>(top, <f64>load<f32>(x + <usize>i * 4));
  for (let i = n - 1; i >= 0; i--) total += NativeMath.exp(<f64>load<f32>(x + <usize>i * 4) - top);
  return <f64>load<f32>(x + <usize>id * 4) - (top + NativeMath.log(total));
}

// pcg_basic.c of pcg-random.org: pcg32_srandom_r and pcg32_random_r with the stream of PCG32_INITIALIZER.
export function seed(state: usize, lo: u32, hi: u32): void {
  store<u64>(state, 0);
  pcg(state);
  store<u64>(state, load<u64>(state) + (<u64>hi << 32) + <u64>lo);
  pcg(state);
}

function pcg(state: usize): u32 {
  const old = load<u64>(state);
  store<u64>(state, old * 6364136223846793005 + 1442695040888963407);
  const shifted = <u32>(((old >> 18) ^ old) >> 27);
  const rot = <u32>(old >> 59);
  return (shifted >> rot) | (shifted << ((0 - rot) & 31));
}

/** scratch: n f64, the probabilities relative to the largest; 0 where removed. Ordering by counting, n² steps. */
export function sample(x: usize, n: i32, temperature: f32, topK: i32, topP: f64, minP: f32, state: usize, scratch: usize): i32 {
  const best = argmax(x, n);
  if (temperature <= 0) return best;
  const top = load<f32>(x + <usize>best * 4) / temperature;
  if (abs<f32>(top) == Infinity) return best;
  for (let i = 0; i < n; i++) {
    const score = load<f32>(x + <usize>i * 4) / temperature;
    let larger = 0;
    for (let j = 0; j < n; j++) if (load<f32>(x + <usize>j * 4) / temperature > score) larger++;
    const kept = topK <= 0 || larger < topK;
    store<f64>(scratch + <usize>i * 8, kept ? NativeMath.exp(<f64>(score - top)) : 0);
  }
  if (topP < 1) {
    let whole: f64 = 0;
    for (let i = 0; i < n; i++) whole += load<f64>(scratch + <usize>i * 8);
    for (let i = 0; i < n; i++) {
      const score = load<f32>(x + <usize>i * 4) / temperature;
      let upTo: f64 = 0, above = false;
      for (let j = 0; j < n; j++) {
        const other = load<f32>(x + <usize>j * 4) / temperature;
        if (other < score || (other == score && j <= i)) upTo += abs<f64>(load<f64>(scratch + <usize>j * 8));
        else above = true;
      }
      // Removed ones turn negative, so that those still to come can count them.
      if (above && upTo <= (1 - topP) * whole) store<f64>(scratch + <usize>i * 8, -load<f64>(scratch + <usize>i * 8));
    }
  }
  let total: f64 = 0;
  for (let i = 0; i < n; i++) {
    const e = load<f64>(scratch + <usize>i * 8);
    if (e < 0 || <f32>e < minP) store<f64>(scratch + <usize>i * 8, 0);
    total += load<f64>(scratch + <usize>i * 8);
  }
  const high = pcg(state) >> 5, low = pcg(state) >> 6;
  const target = (<f64>high * 67108864 + <f64>low) / 9007199254740992 * total;
  let seen: f64 = 0;
  for (let i = 0; i < n; i++) {
    seen += load<f64>(scratch + <usize>i * 8);
    if (seen > target) return i;
  }
  return best;
}
