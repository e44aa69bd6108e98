import { Bench, type Check } from './harness.js';

const widths = [1, 3, 4, 17, 64, 255, 576];

/**
 * Tolerance of the norms: each row sums n squares in f32, 16 partial sums of n/16 terms: below n/16 · 2⁻²⁴ relative, and eight more roundings
 * follow: 5e-6 holds to n = 1024. Softmax: exp within 2 ulp, the sum in f64: 1e-6 of the largest possible weight, 1e-6 relative.
 */
export const normChecks: Check[] = [
  ...widths.map((n) => ({
    name: `rmsNorm [3, ${n}]`,
    run(kernels) {
      for (const offset of [0, 1]) {
        const bench = new Bench(kernels, n + offset);
        const x = bench.f32(3 * n), w = bench.f32(n), y = bench.bytes(3 * n * 4);
        bench.call('rmsNorm', y, x, w, 3, n, 1e-5, offset);
        bench.close('y', y, 3 * n, 5e-6);
        bench.call('rmsNorm', x, x, w, 3, n, 1e-5, offset);
        bench.close('y in place', x, 3 * n, 5e-6);
        bench.untouched('rmsNorm');
      }
    },
  } satisfies Check)),
  ...widths.map((n) => ({
    name: `layerNorm [3, ${n}]`,
    run(kernels) {
      const bench = new Bench(kernels, n);
      const x = bench.f32(3 * n), w = bench.f32(n), b = bench.f32(n), y = bench.bytes(3 * n * 4);
      bench.call('layerNorm', y, x, w, b, 3, n, 1e-5);
      // A row of one has variance 0: the rounding of the mean, here none, would be magnified by 1/√eps.
      bench.close('y', y, 3 * n, 1e-5);
      bench.call('layerNorm', y, x, w, 0, 3, n, 1e-5);
      bench.close('y without bias', y, 3 * n, 1e-5);
      bench.untouched('layerNorm');
    },
  } satisfies Check)),
  {
    name: 'a row of rmsNorm, layerNorm and softmax has the same bits alone as among others',
    run(kernels) {
      for (const n of [5, 17, 64, 255]) {
        const bench = new Bench(kernels, n);
        const x = bench.f32(5 * n), w = bench.f32(n), b = bench.f32(n), y = bench.bytes(5 * n * 4);
        for (const [kernel, args] of [['rmsNorm', [1e-6, 0]], ['layerNorm', [1e-6]], ['softmax', []]] as const) {
          const weights = kernel === 'rmsNorm' ? [w] : kernel === 'layerNorm' ? [w, b] : [];
          kernels.simd[kernel]!(y, x, ...weights, 5, n, ...args);
          const together = bench.read('simd', y, 5 * n, 'u32').join();
          for (let i = 0; i < 5; i++) kernels.simd[kernel]!(y + i * n * 4, x + i * n * 4, ...weights, 1, n, ...args);
          if (bench.read('simd', y, 5 * n, 'u32').join() !== together) throw new Error(`${kernel} of ${n}: bits differ`);
        }
      }
    },
  },
  ...[1, 2, 3, 5, 8, 31, 257, 4099].map((n) => ({
    name: `softmax [2, ${n}]`,
    run(kernels) {
      for (const spread of [1, 30, 200]) {
        const bench = new Bench(kernels, n);
        const x = bench.f32(Array.from({ length: 2 * n }, () => (bench.random() - 0.5) * spread)), y = bench.bytes(2 * n * 4);
        bench.call('softmax', y, x, 2, n);
        bench.close('y', y, 2 * n, 1e-6, 1);
        bench.call('softmax', x, x, 2, n);
        bench.close('y in place', x, 2 * n, 1e-6, 1);
        bench.untouched('softmax');
      }
    },
  } satisfies Check)),
  {
    name: 'softmax gives a hidden element 0 and the others its share',
    run(kernels) {
      const bench = new Bench(kernels);
      const x = bench.f32([0, -Infinity, 0, -Infinity, 0]), y = bench.bytes(20);
      kernels.simd['softmax']!(y, x, 1, 5);
      const third = Math.fround(1 / 3);
      const got = bench.read('simd', y, 5);
      if (got.join() !== [third, 0, third, 0, third].join()) throw new Error(`softmax: ${got.join()}`);
    },
  },
];
