// Best fit against first fit, for the arena of the adapters: what each needs in memory and in time for the same traces.
//   node scripts/bench/free-list.mjs
// A trace is a studio's game on a model of the size of SmolLM2-135M: adapters of ranks 4 to 64 on some or all linear layers, in two or four
// bytes a weight; `cast` of them resident, loads in place of a random one (new generation first, then the old one goes), sometimes a scene
// change that drops half of them. Both policies see the same trace, in interleaved rounds.
import { performance } from 'node:perf_hooks';
import { FreeListArena } from '../../build/js/src/arena/free-list.js';
import { Heap } from '../../build/js/src/arena/heap.js';

const STEPS = 20_000;
const SEEDS = 8;
const POLICIES = ['first-fit', 'best-fit'];
const PAGE = 65536;

const HIDDEN = 576, KEYS = 192, INNER = 1536, LAYERS = 30;
const MODULES = { q: [HIDDEN, HIDDEN], k: [KEYS, HIDDEN], v: [KEYS, HIDDEN], o: [HIDDEN, HIDDEN], gate: [INNER, HIDDEN], up: [INNER, HIDDEN], down: [HIDDEN, INNER] };
const TARGETS = [['q', 'v'], ['q', 'v'], ['q', 'k', 'v', 'o'], Object.keys(MODULES)];
const RANKS = [4, 8, 8, 16, 16, 32, 64];

const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

console.log(`${SEEDS} traces of ${STEPS} steps, the adapters of one kind of model`);
for (const cast of [8, 24, 96]) {
  const rows = { 'first-fit': [], 'best-fit': [] };
  for (let seed = 1; seed <= SEEDS; seed++) {
    const trace = adapterTrace(seed, cast);
    for (const policy of seed % 2 ? POLICIES : [...POLICIES].reverse()) rows[policy].push(replay(trace, policy));
  }
  for (const policy of POLICIES) {
    const row = (name) => rows[policy].map((result) => result[name]);
    console.log(`cast ${String(cast).padStart(2)}  ${policy.padEnd(9)}  held at most / used at most ${mean(row('held')).toFixed(3)}`
      + `  free not in one block ${(100 * mean(row('scattered'))).toFixed(1)} %  free blocks ${mean(row('freeBlocks')).toFixed(1)}`
      + `  evictions at 1.1 x the peak ${mean(row('evictions')).toFixed(0)}  alloc + free ${median(row('microseconds')).toFixed(2)} us`);
  }
}

/** A list of steps: n > 0 loads n bytes, −i frees the block that step i − 1 loaded. */
function adapterTrace(seed, cast) {
  let state = seed;
  const random = (n) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
  const adapterBytes = () => {
    const rank = RANKS[random(RANKS.length)];
    const weights = TARGETS[random(TARGETS.length)].reduce((sum, name) => sum + rank * (MODULES[name][0] + MODULES[name][1]), 0) * LAYERS;
    return weights * (random(4) === 0 ? 4 : 2);
  };
  const trace = [];
  const live = [];
  const drop = () => trace.push(-1 - live.splice(random(live.length), 1)[0]);
  while (trace.length < STEPS) {
    live.push(trace.push(adapterBytes()) - 1);
    if (live.length > cast) drop();
    if (random(200) === 0) while (live.length > cast / 2) drop();
  }
  return trace;
}

function replay(trace, policy) {
  const free = run(trace, policy, 65536 * PAGE);
  const limited = run(trace, policy, Math.ceil((1.1 * free.used) / PAGE) * PAGE);
  return { held: free.heldMost / free.used, scattered: free.scattered, freeBlocks: free.freeBlocks, microseconds: free.microseconds, evictions: limited.evictions };
}

/** Replays a trace within a limit; what does not fit evicts the oldest blocks until it does. No byte of the memory is touched. */
function run(trace, policy, limit) {
  const heap = new Heap(new WebAssembly.Memory({ initial: 1, maximum: 65536 }), 0, limit);
  const arena = new FreeListArena(heap, 'adapters', { policy });
  const offsets = new Map(); // step → offset, oldest first
  let heldMost = 0, scattered = 0, freeBlocks = 0, samples = 0, evictions = 0, spent = 0;
  for (let step = 0; step < trace.length; step++) {
    const act = trace[step];
    const start = performance.now();
    if (act > 0) {
      for (;;) {
        try {
          offsets.set(step, arena.alloc(act));
          break;
        } catch (error) {
          if (error.code !== 'memory/exhausted' || offsets.size === 0) throw error;
          const [oldest, offset] = offsets.entries().next().value;
          arena.free(offset);
          offsets.delete(oldest);
          evictions++;
        }
      }
    } else if (offsets.has(-1 - act)) {
      arena.free(offsets.get(-1 - act));
      offsets.delete(-1 - act);
    }
    spent += performance.now() - start;
    const report = arena.report();
    heldMost = Math.max(heldMost, report.used + report.free);
    freeBlocks += report.freeBlocks;
    if (report.free > 0) scattered += 1 - report.largestFree / report.free;
    samples++;
  }
  return { heldMost, used: arena.report().highWater, scattered: scattered / samples, freeBlocks: freeBlocks / samples, evictions, microseconds: (1000 * spent) / (trace.length / 2) };
}
