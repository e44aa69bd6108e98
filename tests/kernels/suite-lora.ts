import { Bench, dtypes, equal, type Check } from './harness.js';
import { panels } from './suite-linear.js';

// Bit for bit, but for the DoRA sums of an embedding: those are f64 in another order, equal to one rounding of the f32 result; and on relaxed builds, which round a
// multiply and an add once (see suite-linear.ts), to a millionth of what the sums may grow to.

const ranks = [1, 3, 4, 8, 11, 16, 64];

export const loraChecks: Check[] = [
  ...dtypes.flatMap((dtype): Check[] => [
    {
      name: `loraMatmul ${dtype.name}: ranks, rows, tails, bias`,
      run(kernels) {
        for (const rank of ranks) {
          for (const [m, n, k] of [[1, 1, 1], [1, 255, 576], [2, 17, 33], [3, 8, 255], [19, 61, 40]] as const) {
            for (const withBias of [false, true]) {
              const bench = new Bench(kernels, rank + n);
              const slack = withBias ? 3 : 0;
              const x = bench.f32(m * (k + slack)), a = panels(bench, rank, k, dtype), b = panels(bench, n, rank, dtype);
              const bias = withBias ? bench.f32(n) : 0, scratch = bench.bytes(m * rank * 4), y = bench.f32(m * (n + slack));
              bench.call('loraMatmul', y, n + slack, x, k + slack, a, b, bias, scratch, m, n, k, rank, 1.7, dtype.code, 0, n);
              const what = `[${m}, ${n}, ${k}] rank ${rank}`;
              bench.result(what, y, m * (n + slack), 1e-6, 1 + (k * rank) / 16);
              bench.untouched(what);
            }
          }
        }
      },
    },
    {
      name: `loraMatmul ${dtype.name}: ranges and rows give the bits of the whole`,
      run(kernels) {
        const [m, n, k, rank] = [5, 45, 30, 6];
        const bench = new Bench(kernels);
        const x = bench.f32(m * k), a = panels(bench, rank, k, dtype), b = panels(bench, n, rank, dtype), bias = bench.f32(n);
        const scratch = bench.bytes(m * rank * 4), start = Array.from({ length: m * n }, () => bench.random()), whole = bench.f32(start), parts = bench.f32(start);
        bench.call('loraMatmul', whole, n, x, k, a, b, bias, scratch, m, n, k, rank, -0.3, dtype.code, 0, n);
        for (const [from, to] of [[0, 16], [16, 40], [40, 45]] as const) bench.call('loraMatmul', parts, n, x, k, a, b, bias, scratch, m, n, k, rank, -0.3, dtype.code, from, to);
        bench.result('parts', parts, m * n, 1e-6, 1 + (k * rank) / 16);
        equal('parts', bench.read('simd', parts, m * n, 'u32').join(), bench.read('simd', whole, m * n, 'u32').join());
        const rows = bench.f32(start);
        for (const [from, to] of [[0, 24], [24, 45]] as const) {
          for (let row = 0; row < m; row++) bench.call('loraMatmul', rows + row * n * 4, n, x + row * k * 4, k, a, b, bias, scratch, 1, n, k, rank, -0.3, dtype.code, from, to);
        }
        equal('rows alone', bench.read('simd', rows, m * n, 'u32').join(), bench.read('simd', whole, m * n, 'u32').join());
        bench.untouched('loraMatmul');
      },
    },
    {
      name: `loraGather ${dtype.name}`,
      run(kernels) {
        for (const rank of ranks) {
          for (const [rows, vocab, n] of [[1, 3, 5], [7, 40, 64], [2, 17, 255]] as const) {
            const bench = new Bench(kernels, rank);
            const ids = bench.u32(Array.from({ length: rows }, () => bench.below(vocab)));
            const a = panels(bench, vocab, rank, dtype), b = panels(bench, n, rank, dtype), scratch = bench.bytes(rows * rank * 4), y = bench.f32(rows * (n + 2));
            bench.call('loraGather', y, n + 2, ids, a, b, scratch, rows, n, rank, 0.6, dtype.code);
            bench.result(`[${vocab}, ${n}] rank ${rank}`, y, rows * (n + 2), 1e-6, 1 + rank / 16);
            bench.untouched('loraGather');
          }
        }
      },
    },
    {
      name: `doraNorms, factors in ${dtype.name}, weights in every dtype`,
      run(kernels) {
        for (const weights of dtypes) {
          for (const [n, k, rank] of [[1, 1, 1], [8, 64, 8], [17, 130, 5], [23, 65, 19], [9, 576, 16]] as const) {
            const bench = new Bench(kernels, n);
            const w = panels(bench, n, k, weights), a = panels(bench, rank, k, dtype), b = panels(bench, n, rank, dtype);
            const scratch = bench.bytes(1072 * 4), out = bench.bytes(3 * n * 4);
            bench.call('doraNorms', out, w, weights.code, a, b, dtype.code, n, k, rank, scratch);
            bench.result(`${weights.name} [${n}, ${k}] rank ${rank}`, out, 3 * n, 1e-6, 1 + k / 16);
            bench.untouched('doraNorms');
          }
        }
      },
    },
    {
      name: `doraColumnNorms, factors in ${dtype.name}, weights in every dtype`,
      run(kernels) {
        for (const weights of dtypes) {
          for (const [vocab, dim, rank] of [[1, 1, 1], [8, 32, 8], [17, 33, 5], [100, 70, 12]] as const) {
            const bench = new Bench(kernels, vocab);
            const w = panels(bench, vocab, dim, weights), a = panels(bench, vocab, rank, dtype), b = panels(bench, dim, rank, dtype);
            const scratch = bench.bytes((32 * rank + 448) * 4), out = bench.bytes(3 * dim * 4);
            bench.call('doraColumnNorms', out, w, weights.code, a, b, dtype.code, vocab, dim, rank, scratch);
            bench.close(`${weights.name} [${vocab}, ${dim}] rank ${rank}`, out, 3 * dim, 1e-6, kernels.exact ? 0.01 : 1 + vocab / 16);
            bench.untouched('doraColumnNorms');
          }
        }
      },
    },
  ]),
  {
    name: 'doraFactor, doraBase, addScaledColumns, addScaledRow: every tail',
    run(kernels) {
      for (const n of [1, 2, 3, 4, 5, 7, 8, 17, 255]) {
        for (const m of [1, 3]) {
          const bench = new Bench(kernels, n);
          const positive = (count: number): number[] => Array.from({ length: count }, () => 1 + bench.random());
          const norms = bench.f32([...positive(n), ...positive(n).map((v) => v / 8), ...positive(n)]), magnitude = bench.f32(positive(n)), g = bench.bytes(n * 4);
          bench.call('doraFactor', g, magnitude, norms, n, 1.3);
          bench.same(`doraFactor ${n}`, g, n);
          const [ldy, ldb] = [n + 2, n + 1];
          const base = bench.f32(m * ldb), bias = bench.f32(n), y = bench.f32(m * ldy);
          bench.call('doraBase', y, ldy, base, ldb, g, bias, m, n);
          bench.result(`doraBase ${n}`, y, m * ldy, 1e-6);
          bench.call('doraBase', base, ldb, base, ldb, g, 0, m, n);
          bench.result(`doraBase ${n} in place, no bias`, base, m * ldb, 1e-6);
          bench.call('addScaledColumns', y, ldy, base, ldb, g, m, n);
          bench.result(`addScaledColumns ${n}`, y, m * ldy, 1e-6);
          bench.call('addScaledRow', y, ldy, bias, m, n, -0.4);
          bench.result(`addScaledRow ${n}`, y, m * ldy, 1e-6);
          bench.untouched(`n = ${n}`);
        }
      }
    },
  },
  {
    name: 'addLowRank: both factors straight and transposed',
    run(kernels) {
      for (const [n, k, rank] of [[1, 1, 1], [3, 9, 2], [4, 8, 8], [9, 17, 5], [13, 40, 16], [8, 255, 3]] as const) {
        for (const [ls, lc] of [[rank, 1], [1, n], [2 * rank, 2]] as const) {
          for (const [rs, rc] of [[k, 1], [1, rank], [k + 3, 1], [2, 2 * rank + 1]] as const) {
            const bench = new Bench(kernels, n * k);
            const left = bench.f32(n * ls + rank * lc), right = bench.f32(rank * rs + k * rc), w = bench.f32(n * k);
            bench.call('addLowRank', w, n, k, left, ls, lc, right, rs, rc, rank, 0.8);
            const what = `[${n}, ${k}] rank ${rank} strides ${ls}, ${lc}, ${rs}, ${rc}`;
            bench.result(what, w, n * k, 1e-6, 1 + rank / 16);
            bench.untouched(what);
          }
        }
      }
    },
  },
  {
    name: 'scaleRows, scaleColumns',
    run(kernels) {
      for (const [n, k] of [[1, 1], [3, 5], [8, 17], [17, 64]] as const) {
        const bench = new Bench(kernels, n);
        const w = bench.f32(n * k), rows = bench.f32(n), columns = bench.f32(k);
        bench.call('scaleRows', w, rows, n, k);
        bench.call('scaleColumns', w, columns, n, k);
        bench.same(`[${n}, ${k}]`, w, n * k);
        bench.untouched('scale');
      }
    },
  },
];
