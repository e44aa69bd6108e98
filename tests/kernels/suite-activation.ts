import { Bench, type Check } from './harness.js';

const counts = [1, 3, 4, 17, 576];
const names = ['relu', 'silu', 'gelu', 'gelu by tanh'];

/**
 * Inputs all over the range in which an activation bends, and the ends. Tolerance relative to max(|y|, 1): exp is within 2 ulp and a few roundings
 * follow (5e-7); erf is within 3e-7 absolute and multiplied by x/2, so relative to |y| = x it stays below 1e-6.
 */
function samples(bench: Bench, count: number): number[] {
  return Array.from({ length: count }, (_, i) => (i % 7 === 6 ? [0, -0, 20, -20, 90, -90, 1e30, -1e30][bench.below(8)]! : (bench.random() - 0.5) * 16));
}

export const activationChecks: Check[] = [
  ...names.flatMap((name, kind) => counts.map((count) => ({
    name: `activate and gate, ${name}, ${count}`,
    run(kernels) {
      const bench = new Bench(kernels, count);
      const x = bench.f32(samples(bench, count)), u = bench.f32(count), y = bench.bytes(count * 4), z = bench.bytes(count * 4);
      bench.call('activate', y, x, count, kind);
      bench.close('activate', y, count, 1e-6);
      bench.call('gate', z, x, u, count, kind);
      bench.close('gate', z, count, 1e-6);
      bench.call('gate', u, x, u, count, kind);
      bench.close('gate in place', u, count, 1e-6);
      bench.untouched(name);
    },
  } satisfies Check))),
  {
    name: 'an activation has the same bits wherever in a vector its element falls',
    run(kernels) {
      for (let kind = 0; kind < 4; kind++) {
        const bench = new Bench(kernels, kind);
        const x = bench.f32(samples(bench, 64)), y = bench.bytes(256), z = bench.bytes(256);
        kernels.simd['activate']!(y, x, 64, kind);
        for (let i = 0; i < 64; i++) kernels.simd['activate']!(z + 4 * i, x + 4 * i, 1, kind);
        if (bench.read('simd', y, 64, 'u32').join() !== bench.read('simd', z, 64, 'u32').join()) throw new Error(`${names[kind]}: bits differ`);
      }
    },
  },
  {
    name: 'silu over the whole range is within 3 ulp where the result is a normal float',
    run(kernels) {
      const bench = new Bench(kernels);
      const values = Array.from({ length: 4000 }, (_, i) => (i - 2000) * 0.0433);
      const x = bench.f32(values), y = bench.bytes(4 * values.length);
      bench.call('activate', y, x, values.length, 1);
      bench.close('silu', y, values.length, 3 * 2 ** -23, 1.2e-38 * 2 ** 23);
    },
  },
  ...counts.map((count) => ({
    name: `add, scale, fill, accumulate, ${count}`,
    run(kernels) {
      const bench = new Bench(kernels, count);
      const a = bench.f32(count), b = bench.f32(count), y = bench.bytes(count * 4);
      for (const [kernel, ...args] of [['add', a, b], ['scale', a, 0.3], ['fill', -1.5], ['accumulate', a, 0.7]] as [string, ...number[]][]) {
        bench.call(kernel, y, ...args, count);
        bench.same(kernel, y, count);
      }
      bench.call('softcap', y, bench.f32(Array.from({ length: count }, () => (2 * bench.random() - 1) * 90)), 30, count);
      bench.close('softcap', y, count, 1e-6, 3);
      bench.untouched('elementwise');
    },
  } satisfies Check)),
];
