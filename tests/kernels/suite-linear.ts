import { Bench, dtypes, equal, type Check, type Dtype, type Kernels } from './harness.js';

// Sums run in the documented order in kernel and reference: everything here is compared bit for bit, but for the products of relaxed builds. Those round a multiply
// and an add once, not twice: each of k terms may move the sum by half a unit in its last place, 2⁻²⁴ of what it has grown to, which is well below k/16 here.

const padded = (n: number): number => Math.ceil(n / 8) * 8;

/** Random panels of W [n, k], made by the kernel that the packing checks hold against its reference. */
export function panels(bench: Bench, n: number, k: number, dtype: Dtype): number {
  const rows = bench.weights(n * k, dtype), packed = bench.bytes(padded(n) * k * dtype.size);
  bench.prepare('pack', packed, rows, n, k, dtype.code);
  return packed;
}

const packing: Check[] = dtypes.flatMap((dtype) => [
  {
    name: `pack ${dtype.name}`,
    run(kernels) {
      for (const [rows, k] of [[1, 1], [3, 17], [7, 8], [8, 1], [8, 3], [8, 64], [17, 5], [24, 255], [33, 100], [40, 576]] as const) {
        for (const skew of [0, dtype.size]) {
          const bench = new Bench(kernels, rows * k);
          const src = bench.weights(rows * k, dtype, skew), dst = bench.bytes(padded(rows) * k * dtype.size);
          bench.call('pack', dst, src, rows, k, dtype.code);
          bench.same(`[${rows}, ${k}]`, dst, padded(rows) * k * dtype.size, 'u8');
          bench.untouched('pack');
        }
      }
    },
  },
  {
    name: `packColumns ${dtype.name}, whole and in stretches`,
    run(kernels) {
      for (const [n, k] of [[1, 1], [3, 2], [8, 5], [17, 70], [31, 130], [255, 3], [576, 9]] as const) {
        for (const stretch of [k, 1, 3, 64, 65]) {
          const bench = new Bench(kernels, n + k);
          const src = bench.weights(n * k, dtype, dtype.size), dst = bench.bytes(padded(n) * k * dtype.size);
          for (let from = 0; from < k; from += stretch) {
            bench.call('packColumns', dst, src + from * n * dtype.size, n, k, from, Math.min(stretch, k - from), dtype.code);
          }
          bench.same(`[${n}, ${k}] by ${stretch}`, dst, padded(n) * k * dtype.size, 'u8');
          bench.untouched('packColumns');
        }
      }
    },
  },
  {
    name: `packConv ${dtype.name}`,
    run(kernels) {
      for (const [out, channels, kernel] of [[1, 1, 1], [3, 2, 5], [8, 4, 3], [17, 3, 4], [20, 16, 7]] as const) {
        const bench = new Bench(kernels, out);
        const k = channels * kernel;
        const src = bench.weights(out * k, dtype, dtype.size), dst = bench.bytes(padded(out) * k * dtype.size);
        bench.call('packConv', dst, src, out, channels, kernel, dtype.code);
        bench.same(`[${out}, ${channels}, ${kernel}]`, dst, padded(out) * k * dtype.size, 'u8');
        bench.untouched('packConv');
      }
    },
  },
  {
    name: `packRounded ${dtype.name}`,
    run(kernels) {
      for (const [rows, k] of [[1, 1], [2, 3], [3, 5], [4, 2], [5, 7], [6, 4], [8, 64], [23, 33]] as const) {
        const bench = new Bench(kernels, rows);
        const src = bench.f32(rows * k), dst = bench.bytes(padded(rows) * k * dtype.size);
        bench.call('packRounded', dst, src, rows, k, dtype.code);
        bench.same(`[${rows}, ${k}]`, dst, padded(rows) * k * dtype.size, 'u8');
        bench.untouched('packRounded');
      }
    },
  },
  {
    name: `unpack ${dtype.name}, every range`,
    run(kernels) {
      for (const [n, k] of [[1, 1], [9, 3], [19, 8], [13, 17]] as const) {
        for (let from = 0; from < n; from++) {
          for (let to = from + 1; to <= n; to++) {
            const bench = new Bench(kernels, n);
            const w = panels(bench, n, k, dtype), dst = bench.bytes((to - from) * k * 4);
            bench.call('unpack', dst, w, n, k, dtype.code, from, to);
            bench.same(`[${n}, ${k}] ${from}…${to}`, dst, (to - from) * k);
            bench.untouched('unpack');
          }
        }
      }
    },
  },
  {
    name: `unpack ${dtype.name} gives back what packRounded took`,
    run(kernels) {
      const bench = new Bench(kernels);
      const [n, k] = [21, 37];
      const rows = bench.weights(n * k, dtype), floats = bench.bytes(n * k * 4), packed = bench.bytes(24 * k * dtype.size), back = bench.bytes(n * k * 4);
      bench.prepare('widen', floats, rows, n * k, dtype.code);
      bench.prepare('packRounded', packed, floats, n, k, dtype.code);
      bench.prepare('unpack', back, packed, n, k, dtype.code, 0, n);
      equal('values', bench.read('simd', back, n * k, 'u32').join(), bench.read('simd', floats, n * k, 'u32').join());
    },
  },
]);

/** Floats at which rounding to 16 bits has something to decide, with both signs. */
function awkwardFloats(): Float32Array {
  const edges = [0, 1, 65504, 65519.996, 65520, 65536, 1e30, 3.4028234663852886e38, 3.39e38, 3.3961775292304957e38, 2 ** -14, 2 ** -24, 2 ** -25, 2 ** -25 * 1.0001, 2 ** -26, 1e-30, 2 ** -126, 2 ** -149, Infinity];
  for (let i = 0; i < 300; i++) edges.push((1 + i / 2048) * 2 ** ((i % 34) - 17), (1 + i / 256) * 2 ** ((i % 60) - 30), (i + 0.5) * 2 ** -24, (1023 + i / 2) * 2 ** -24, 1 + i * 2 ** -12);
  return Float32Array.from(edges.flatMap((v) => [v, -v]));
}

const conversion: Check[] = [
  ...dtypes.filter((dtype) => dtype.size === 2).flatMap((dtype): Check[] => [
    {
      name: `widen ${dtype.name}: all 65536 values`,
      run(kernels) {
        const bench = new Bench(kernels);
        const all = bench.u16(Uint16Array.from({ length: 65536 }, (_, i) => i)), wide = bench.bytes(65536 * 4);
        bench.call('widen', wide, all, 65536, dtype.code);
        const [got, want] = [bench.read('simd', wide, 65536), bench.read('reference', wide, 65536)];
        for (let i = 0; i < 65536; i++) equal(`value of ${i.toString(16)}`, got[i], want[i]);
        bench.untouched('widen');
      },
    },
    {
      name: `narrow ${dtype.name}: all 65536 values come back, ties go to even`,
      run(kernels) {
        const bench = new Bench(kernels);
        const bits = Uint16Array.from({ length: 65536 }, (_, i) => i);
        const all = bench.u16(bits), wide = bench.bytes(65536 * 4), back = bench.bytes(65536 * 2);
        bench.prepare('widen', wide, all, 65536, dtype.code);
        bench.call('narrow', back, wide, 65536, dtype.code);
        bench.same('back', back, 65536, 'u16');
        const values = bench.read('simd', wide, 65536), got = bench.read('simd', back, 65536, 'u16');
        for (let i = 0; i < 65536; i++) if (!Number.isNaN(values[i])) equal(`bits of ${values[i]}`, got[i], i);
        const awkward = awkwardFloats(), random = Float32Array.from({ length: 20000 }, () => (bench.random() - 0.5) * 2 ** (bench.below(60) - 30));
        for (const floats of [awkward, random]) {
          const src = bench.f32(floats), dst = bench.bytes(floats.length * 2);
          bench.call('narrow', dst, src, floats.length, dtype.code);
          bench.same('rounded', dst, floats.length, 'u16');
        }
        bench.untouched('narrow');
      },
    },
    {
      name: `a matvec decodes every finite ${dtype.name}`,
      run(kernels) {
        // 8 outputs by 8192 inputs hold every bit pattern once; x picks out one column at a time for a sample of columns
        const finite = Uint16Array.from({ length: 65536 }, (_, i) => ((i & (dtype.name === 'bf16' ? 0x7f80 : 0x7c00)) === (dtype.name === 'bf16' ? 0x7f80 : 0x7c00) ? 0 : i));
        const bench = new Bench(kernels);
        const w = bench.u16(finite), wide = bench.bytes(65536 * 4), y = bench.bytes(8 * 4 * 4), x = bench.f32([1, 1, 1, 1]);
        bench.prepare('widen', wide, w, 65536, dtype.code);
        const values = bench.read('simd', wide, 65536);
        for (let column = 0; column < 8192; column++) {
          for (const m of [1, 2, 3, 4]) {
            kernels.simd['matmul']!(y, 8, x, 1, w + column * 16, 0, 0, m, 8, 1, dtype.code, 0, 8);
            const got = bench.read('simd', y, 8 * m);
            for (let i = 0; i < 8 * m; i++) equal(`weight ${column * 8 + (i % 8)}`, got[i]! + 0, values[column * 8 + (i % 8)]! + 0);
          }
        }
      },
    },
  ]),
  {
    name: 'widen and narrow at every short length',
    run(kernels) {
      for (const dtype of dtypes) {
        for (let count = 0; count < 20; count++) {
          const bench = new Bench(kernels, count);
          const src = bench.weights(count, dtype), wide = bench.bytes(count * 4), back = bench.bytes(count * dtype.size);
          bench.call('widen', wide, src, count, dtype.code);
          bench.call('narrow', back, wide, count, dtype.code);
          bench.same('widen', wide, count);
          bench.same('narrow', back, count * dtype.size, 'u8');
          bench.untouched(`widen, narrow ${count}`);
        }
      }
    },
  },
  {
    name: 'allFinite finds one infinity or NaN anywhere, and none where there is none',
    run(kernels) {
      for (const dtype of dtypes) {
        const bad = dtype.name === 'f32' ? [Infinity, -Infinity, NaN] : dtype.name === 'bf16' ? [0x7f80, 0xff80, 0x7fc1] : [0x7c00, 0xfc00, 0x7e01];
        const largest = dtype.name === 'f32' ? 3.4028234663852886e38 : dtype.name === 'bf16' ? 0xff7f : 0xfbff;
        for (const count of [0, 1, 7, 16, 33, 64, 100]) {
          for (let at = -1; at < count; at++) {
            for (const value of at < 0 ? [0] : bad) {
              const values = Array.from({ length: count }, (_, i) => (i === at ? value : largest));
              const bench = new Bench(kernels);
              const x = dtype.size === 4 ? bench.f32(values) : bench.u16(values);
              const [got, want] = bench.call('allFinite', x, count, dtype.code);
              equal('reference', want, at < 0 ? 1 : 0);
              equal(`${dtype.name} of ${count}, ${value} at ${at}`, got, want);
            }
          }
        }
      }
    },
  },
];

const rows: Check[] = [
  {
    name: 'transpose',
    run(kernels) {
      for (const [n, k] of [[1, 1], [3, 17], [17, 3], [64, 8], [255, 5]] as const) {
        const bench = new Bench(kernels, n);
        const x = bench.f32(n * k, 4), y = bench.bytes(n * k * 4);
        bench.call('transpose', y, x, n, k);
        bench.same(`[${n}, ${k}]`, y, n * k);
        bench.untouched('transpose');
      }
    },
  },
  {
    name: 'equalBytes sees one different byte anywhere, and none past the end',
    run(kernels) {
      for (const bytes of [0, 1, 15, 16, 17, 40, 64]) {
        for (let at = -1; at <= bytes; at++) {
          const bench = new Bench(kernels, bytes);
          const first = Array.from({ length: bytes + 1 }, () => bench.below(65536)), second = first.map((v, i) => (i === at ? v ^ 1 : v));
          // u16 to u8: the low bytes alone
          const low = (values: number[]): number => bench.u16(Array.from({ length: Math.ceil(values.length / 2) }, (_, i) => (values[2 * i]! & 255) | (((values[2 * i + 1] ?? 0) & 255) << 8)));
          const [got, want] = bench.call('equalBytes', low(first), low(second), bytes);
          equal('reference', want, at < 0 || at === bytes ? 1 : 0);
          equal(`${bytes} bytes, different at ${at}`, got, want);
        }
      }
    },
  },
];

interface Product { m: number; n: number; k: number; init: 'none' | 'bias' | 'rows' | 'in place'; slack: number; from?: number; to?: number }

function checkProduct(kernels: Kernels, dtype: Dtype, { m, n, k, init, slack, from = 0, to = n }: Product): void {
  const bench = new Bench(kernels, m * 31 + n * 7 + k);
  const [ldx, ldy, ldi] = [k + slack, n + slack, init === 'bias' ? 0 : n + 2 * slack];
  const x = bench.f32(m * ldx, 4), w = panels(bench, n, k, dtype), y = bench.f32(m * ldy, 8);
  const from0 = init === 'none' ? 0 : init === 'in place' ? y : bench.f32(Math.max(1, init === 'bias' ? 1 : m) * (ldi || n));
  bench.call('matmul', y, ldy, x, ldx, w, from0, init === 'in place' ? ldy : ldi, m, n, k, dtype.code, from, to);
  const what = `${dtype.name} [${m}, ${k}] × [${k}, ${n}] init ${init} slack ${slack} ${from}…${to}`;
  bench.result(what, y, m * ldy, 1e-6, 1 + k / 16);
  bench.untouched(what);
}

const products: Check[] = dtypes.flatMap((dtype) => [
  {
    name: `matmul ${dtype.name}: every number of rows and every tail`,
    run(kernels) {
      for (let m = 1; m <= 20; m++) for (const n of [1, 7, 8, 9, 17]) checkProduct(kernels, dtype, { m, n, k: 5, init: 'none', slack: 0 });
      for (const m of [1, 2, 3, 5]) for (let n = 1; n <= 75; n++) checkProduct(kernels, dtype, { m, n, k: 3, init: 'bias', slack: 1 });
    },
  },
  {
    name: `matmul ${dtype.name}: awkward shapes, strides and starts`,
    run(kernels) {
      for (const [m, n, k] of [[1, 1, 1], [1, 255, 17], [2, 17, 255], [3, 3, 3], [4, 576, 1], [17, 33, 100], [17, 24, 513], [64, 40, 1030], [21, 9, 576]] as const) {
        for (const init of ['none', 'bias', 'rows', 'in place'] as const) checkProduct(kernels, dtype, { m, n, k, init, slack: 0 });
        for (const init of ['none', 'in place', 'rows'] as const) checkProduct(kernels, dtype, { m, n, k, init, slack: 5 });
      }
    },
  },
  {
    name: `matmul ${dtype.name}: ranges of outputs`,
    run(kernels) {
      for (const m of [1, 2, 4, 18]) {
        for (const [from, to] of [[0, 8], [8, 16], [8, 61], [16, 56], [56, 61], [24, 64]] as const) {
          for (const init of ['none', 'bias', 'in place'] as const) checkProduct(kernels, dtype, { m, n: 61, k: 20, init, slack: 3, from, to });
        }
      }
    },
  },
  {
    name: `matmul ${dtype.name}: more rows than are worked at once`,
    run(kernels) {
      checkProduct(kernels, dtype, { m: 470, n: 17, k: 576, init: 'rows', slack: 1 });
      checkProduct(kernels, dtype, { m: 37, n: 9, k: 9000, init: 'none', slack: 0 });
    },
  },
  {
    name: `matmul ${dtype.name}: a row has the same bits alone and among any others`,
    run(kernels) {
      const [m, n, k] = [23, 45, 600];
      const bench = new Bench(kernels);
      const x = bench.f32(m * k), w = panels(bench, n, k, dtype), y = bench.f32(m * n), bias = bench.f32(n);
      kernels.simd['matmul']!(y, n, x, k, w, bias, 0, m, n, k, dtype.code, 0, n);
      const together = bench.read('simd', y, m * n, 'u32').join();
      for (const step of [1, 2, 3, 4, 5, 7, 16]) {
        for (let row = 0; row < m; row += step) {
          kernels.simd['matmul']!(y + row * n * 4, n, x + row * k * 4, k, w, bias, 0, Math.min(step, m - row), n, k, dtype.code, 0, n);
        }
        equal(`bits by ${step}`, bench.read('simd', y, m * n, 'u32').join(), together);
      }
    },
  },
  {
    name: `matmul ${dtype.name}: a row alone has the same bits by one panel and by four at once`,
    run(kernels) {
      const [n, k] = [141, 70];
      const bench = new Bench(kernels);
      const x = bench.f32(k), w = panels(bench, n, k, dtype), y = bench.f32(n), bias = bench.f32(n);
      const [four, one] = [4, 1].map((count) => {
        kernels.simd['preferPanels']!(dtype.code, count);
        kernels.simd['matmul']!(y, n, x, k, w, bias, 0, 1, n, k, dtype.code, 0, n);
        return bench.read('simd', y, n, 'u32').join();
      });
      kernels.simd['preferPanels']!(dtype.code, 4);
      equal('bits', one, four);
    },
  },
]);

export const linearChecks: Check[] = [...packing, ...conversion, ...rows, ...products];
