import { Bench, type Check, equal } from './harness.js';

interface Shape {
  heads: number;
  kvHeads: number;
  headDim: number;
  /** Positions in the cache; the last `rows` of them are queries. */
  length: number;
  rows: number;
  window: number;
  softcap?: number;
}

const shapes: Shape[] = [
  { heads: 1, kvHeads: 1, headDim: 4, length: 1, rows: 1, window: 0 },
  { heads: 2, kvHeads: 1, headDim: 8, length: 33, rows: 33, window: 0 },
  { heads: 3, kvHeads: 3, headDim: 12, length: 70, rows: 7, window: 0 },
  { heads: 6, kvHeads: 2, headDim: 20, length: 65, rows: 65, window: 0 },
  { heads: 9, kvHeads: 3, headDim: 64, length: 100, rows: 1, window: 0 },
  { heads: 9, kvHeads: 3, headDim: 64, length: 101, rows: 40, window: 0 },
  { heads: 8, kvHeads: 2, headDim: 16, length: 96, rows: 33, window: 0 },
  { heads: 5, kvHeads: 1, headDim: 80, length: 50, rows: 9, window: 0 },
  { heads: 40, kvHeads: 1, headDim: 6, length: 40, rows: 3, window: 0 },
  { heads: 4, kvHeads: 4, headDim: 128, length: 64, rows: 2, window: 0 },
  { heads: 4, kvHeads: 1, headDim: 256, length: 40, rows: 5, window: 0 },
  { heads: 3, kvHeads: 1, headDim: 16, length: 150, rows: 150, window: 33 },
  { heads: 2, kvHeads: 2, headDim: 16, length: 150, rows: 150, window: 5 },
  { heads: 2, kvHeads: 2, headDim: 16, length: 130, rows: 70, window: 1 },
  { heads: 2, kvHeads: 1, headDim: 24, length: 130, rows: 1, window: 64 },
  { heads: 4, kvHeads: 2, headDim: 16, length: 70, rows: 40, window: 0, softcap: 1.5 },
  { heads: 3, kvHeads: 1, headDim: 20, length: 67, rows: 33, window: 35, softcap: 50 },
];

/** Floats of scratch, as attention.ts gives them. */
const scratchFloats = ({ headDim }: Shape): number => 128 * Math.ceil(headDim / 8) * 8 + 1664;

/** The cache's dtypes, by code. */
const caches = [{ name: 'f32', code: 0 }, { name: 'f16', code: 2 }, { name: 'q8', code: 3 }] as const;
type Cache = (typeof caches)[number];

interface Prepared {
  q: number;
  table: number;
  scratch: number;
  y: number;
  ldq: number;
  ldy: number;
  dtype: number;
  /** Keys and values as they were before they were stored. */
  kv: number;
  ldkv: number;
}

/** Caches keys and values of `length` positions in blocks that lie in no order; unstored parts keep the poison. */
function prepare(bench: Bench, s: Shape, { code: dtype }: Cache, magnitude = 1): Prepared {
  const width = s.kvHeads * s.headDim;
  const ldkv = 2 * width + 3;
  const kv = bench.f32(s.length * ldkv);
  const [blockBytes] = bench.call('kvBlockBytes', s.kvHeads, s.headDim, dtype);
  const blocks = Array.from({ length: Math.ceil(s.length / 32) }, () => bench.bytes(blockBytes));
  const table = bench.u32(blocks.reverse());
  const ldq = s.heads * s.headDim + 5, ldy = s.heads * s.headDim + 1;
  const q = bench.f32(Array.from({ length: s.rows * ldq }, () => (2 * bench.random() - 1) * magnitude));
  const scratch = bench.bytes(4 * scratchFloats(s));
  const y = bench.bytes(4 * s.rows * ldy);
  bench.call('kvStore', table, kv, ldkv, kv + 4 * width, ldkv, 0, s.length, s.kvHeads, s.headDim, dtype);
  for (const [i, block] of blocks.reverse().entries()) bench.same(`block ${i}`, block, blockBytes, 'u8');
  return { q, table, scratch, y, ldq, ldy, dtype, kv, ldkv };
}

function attend(kernel: (...args: number[]) => unknown, s: Shape, p: Prepared, row: number, rows: number, from = 0, to = s.kvHeads): void {
  kernel(p.y + 4 * row * p.ldy, p.ldy, p.q + 4 * row * p.ldq, p.ldq, p.table, s.length - s.rows + row, rows, s.heads, s.kvHeads, s.headDim,
    Math.fround(1 / Math.sqrt(s.headDim)), s.softcap ?? 0, s.window, p.dtype, p.scratch, from, to);
}

const title = (s: Shape, { name }: Cache): string => `${name}, ${s.rows} of ${s.length} positions, ${s.heads}/${s.kvHeads} heads of ${s.headDim}${s.window ? `, window ${s.window}` : ''}${s.softcap ? `, softcap ${s.softcap}` : ''}`;

export const attentionChecks: Check[] = [
  ...shapes.flatMap((s) => caches.map((cache) => ({
    name: `attention: ${title(s, cache)}`,
    run(kernels) {
      for (const magnitude of [1, 40]) {
        const bench = new Bench(kernels, s.length + s.heads);
        const p = prepare(bench, s, cache, magnitude);
        attend((...args) => bench.call('attention', ...args), s, p, 0, s.rows);
        // Weighted means of values in [-1, 1): sums of at most 150 products in f32, and exp within 2 ulp. In q8 the query and the weights are rounded to 2^-16 of the
        // largest besides: scores by headDim/√headDim · magnitude · 2^-16, means by 2^-16 for each weight of a block at most.
        const rounded = cache.name === 'q8' ? (2 * Math.sqrt(s.headDim) * magnitude + 32) / 65536 : 0;
        for (let i = 0; i < s.rows; i++) bench.close(`row ${i}`, p.y + 4 * i * p.ldy, s.heads * s.headDim, rounded + (magnitude === 1 ? 2e-6 : 2e-5));
        bench.untouched('attention');
      }
    },
  } satisfies Check))),
  ...shapes.filter((s) => s.rows > 1 || s.kvHeads > 1).flatMap((s) => caches.map((cache) => ({
    name: `attention has the same bits however it is cut: ${title(s, cache)}`,
    run(kernels) {
      const bench = new Bench(kernels, s.length);
      const p = prepare(bench, s, cache);
      const attention = kernels.simd['attention']!;
      /** The bits of y, which is overwritten afterwards. */
      const bits = (): string => {
        const read = bench.read('simd', p.y, s.rows * p.ldy, 'u32').join();
        kernels.simd['fill']!(p.y, 7, s.rows * p.ldy);
        return read;
      };
      kernels.simd['fill']!(p.y, 7, s.rows * p.ldy);
      attend(attention, s, p, 0, s.rows);
      const whole = bits();
      for (const step of [1, 2, 3, 5, 32]) {
        for (let row = 0; row < s.rows; row += step) attend(attention, s, p, row, Math.min(step, s.rows - row));
        if (bits() !== whole) throw new Error(`cut into pieces of ${step} rows`);
      }
      for (let h = s.kvHeads - 1; h >= 0; h--) attend(attention, s, p, 0, s.rows, h, h + 1);
      if (bits() !== whole) throw new Error('cut by kv heads');
    },
  } satisfies Check))),
  ...shapes.flatMap((s) => caches.slice(1).map((cache) => ({
    name: `what a cache loses beside f32 stays within its bound: ${title(s, cache)}`,
    run(kernels) {
      const bench = new Bench(kernels, s.length + 3);
      const exact = prepare(bench, s, caches[0]);
      const width = s.kvHeads * s.headDim;
      const [blockBytes] = bench.call('kvBlockBytes', s.kvHeads, s.headDim, cache.code);
      const table = bench.u32(Array.from({ length: Math.ceil(s.length / 32) }, () => bench.bytes(blockBytes)));
      const y = bench.bytes(4 * s.rows * exact.ldy);
      kernels.simd['kvStore']!(table, exact.kv, exact.ldkv, exact.kv + 4 * width, exact.ldkv, 0, s.length, s.kvHeads, s.headDim, cache.code);
      attend(kernels.simd['attention']!, s, exact, 0, s.rows);
      attend(kernels.simd['attention']!, s, { ...exact, table, y, dtype: cache.code }, 0, s.rows);
      const q = bench.read('simd', exact.q, s.rows * exact.ldq), kv = bench.read('simd', exact.kv, s.length * exact.ldkv);
      const [wanted, found] = [exact.y, y].map((at) => bench.read('simd', at, s.rows * exact.ldy)) as [number[], number[]];
      const largest = (from: number, count: number): number => Math.max(...kv.slice(from, from + count).map(Math.abs));
      /** The most that one stored element is off: `row` is where the head's row begins, d the element. */
      const off = (row: number, d: number, key: boolean): number => {
        if (cache.name === 'f16') return Math.abs(kv[row + d]!) * 2 ** -11 + largest(row, s.headDim) * 2 ** -28;
        const from = key ? d - (d % 32) : 0;
        return (largest(row + from, key ? Math.min(32, s.headDim - from) : s.headDim) / 254) * (1 + 2 ** -20);
      };
      const keysOff = Array.from({ length: s.length }, (_, t) => Array.from({ length: width }, (_, c) => off(t * exact.ldkv + c - (c % s.headDim), c % s.headDim, true)));
      for (let i = 0; i < s.rows; i++) {
        const p = s.length - s.rows + i, first = s.window ? Math.max(0, p - s.window + 1) : 0;
        for (let h = 0; h < s.heads; h++) {
          const head = Math.floor(h / (s.heads / s.kvHeads)) * s.headDim;
          const query = q.slice(i * exact.ldq + h * s.headDim, i * exact.ldq + (h + 1) * s.headDim);
          const queryOff = cache.name === 'q8' ? Math.max(...query.map(Math.abs)) / 65534 : 0;
          let score = 0, value = 0, valueOff = 0;
          for (let t = first; t <= p; t++) {
            let sum = 0;
            for (let d = 0; d < s.headDim; d++) sum += (Math.abs(query[d]!) + queryOff) * keysOff[t]![head + d]! + queryOff * Math.abs(kv[t * exact.ldkv + head + d]!);
            score = Math.max(score, sum / Math.sqrt(s.headDim));
            const row = t * exact.ldkv + width + head;
            value = Math.max(value, largest(row, s.headDim));
            valueOff = Math.max(valueOff, off(row, Math.floor(Math.abs(query[0]!) * s.headDim) % s.headDim, false), cache.name === 'f16' ? value * 2 ** -11 : 0);
          }
          // A weight changes by a factor of e^(±2·score) at most; q8 rounds the weights of each block to 2^-16 of their largest, which together are at most 1.
          const bound = Math.expm1(2 * score) * value + valueOff * Math.exp(2 * score) + (cache.name === 'q8' ? (32 * value) / 65534 : 0) + 2e-5;
          if (bound > 0.15) throw new Error(`the bound is ${bound}: it says nothing`);
          for (let d = 0; d < s.headDim; d++) {
            const at = i * exact.ldy + h * s.headDim + d;
            if (!(Math.abs(found[at]! - wanted[at]!) <= bound)) throw new Error(`row ${i}, head ${h}, element ${d}: ${found[at]} is more than ${bound} from ${wanted[at]}`);
          }
        }
      }
    },
  } satisfies Check))),
  {
    name: 'what is stored doesn\'t depend on what was stored before, nor on how many rows at once',
    run(kernels) {
      for (const { code, name } of caches) {
        const bench = new Bench(kernels, 9);
        const [blockBytes] = bench.call('kvBlockBytes', 2, 33, code);
        const kv = bench.f32(40 * 132), other = bench.f32(40 * 132);
        const tables = [0, 1].map(() => bench.u32([bench.bytes(blockBytes), bench.bytes(blockBytes)])) as [number, number];
        const store = (table: number, from: number, position: number, rows: number): unknown => kernels.simd['kvStore']!(table, from + 4 * 132 * position, 132, from + 4 * (132 * position + 66), 132, position, rows, 2, 33, code);
        store(tables[0], kv, 0, 40);
        for (let position = 39; position >= 0; position--) {
          store(tables[1], other, position, 1);
          store(tables[1], kv, position, 1);
        }
        for (const block of [0, 1]) {
          const [a, b] = tables.map((table) => bench.read('simd', bench.read('simd', table + 4 * block, 1, 'u32')[0]!, blockBytes, 'u8').join());
          equal(`${name}, block ${block}`, a, b);
        }
        bench.untouched('kvStore');
      }
    },
  },
  ...caches.map((cache) => ({
    name: `attention does not look at what lies past the row, nor before its window: NaN there does not show, ${cache.name}`,
    run(kernels) {
      const s: Shape = { heads: 3, kvHeads: 1, headDim: 12, length: 70, rows: 4, window: 9 };
      const bench = new Bench(kernels, 5);
      const p = prepare(bench, s, cache);
      attend(kernels.simd['attention']!, s, p, 0, 1);
      const before = bench.read('simd', p.y, 36, 'u32').join();
      const nan = bench.f32(new Array<number>(24).fill(NaN));
      const position = s.length - s.rows;
      for (const hidden of [0, position - s.window, position + 1, position + 3]) kernels.simd['kvStore']!(p.table, nan, 12, nan, 12, hidden, 1, 1, 12, cache.code);
      attend(kernels.simd['attention']!, s, p, 0, 4);
      equal('row 0', bench.read('simd', p.y, 36, 'u32').join(), before);
      // Seen, it does.
      kernels.simd['kvStore']!(p.table, nan, 12, nan, 12, position, 1, 1, 12, cache.code);
      attend(kernels.simd['attention']!, s, p, 0, 1);
      for (const value of bench.read('simd', p.y, 36)) equal('a value computed of NaN', value, NaN);
      // The payload of a NaN is the machine's own, and 8 bits of it would be, too: nothing of it stays for the digests by which engines are compared.
      const zeros = bench.f32(new Array<number>(24).fill(0));
      for (const hidden of [0, position - s.window, position, position + 1, position + 3]) kernels.simd['kvStore']!(p.table, zeros, 12, zeros, 12, hidden, 1, 1, 12, cache.code);
      attend(kernels.simd['attention']!, s, p, 0, 4);
    },
  } satisfies Check)),
  {
    name: 'attention over scores that all overflow to -infinity gives zeros over zero, not a trap, and recovers in the next block',
    run(kernels) {
      const s: Shape = { heads: 1, kvHeads: 1, headDim: 4, length: 33, rows: 1, window: 0 };
      const bench = new Bench(kernels, 5);
      const p = prepare(bench, s, caches[0]);
      const huge = bench.f32([3e38, 3e38, 3e38, 3e38]), value = bench.f32([1, 2, 3, 4]), zero = bench.f32([0, 0, 0, 0]);
      const q = bench.f32([-3e38, -3e38, -3e38, -3e38]);
      for (let t = 0; t < 32; t++) kernels.simd['kvStore']!(p.table, huge, 4, value, 4, t, 1, 1, 4, 0);
      kernels.simd['kvStore']!(p.table, zero, 4, value, 4, 32, 1, 1, 4, 0);
      attend(kernels.simd['attention']!, s, { ...p, q }, 0, 1);
      equal('y', bench.read('simd', p.y, 4).join(), '1,2,3,4');
    },
  },
  ...[[8, 8], [12, 12], [20, 10], [64, 64], [80, 20], [128, 128]].map(([headDim, rotaryDim]) => ({
    name: `angles and rope: heads of ${headDim}, ${rotaryDim} turned`,
    run(kernels) {
      const bench = new Bench(kernels, headDim);
      const [rows, heads, half] = [5, 3, rotaryDim! / 2];
      const frequencies = bench.bytes(4 * half), table = bench.bytes(4 * rows * 2 * half);
      const positions = bench.u32([0, 1, 77, 8191, 131071]);
      const ldx = heads * headDim! + 2;
      const x = bench.f32(rows * ldx);
      kernels.simd['inverseFrequencies']!(frequencies, rotaryDim!, 10000, 0, 1, 1, 4, 8192);
      bench.prepare('angles', table, positions, frequencies, rows, half, 1);
      bench.call('angles', table, positions, frequencies, rows, half, 1.2);
      bench.same('angles', table, rows * 2 * half);
      bench.call('rope', x, ldx, table, rows, heads, headDim!, rotaryDim!);
      bench.same('rope', x, rows * ldx);
      bench.untouched('rope');
    },
  } satisfies Check)),
  ...[[8, 10000, 0, 1], [12, 10000, 1, 4], [20, 500000, 2, 8], [64, 500000, 2, 32], [128, 1e6, 2, 8], [256, 1e4, 1, 8], [80, 1e6, 0, 1]].map(([dim, base, kind, factor]) => ({
    name: `inverseFrequencies: ${dim}, base ${base}, ${['default', 'linear', 'llama3'][kind!]}`,
    run(kernels) {
      const bench = new Bench(kernels);
      const dst = bench.bytes(2 * dim!);
      bench.call('inverseFrequencies', dst, dim!, base!, kind!, factor!, 1, 4, 8192);
      // f32 steps against f64: an exponent 2i/dim rounded to f32 is magnified by ln(base) ≤ 14.
      bench.close('frequencies', dst, dim! / 2, 2e-6, 1e-12);
      bench.call('stretchFrequencies', dst, bench.f32(dim! / 2), dim! / 2);
      bench.close('stretched', dst, dim! / 2, 2e-6, 1e-12);
      bench.untouched('inverseFrequencies, stretchFrequencies');
    },
  } satisfies Check)),
];
