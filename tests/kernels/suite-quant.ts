import { Bench, equal, quantized, type Check, type Quantized } from './harness.js';

// Sums over a block are exact and blocks are added in the documented order: everything here is compared bit for bit.

const padded = (n: number): number => Math.ceil(n / 8) * 8;
const bytesOf = (count: number, { weights, bytes }: Quantized): number => (count / weights) * bytes;
const ACTIVATION_BYTES = 80;

/** Random panels of W [n, k], made by the kernel that the packing checks hold against its reference. */
function panels(bench: Bench, n: number, k: number, type: Quantized): number {
  const blocks = bench.blocks(n * k, type), packed = bench.bytes(bytesOf(padded(n) * k, type));
  bench.prepare('pack', packed, blocks, n, k, type.code);
  return packed;
}

/** Random activations of 8 bits of x [m, k]. */
function activations(bench: Bench, m: number, k: number): number {
  const x = bench.f32(m * k), q = bench.bytes((m * k * ACTIVATION_BYTES) / 32);
  bench.prepare('quantizeRows', q, x, k, m, k);
  return q;
}

const packing: Check[] = quantized.flatMap((type): Check[] => [
  {
    name: `pack ${type.name}`,
    run(kernels) {
      for (const [rows, blocks] of [[1, 1], [3, 2], [8, 1], [9, 3], [24, 2]] as const) {
        for (const skew of [0, 1]) {
          const bench = new Bench(kernels, rows), k = blocks * type.weights;
          const src = bench.blocks(rows * k, type, skew), bytes = bytesOf(padded(rows) * k, type), dst = bench.bytes(bytes);
          bench.call('pack', dst, src, rows, k, type.code);
          bench.same(`[${rows}, ${k}]`, dst, bytes, 'u8');
          bench.untouched('pack');
        }
      }
    },
  },
  {
    name: `unpack ${type.name}: what widen gives, every range`,
    run(kernels) {
      const n = 11, k = 2 * type.weights;
      for (let from = 0; from < n; from++) {
        for (let to = from + 1; to <= n; to += 3) {
          const bench = new Bench(kernels, from);
          const blocks = bench.blocks(n * k, type), w = bench.bytes(bytesOf(padded(n) * k, type)), wide = bench.bytes(n * k * 4), dst = bench.bytes((to - from) * k * 4);
          bench.prepare('pack', w, blocks, n, k, type.code);
          bench.prepare('widen', wide, blocks, n * k, type.code);
          bench.call('unpack', dst, w, n, k, type.code, from, to);
          bench.same(`${from}…${to}`, dst, (to - from) * k);
          equal('values', bench.read('simd', dst, (to - from) * k, 'u32').join(), bench.read('simd', wide + from * k * 4, (to - from) * k, 'u32').join());
          bench.untouched('unpack');
        }
      }
    },
  },
  {
    name: `gather ${type.name}`,
    run(kernels) {
      const n = 19, k = 2 * type.weights, ids = [18, 0, 7, 8, 8, 15];
      for (const [scale, ldy] of [[1, k], [2.5, k + 3]] as const) {
        const bench = new Bench(kernels);
        const w = panels(bench, n, k, type), at = bench.u32(ids), y = bench.bytes((ids.length * ldy) * 4);
        bench.call('gather', y, ldy, at, w, ids.length, k, type.code, scale);
        bench.same(`scale ${scale}`, y, ids.length * ldy);
        bench.untouched('gather');
      }
    },
  },
]);

const rounding: Check[] = [
  {
    name: 'quantizeRows',
    run(kernels) {
      for (const [m, k, ldx] of [[1, 32, 32], [3, 64, 70], [2, 576, 576]] as const) {
        const bench = new Bench(kernels, m);
        const x = bench.f32(m * ldx, 4), q = bench.bytes((m * k * ACTIVATION_BYTES) / 32);
        bench.call('quantizeRows', q, x, ldx, m, k);
        bench.same(`[${m}, ${k}]`, q, (m * k * ACTIVATION_BYTES) / 32, 'u8');
        bench.untouched('quantizeRows');
      }
    },
  },
  {
    name: 'quantizeRows: ties, zeros, tiny and huge values',
    run(kernels) {
      const ties = Array.from({ length: 32 }, (_, i) => (i === 7 ? 127 : i % 2 ? i - 0.5 : 0.5 - i));
      const rows = [ties, ties.map((v) => v * 2 ** -70), ties.map((v) => v * 2 ** -90), ties.map((v) => v * 2 ** -140), ties.map((v) => v * 2 ** 100), ties.map(() => 0), ties.map(() => -0), ties.map((_, i) => (i === 31 ? -3 : 0))];
      const bench = new Bench(kernels);
      const x = bench.f32(rows.flat()), q = bench.bytes(rows.length * ACTIVATION_BYTES);
      bench.call('quantizeRows', q, x, 32, rows.length, 32);
      bench.same('rows', q, rows.length * ACTIVATION_BYTES, 'u8');
      for (const row of [2, 3, 5, 6]) equal(`row ${row} is zero`, bench.read('simd', q + row * ACTIVATION_BYTES, ACTIVATION_BYTES, 'u8').some((byte) => byte !== 0), false);
      bench.untouched('quantizeRows');
    },
  },
  {
    name: 'quantizeRows: a NaN or an infinity makes products that are not finite, in its row alone',
    run(kernels) {
      for (const value of [NaN, Infinity, -Infinity]) {
        const bench = new Bench(kernels), type = quantized[1], k = 64;
        const x = bench.f32(Array.from({ length: 3 * k }, (_, i) => (i === k + 40 ? value : i % 5))), q = bench.bytes((3 * k * ACTIVATION_BYTES) / 32), w = panels(bench, 8, k, type), y = bench.bytes(3 * 8 * 4);
        bench.prepare('quantizeRows', q, x, k, 3, k);
        bench.prepare('matmulQuantized', y, 8, q, w, 0, 0, 3, 8, k, type.code, 0, 8);
        bench.read('simd', y, 24).forEach((found, i) => equal(`product ${i} is finite`, Number.isFinite(found), i < 8 || i >= 16));
      }
    },
  },
];

const products: Check[] = quantized.flatMap((type): Check[] => [
  {
    name: `matmulQuantized ${type.name}: rows, ragged outputs, init`,
    run(kernels) {
      const shapes = [[1, 8, 1], [1, 1, 3], [2, 11, 2], [3, 16, 1], [4, 17, 2], [5, 8, 4], [6, 23, 1], [7, 40, 1], [8, 7, 2], [9, 72, 1], [64, 12, 1], [1, 72, 5], [2, 8, 27], [5, 13, 26]] as const;
      for (const [m, n, blocks] of shapes) {
        const k = Math.max(blocks, type.weights === 32 ? blocks : Math.ceil(blocks / 7)) * 32 * (type.weights === 32 ? 1 : 0) || Math.ceil(blocks / 7) * 256;
        for (const form of ['none', 'bias', 'rows', 'itself'] as const) {
          const bench = new Bench(kernels, m + n);
          const q = activations(bench, m, k), w = panels(bench, n, k, type);
          const ldy = n + (form === 'none' ? 0 : 3), y = bench.f32(m * ldy), bias = bench.f32(n), before = bench.f32(m * (n + 1));
          const [init, ldi] = { none: [0, 0], bias: [bias, 0], rows: [before, n + 1], itself: [y, ldy] }[form] as [number, number];
          bench.call('matmulQuantized', y, ldy, q, w, init, ldi, m, n, k, type.code, 0, n);
          bench.same(`[${m}, ${n}, ${k}] ${form}`, y, m * ldy);
          bench.untouched('matmulQuantized');
        }
      }
    },
  },
  {
    name: `matmulQuantized ${type.name}: a row's bits depend neither on the other rows nor on the split`,
    run(kernels) {
      const m = 9, n = 43, k = 3 * type.weights;
      const bench = new Bench(kernels);
      const q = activations(bench, m, k), w = panels(bench, n, k, type), y = bench.bytes(m * n * 4), one = bench.bytes(m * n * 4);
      bench.prepare('matmulQuantized', y, n, q, w, 0, 0, m, n, k, type.code, 0, n);
      const whole = bench.read('simd', y, m * n, 'u32').join();
      for (const rows of [1, 2, 3, 4, 5]) {
        for (const outputs of [8, 16, 40]) {
          for (let i = 0; i < m; i += rows) {
            for (let from = 0; from < n; from += outputs) {
              bench.prepare('matmulQuantized', one + i * n * 4, n, q + (i * k * ACTIVATION_BYTES) / 32, w, 0, 0, Math.min(rows, m - i), n, k, type.code, from, Math.min(from + outputs, n));
            }
          }
          equal(`by ${rows} rows and ${outputs} outputs`, bench.read('simd', one, m * n, 'u32').join(), whole);
        }
      }
      bench.untouched('matmulQuantized');
    },
  },
]);

export const quantChecks: Check[] = [...packing, ...rounding, ...products];
