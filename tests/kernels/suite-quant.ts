import { Bench, dtypes, equal, quantized, type Check, type Kernels, type Quantized } from './harness.js';
import { panels as floatPanels } from './suite-linear.js';

// Sums over a block are exact and blocks are added in the documented order: on plain builds everything here is compared bit for bit. Relaxed builds round activations to 8 bits
// (but for Q8_0), as the reference then does, too: bytes are the same, sums over a block exact, and adding up the blocks fused is within TOLERANCE of the largest result.

const padded = (n: number): number => Math.ceil(n / 8) * 8;
const bytesOf = (count: number, { weights, bytes }: Quantized): number => (count / weights) * bytes;
const ACTIVATION_BYTES = 128;
/** A block adds two rounded terms of at most a few times the largest result; up to 27 blocks of them, 2⁻²⁴ each. */
const TOLERANCE = 4e-6;

/** A workspace whose reference takes activations as the build under test does. */
function open(kernels: Kernels, seed?: number): Bench {
  kernels.reference['referRelaxed']!(kernels.exact ? 0 : 1);
  return new Bench(kernels, seed);
}

/** y [m, ldy] is the reference's. */
function sameProducts(bench: Bench, what: string, y: number, count: number): void {
  const largest = bench.read('reference', y, count).reduce((most, value) => Math.max(most, Math.abs(value)), 1);
  bench.result(what, y, count, TOLERANCE, largest);
}

/** Random panels of W [n, k], made by the kernel that the packing checks hold against its reference. */
function panels(bench: Bench, n: number, k: number, type: Quantized): number {
  const blocks = bench.blocks(n * k, type), packed = bench.bytes(bytesOf(padded(n) * k, type));
  bench.prepare('pack', packed, blocks, n, k, type.code);
  return packed;
}

/** Random activations of 12 bits of x [m, k]. */
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
        const bench = open(kernels, m);
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
      const ties = Array.from({ length: 32 }, (_, i) => (i === 7 ? 2047 : i % 2 ? i - 0.5 : 0.5 - i));
      const rows = [ties, ties.map((v) => v * 2 ** -70), ties.map((v) => v * 2 ** -95), ties.map((v) => v * 2 ** -140), ties.map((v) => v * 2 ** 100), ties.map(() => 0), ties.map(() => -0), ties.map((_, i) => (i === 31 ? -3 : 0))];
      const bench = open(kernels);
      const x = bench.f32(rows.flat()), q = bench.bytes(rows.length * ACTIVATION_BYTES);
      bench.call('quantizeRows', q, x, 32, rows.length, 32);
      bench.same('rows', q, rows.length * ACTIVATION_BYTES, 'u8');
      for (const row of [2, 3, 5, 6]) equal(`row ${row} is zero`, bench.read('simd', q + row * ACTIVATION_BYTES, kernels.exact ? 80 : 128, 'u8').some((byte) => byte !== 0), false);
      bench.untouched('quantizeRows');
    },
  },
  {
    name: 'quantizeRows: a NaN or an infinity makes products that are not finite, in its row alone',
    run(kernels) {
      for (const value of [NaN, Infinity, -Infinity]) {
        const bench = open(kernels), type = quantized[1], k = 64;
        const x = bench.f32(Array.from({ length: 3 * k }, (_, i) => (i === k + 40 ? value : i % 5))), q = bench.bytes((3 * k * ACTIVATION_BYTES) / 32), w = panels(bench, 8, k, type), y = bench.bytes(3 * 8 * 4);
        bench.prepare('quantizeRows', q, x, k, 3, k);
        bench.prepare('matmulQuantized', y, 8, q, w, 0, 0, 3, 8, k, type.code, 0, 8);
        bench.read('simd', y, 24).forEach((found, i) => equal(`product ${i} is finite`, Number.isFinite(found), i < 8 || i >= 16));
        // The bits of a NaN are the machine's own: they don't stay for the digests by which engines are compared.
        bench.prepare('quantizeRows', q, bench.f32(new Array<number>(3 * k).fill(0)), k, 3, k);
        bench.prepare('matmulQuantized', y, 8, q, w, 0, 0, 3, 8, k, type.code, 0, 8);
      }
    },
  },
];

const products: Check[] = quantized.flatMap((type): Check[] => [
  {
    name: `matmulQuantized ${type.name}: rows, ragged outputs, init`,
    run(kernels) {
      // 26 and 27 blocks (4 superblocks): more than are decoded at a time, 200 outputs of them more than few rows go through at a time; 131 rows: more than are worked through all panels at a time
      const shapes = [[1, 8, 1], [1, 1, 3], [2, 11, 2], [3, 16, 1], [4, 17, 2], [5, 8, 4], [6, 23, 1], [7, 40, 1], [8, 7, 2], [9, 72, 1], [64, 12, 1], [131, 9, 1], [1, 72, 5], [2, 8, 27], [5, 13, 26], [7, 200, 27]] as const;
      for (const [m, n, blocks] of shapes) {
        const k = type.weights === 32 ? blocks * 32 : Math.ceil(blocks / 7) * 256;
        for (const form of ['none', 'bias', 'rows', 'itself'] as const) {
          const bench = open(kernels, m + n);
          const q = activations(bench, m, k), w = panels(bench, n, k, type);
          const ldy = n + (form === 'none' ? 0 : 3), y = bench.f32(m * ldy), bias = bench.f32(n), before = bench.f32(m * (n + 1));
          const [init, ldi] = { none: [0, 0], bias: [bias, 0], rows: [before, n + 1], itself: [y, ldy] }[form] as [number, number];
          bench.call('matmulQuantized', y, ldy, q, w, init, ldi, m, n, k, type.code, 0, n);
          sameProducts(bench, `[${m}, ${n}, ${k}] ${form}`, y, m * ldy);
          bench.untouched('matmulQuantized');
        }
      }
    },
  },
  {
    name: `matmulQuantized ${type.name}: scales at the edges of f16`,
    run(kernels) {
      const edges = [0, 0x8000, 1, 0x8001, 0x3ff, 0x83ff, 0x400, 0x8400, 0x401, 0x3c00, 0xbc00, 0x7bff, 0xfbff];
      for (const m of [1, 5]) {
        const n = 16, k = 2 * type.weights, bench = open(kernels, m);
        const data = Uint8Array.from({ length: bytesOf(n * k, type) }, () => bench.below(256)), view = new DataView(data.buffer);
        for (let block = 0; block < data.length; block += type.bytes) {
          for (const at of type.scales) view.setUint16(block + at, edges[bench.below(edges.length)]!, true);
        }
        const blocks = bench.u8(data), w = bench.bytes(data.length), q = activations(bench, m, k), y = bench.bytes(m * n * 4);
        bench.prepare('pack', w, blocks, n, k, type.code);
        bench.call('matmulQuantized', y, n, q, w, 0, 0, m, n, k, type.code, 0, n);
        sameProducts(bench, `${m} rows`, y, m * n);
        bench.untouched('matmulQuantized');
      }
    },
  },
  {
    name: `matmulQuantized ${type.name}: the largest sums`,
    run(kernels) {
      const signs = [() => 1, () => -1, (i: number) => (i % 16 < 8 ? 1 : -1), (i: number) => (i % 16 < 8 ? -1 : 1), (i: number) => (i % 2 ? 1 : -1)];
      for (const byte of [0x00, 0x7f, 0x80, 0xf0, 0x0f, 0xff]) {
        const m = signs.length, n = 8, k = type.weights, bench = open(kernels, byte);
        const data = new Uint8Array(bytesOf(n * k, type)).fill(byte), view = new DataView(data.buffer);
        for (let block = 0; block < data.length; block += type.bytes) for (const at of type.scales) view.setUint16(block + at, 0x3c00, true);
        const blocks = bench.u8(data), w = bench.bytes(data.length), x = bench.f32(signs.flatMap((sign) => Array.from({ length: k }, (_, i) => 2047 * sign(i))));
        const q = bench.bytes((m * k * ACTIVATION_BYTES) / 32), y = bench.bytes(m * n * 4);
        bench.prepare('pack', w, blocks, n, k, type.code);
        bench.prepare('quantizeRows', q, x, k, m, k);
        for (const rows of [m, 1]) {
          for (let i = 0; i < m; i += rows) bench.call('matmulQuantized', y + i * n * 4, n, q + (i * k * ACTIVATION_BYTES) / 32, w, 0, 0, rows, n, k, type.code, 0, n);
          sameProducts(bench, `bytes ${byte}, by ${rows} rows`, y, m * n);
        }
        bench.untouched('matmulQuantized');
      }
    },
  },
  {
    name: `matmulQuantized ${type.name}: no further from the exact product than rounding its activations takes it`,
    run(kernels) {
      const m = 4, n = 24, k = 3 * type.weights, bench = open(kernels, type.code);
      const w = panels(bench, n, k, type), x = bench.f32(m * k), q = bench.bytes((m * k * ACTIVATION_BYTES) / 32), wide = bench.bytes(n * k * 4), y = bench.bytes(m * n * 4);
      bench.prepare('quantizeRows', q, x, k, m, k);
      bench.prepare('unpack', wide, w, n, k, type.code, 0, n);
      bench.prepare('matmulQuantized', y, n, q, w, 0, 0, m, n, k, type.code, 0, n);
      const weights = bench.read('simd', wide, n * k), values = bench.read('simd', x, m * k), found = bench.read('simd', y, m * n);
      const levels = kernels.exact || type.name === 'Q8_0' ? 2047 : 127;
      for (let i = 0; i < m; i++) {
        for (let j = 0; j < n; j++) {
          let exact = 0, bound = 0;
          for (let b = 0; b < k; b += 32) {
            const xs = values.slice(i * k + b, i * k + b + 32), ws = weights.slice(j * k + b, j * k + b + 32);
            const largest = Math.max(...xs.map(Math.abs));
            for (let p = 0; p < 32; p++) {
              exact += xs[p]! * ws[p]!;
              // half a step of the activation; and for the f32 sums: minimums, which ws doesn't tell, are below 8 here
              bound += (largest / levels / 2) * Math.abs(ws[p]!) * 1.001 + largest * (Math.abs(ws[p]!) + 8) * 2 ** -20;
            }
          }
          const error = Math.abs(found[i * n + j]! - exact);
          if (!(error <= bound)) throw new Error(`product ${i}, ${j} is ${found[i * n + j]}, the exact one ${exact}: ${error} apart, bound ${bound}`);
        }
      }
    },
  },
  {
    name: `matmulQuantized ${type.name}: a row's bits depend neither on the other rows nor on the split`,
    run(kernels) {
      const m = 26, n = 43, k = 3 * type.weights; // as many rows as no format takes for few
      const bench = open(kernels);
      const q = activations(bench, m, k), w = panels(bench, n, k, type), y = bench.bytes(m * n * 4), one = bench.bytes(m * n * 4);
      bench.prepare('matmulQuantized', y, n, q, w, 0, 0, m, n, k, type.code, 0, n);
      const whole = bench.read('simd', y, m * n, 'u32').join();
      for (const rows of [1, 2, 3, 4, 5, 7, 13]) {
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
  {
    name: `matmulQuantized ${type.name}: a row alone has the same bits by one panel and by four at once`,
    run(kernels) {
      const n = 75, k = 3 * type.weights;
      const bench = open(kernels);
      const q = activations(bench, 1, k), w = panels(bench, n, k, type), y = bench.bytes(n * 4), bias = bench.f32(n);
      for (const init of [0, bias, y]) {
        const [one, four] = [1, 4].map((count) => {
          bench.prepare('fill', y, 0.5, n);
          bench.prepare('preferPanels', type.code, count);
          bench.prepare('matmulQuantized', y, n, q, w, init, 0, 1, n, k, type.code, 0, n);
          return bench.read('simd', y, n, 'u32').join();
        });
        bench.prepare('preferPanels', type.code, 1);
        equal('bits', four, one);
      }
      bench.untouched('matmulQuantized');
    },
  },
]);

const norms: Check[] = quantized.flatMap((type): Check[] => [
  {
    name: `doraNorms, weights in ${type.name}`,
    run(kernels) {
      for (const dtype of [dtypes[0], dtypes[2]]) {
        const [n, k, rank] = [9, type.weights === 32 ? 96 : 256, 5], bench = new Bench(kernels, n);
        const w = panels(bench, n, k, type), a = floatPanels(bench, rank, k, dtype), b = floatPanels(bench, n, rank, dtype);
        const scratch = bench.bytes(1072 * 4), out = bench.bytes(3 * n * 4);
        bench.call('doraNorms', out, w, type.code, a, b, dtype.code, n, k, rank, scratch);
        sameProducts(bench, dtype.name, out, 3 * n);
        bench.untouched('doraNorms');
      }
    },
  },
  {
    name: `doraColumnNorms, weights in ${type.name}`,
    run(kernels) {
      for (const dtype of [dtypes[0], dtypes[2]]) {
        const [vocab, dim, rank] = [9, type.weights, 5], bench = new Bench(kernels, vocab);
        const w = panels(bench, vocab, dim, type), a = floatPanels(bench, vocab, rank, dtype), b = floatPanels(bench, dim, rank, dtype);
        const scratch = bench.bytes((32 * rank + 448) * 4), out = bench.bytes(3 * dim * 4);
        bench.call('doraColumnNorms', out, w, type.code, a, b, dtype.code, vocab, dim, rank, scratch);
        if (kernels.exact) bench.close(dtype.name, out, 3 * dim, 1e-6, 0.01);
        else sameProducts(bench, dtype.name, out, 3 * dim);
        bench.untouched('doraColumnNorms');
      }
    },
  },
]);

export const quantChecks: Check[] = [...packing, ...rounding, ...products, ...norms];
