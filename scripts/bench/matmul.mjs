// f32 matrix products beside onnxruntime-web and tfjs in one process, and beside what the machine can do at all.
import { createRuntime } from '../../build/js/src/arena/runtime.js';
import { interleave, median, ratio, spread } from './measure.mjs';
import { machineLimits, MOST_BYTES } from './limits.mjs';
import { onnxMatmul, tfjsMatmul } from './peers.mjs';

/** Rows of x: of the relaxed build those alone whose tiles are its own. */
const ROWS = { simd: [1, 8, 64, 256], relaxed: [64, 256] };
const SIZES = [576, 1536, 2048];
const CEILING = 512;

export async function matmul({ quick, build }) {
  const limits = await machineLimits(build);
  const peers = { ort: await onnxMatmul(), tfjs: await tfjsMatmul() };
  const runtime = await createRuntime({ build, threads: 1 });
  const timing = quick ? { rounds: 5, roundMs: 10, warmMs: 100, warmCalls: 2 } : { rounds: 15, roundMs: 40, warmMs: 200, warmCalls: 3 };

  const calls = await call(peers, { ...timing, warmMs: 1000, warmCalls: 50 }); // the first to run warms the code up
  const rows = [];
  for (const size of SIZES) {
    const weight = pattern(size * size, 1 / Math.sqrt(size));
    for (const m of ROWS[build]) rows.push(await compare(runtime, peers, limits, timing, weight, m, size));
  }
  const ceiling = await compare(runtime, peers, limits, timing, pattern(CEILING * CEILING, 1 / Math.sqrt(CEILING)), CEILING, CEILING);
  const memory = await interleave({ read: () => { limits.read(MOST_BYTES); } }, { ...timing, rounds: Math.max(3, timing.rounds >> 2) });
  return { node: process.versions.node, build: runtime.backend.build, rows, ceiling, calls, memory: { bytes: MOST_BYTES, gbps: MOST_BYTES / median(memory.read) / 1e3, samples: memory.read } };
}

/** What a call costs by itself: a product of 8 × 8 by 8. */
async function call(peers, timing) {
  const made = {};
  for (const name of Object.keys(peers)) made[name] = await peers[name](pattern(64, 1), pattern(64, 1), 8, 8, 8);
  const samples = await interleave({ ort: made.ort.run, tfjs: made.tfjs.run }, timing);
  for (const peer of Object.values(made)) await peer.dispose();
  return Object.fromEntries(Object.entries(samples).map(([name, us]) => [name, { us: median(us), samples: us }]));
}

async function compare(runtime, peers, limits, timing, weight, m, size) {
  const x = pattern(m * size, 1);
  const ours = own(runtime, x, weight, m, size);
  const made = {};
  for (const name of Object.keys(peers)) made[name] = await peers[name](x, weight, m, size, size);
  // The register loop does as much arithmetic as the product, the read passes over as many bytes as the weights have: each is a bound.
  const flops = 2 * m * size * size;
  const turns = Math.round(flops / limits.flops(1));
  const samples = await interleave({
    ours: ours.run, ort: made.ort.run, tfjs: made.tfjs.run, registers: () => { limits.registers(turns); }, read: () => { limits.read(size * size * 4); },
  }, timing);
  const expected = ours.result();
  for (const [name, peer] of Object.entries(made)) {
    const found = peer.result();
    const gap = expected.reduce((most, value, i) => Math.max(most, Math.abs(value - found[i])), 0);
    if (!(gap < 1e-3)) throw new Error(`${name} and ours differ by ${gap} on a product of ${m} rows, K = N = ${size}: they don't compute the same.`);
    await peer.dispose();
  }
  ours.dispose();
  const gflops = Object.fromEntries(['ours', 'ort', 'tfjs', 'registers'].map((name) => [name, flops / median(samples[name]) / 1e3]));
  return {
    m, size, gflops, spread: spread(samples.ours), gbps: (size * size * 4) / median(samples.read) / 1e3,
    beside: { ort: ratio(samples.ort, samples.ours), tfjs: ratio(samples.tfjs, samples.ours) },
    // of what the register loop gives, and the share of the tighter bound: whichever of arithmetic and reading takes longer
    ceiling: ratio(samples.registers, samples.ours), bound: ratio(samples.registers.map((us, i) => Math.max(us, samples.read[i])), samples.ours), samples,
  };
}

/** Our product, on packed weights, called as the ops call it. */
function own({ kernels, scratch, views }, x, w, m, size) {
  const mark = scratch.mark();
  const packed = scratch.alloc(size * size * 4);
  const xp = scratch.alloc(m * size * 4);
  const yp = scratch.alloc(m * size * 4);
  const inner = scratch.mark();
  const raw = scratch.alloc(size * size * 4);
  views.f32.set(w, raw / 4); // [k, n], as the peers have it
  kernels.packColumns(packed, raw, size, size, 0, size, 0);
  scratch.release(inner);
  views.f32.set(x, xp / 4);
  return {
    run: () => { kernels.matmul(yp, size, xp, size, packed, 0, 0, m, size, size, 0, 0, size); },
    result: () => views.f32.slice(yp / 4, yp / 4 + m * size),
    dispose: () => scratch.release(mark),
  };
}

/** Numbers in −scale … scale without a pattern that a cache or a branch could learn. */
function pattern(count, scale) {
  const out = new Float32Array(count);
  let state = 1;
  for (let i = 0; i < count; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    out[i] = (state / 2 ** 31) * scale;
  }
  return out;
}
