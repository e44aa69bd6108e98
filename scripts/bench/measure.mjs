// Times in interleaved rounds: in every round each candidate works once for about as long as the others, in turning order, so that whatever else the
// machine does falls on all of them; what is told is the median over the rounds, and how far its quartiles lie apart.
//
// Long synchronous work is timed by the processor time of this process: on a machine of its own that is the clock's time (one thread works), and where
// others run, too, the time that they take is not counted. What lasts microseconds, or waits, is timed by the clock.
import { performance } from 'node:perf_hooks';

export function quantile(values, q) {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (sorted.length - 1) * q;
  const low = Math.floor(at);
  return sorted[low] + (sorted[Math.min(low + 1, sorted.length - 1)] - sorted[low]) * (at - low);
}

export const median = (values) => quantile(values, 0.5);

/** Half the distance of the quartiles, as a share of the median. */
export const spread = (values) => (quantile(values, 0.75) - quantile(values, 0.25)) / 2 / Math.abs(median(values));

/** The median over the rounds of a / b, and its spread; a round that one of them sat out (null) doesn't count. */
export function ratio(a, b) {
  const values = a.map((value, i) => (value === null || b[i] === null ? null : value / b[i])).filter((value) => value !== null);
  return { median: median(values), spread: spread(values) };
}

/** Microseconds of processor time that this process has used. */
export function processorTime() {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/**
 * Microseconds of processor time per call of each candidate in each round.
 *
 * @param candidates `{ name: () => void | Promise }`
 * @param options.roundMs how long each works in a round
 * @param options.warmMs, options.warmCalls how long, and how often at least, each works before that
 * @returns `{ name: number[] }`
 */
export async function interleave(candidates, { rounds, roundMs, warmMs, warmCalls = 12 }) {
  const names = Object.keys(candidates);
  const calls = {};
  for (const name of names) {
    // An engine's slow tier serves the first calls.
    const started = performance.now();
    let count = 0;
    while (count < warmCalls || performance.now() - started < warmMs) { await candidates[name](); count++; }
    calls[name] = Math.max(1, Math.round((roundMs * 1000) / (await timed(candidates[name], 3))));
  }
  const samples = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < names.length; i++) {
      const name = names[(i + round) % names.length];
      samples[name].push(await timed(candidates[name], calls[name]));
    }
  }
  return samples;
}

async function timed(run, count) {
  const started = processorTime();
  for (let call = 0; call < count; call++) {
    const pending = run();
    if (pending !== undefined) await pending;
  }
  return (processorTime() - started) / count;
}
