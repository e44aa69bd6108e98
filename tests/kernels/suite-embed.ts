import { Bench, dtypes, type Check } from './harness.js';
import { panels } from './suite-linear.js';

// Rows are copied or multiplied once: everything is equal bit for bit.

export const embedChecks: Check[] = [
  ...dtypes.map((dtype): Check => ({
    name: `gather ${dtype.name}`,
    run(kernels) {
      for (const [vocab, k, slack, scale] of [[1, 1, 0, 1], [17, 3, 2, 0.5], [255, 64, 0, 24], [40, 577, 1, -1.25]] as const) {
        const bench = new Bench(kernels, vocab);
        const rows = 19, ldy = k + slack;
        const w = panels(bench, vocab, k, dtype), ids = bench.u32(Array.from({ length: rows }, () => bench.below(vocab))), y = bench.f32(rows * ldy, 4);
        bench.call('gather', y, ldy, ids, w, rows, k, dtype.code, scale);
        bench.same(`[${vocab}, ${k}]`, y, rows * ldy);
        bench.untouched('gather');
      }
    },
  })),
  {
    name: 'replaceRows: none, one and several indices, hit and missed',
    run(kernels) {
      for (const indices of [[], [5], [0, 3, 4, 9, 31], [0], [31], Array.from({ length: 32 }, (_, i) => i), [40, 4000000000]]) {
        for (const [k, ldy] of [[1, 1], [17, 17], [5, 8]] as const) {
          const bench = new Bench(kernels, k);
          const ids = bench.u32([...Array.from({ length: 32 }, () => bench.below(32)), 4000000000, 0xa5a5a5a5]), y = bench.f32(34 * ldy); // the last: what stands past the indices
          const at = bench.u32(indices), values = bench.f32(indices.length * k);
          bench.call('replaceRows', y, ldy, ids, 34, k, at, values, indices.length);
          bench.same(`${indices.length} of ${k}`, y, 34 * ldy);
          bench.untouched('replaceRows');
        }
      }
    },
  },
  {
    name: 'scatterColumns',
    run(kernels) {
      for (const [m, count, lds, ldy] of [[1, 1, 1, 50], [3, 7, 9, 51], [5, 50, 50, 50], [2, 0, 1, 50]] as const) {
        const bench = new Bench(kernels, m);
        const columns = Array.from({ length: 50 }, (_, i) => (i * 7) % 50).slice(0, count).sort((a, b) => a - b);
        const src = bench.f32(m * lds), indices = bench.u32(columns), y = bench.f32(m * ldy);
        bench.call('scatterColumns', y, ldy, src, lds, indices, m, count);
        bench.same(`${count} columns`, y, m * ldy);
        bench.untouched('scatterColumns');
      }
    },
  },
  {
    name: 'copyRows',
    run(kernels) {
      for (const [rows, n, ldx, ldy] of [[1, 1, 1, 1], [7, 17, 17, 20], [5, 64, 70, 64], [0, 3, 3, 3]] as const) {
        const bench = new Bench(kernels, n);
        const x = bench.f32(12 * ldx), indices = bench.u32(Array.from({ length: rows }, () => bench.below(12))), y = bench.f32(rows * ldy);
        bench.call('copyRows', y, ldy, x, ldx, indices, rows, n);
        bench.same(`[${rows}, ${n}]`, y, rows * ldy);
        bench.untouched('copyRows');
      }
    },
  },
];
