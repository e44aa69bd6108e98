import { Bench, type Check, equal } from './harness.js';

const counts = [1, 3, 4, 17, 576];

/** Row-major [m, k] times [k, n]. */
function product(left: number[], right: number[], m: number, k: number, n: number): number[] {
  return Array.from({ length: m * n }, (_, at) => {
    const [i, j] = [Math.floor(at / n), at % n];
    let sum = 0;
    for (let r = 0; r < k; r++) sum += left[i * k + r]! * right[r * n + j]!;
    return sum;
  });
}

function near(what: string, got: number[], want: number[], tolerance: number): void {
  const size = Math.max(...want.map(Math.abs), 1e-30);
  for (const [i, v] of got.entries()) {
    if (!(Math.abs(v - want[i]!) <= tolerance * size)) throw new Error(`${what}: element ${i} is ${v}, expected ${want[i]} (largest ${size})`);
  }
}

const scratchFloats = (m: number, n: number): number => 4 * Math.min(m, n) ** 2 + 16 * Math.max(m, n);

/** Matrices of several spectra: random ones, of low rank, of equal singular values, zero. */
function matrix(bench: Bench, m: number, n: number, kind: string): number[] {
  if (kind === 'random') return Array.from({ length: m * n }, () => 2 * bench.random() - 1);
  if (kind === 'zero') return new Array<number>(m * n).fill(0);
  if (kind === 'identity') return Array.from({ length: m * n }, (_, at) => (Math.floor(at / n) === at % n ? 3 : 0));
  const rank = 2;
  const part = (count: number): number[] => Array.from({ length: count }, () => 2 * bench.random() - 1);
  return product(part(m * rank), part(rank * n), m, rank, n).map(Math.fround);
}

export const combineChecks: Check[] = [
  ...counts.map((count) => ({
    name: `copyScaled, bernoulli and drop, ${count}`,
    run(kernels) {
      const bench = new Bench(kernels, count);
      const x = bench.f32(3 * (count + 2)), y = bench.f32(3 * (count + 5)), mask = bench.bytes(count), state = bench.bytes(8);
      bench.call('copyScaled', y, count + 5, x, count + 2, 3, count, -0.7);
      bench.same('copyScaled', y, 3 * (count + 5));
      bench.call('seed', state, count, 1);
      for (const density of [0, 0.3, 1]) {
        bench.call('bernoulli', mask, count, density, state);
        bench.same('mask', mask, count, 'u8');
        bench.same('state', state, 2, 'u32');
        if (density !== 0.3) equal('sum of the mask', bench.read('simd', mask, count, 'u8').reduce((a, b) => a + b), count * density);
      }
      bench.call('bernoulli', mask, count, 0.5, state);
      bench.call('drop', x, mask, count, 0.5);
      bench.same('drop', x, count);
      bench.untouched('drop');
    },
  } satisfies Check)),
  {
    name: 'bernoulli keeps its share: 100000 at 0.3, within five deviations',
    run(kernels) {
      const bench = new Bench(kernels);
      const mask = bench.bytes(100_000), state = bench.bytes(8);
      kernels.simd['seed']!(state, 5, 0);
      kernels.simd['bernoulli']!(mask, 100_000, 0.3, state);
      const kept = bench.read('simd', mask, 100_000, 'u8').reduce((a, b) => a + b);
      if (!(Math.abs(kept - 30_000) <= 5 * Math.sqrt(100_000 * 0.3 * 0.7))) throw new Error(`${kept} of 100000 kept`);
    },
  },
  ...counts.map((count) => ({
    name: `prune ${count}, with and without ties`,
    run(kernels) {
      for (const steps of [1e6, 3]) {
        const bench = new Bench(kernels, count + steps);
        const values = Array.from({ length: count }, () => Math.round((2 * bench.random() - 1) * steps) / steps);
        for (const keep of new Set([0, 1, count >> 1, count - 1, count])) {
          const x = bench.f32(values), scratch = bench.bytes(4 * count);
          bench.call('prune', x, count, keep, scratch);
          bench.close('pruned', x, count, 0);
          if (steps > 3) equal('number kept', bench.read('simd', x, count).filter((v) => v !== 0).length, Math.min(keep, values.filter((v) => v !== 0).length));
          bench.untouched('prune');
        }
      }
    },
  } satisfies Check)),
  ...counts.flatMap((count) => [0, 1].map((method) => ({
    name: `disjointMerge of 1 to 4 adapters, ${count}, sign by ${method ? 'frequency' : 'total'}`,
    run(kernels) {
      for (let adapters = 1; adapters <= 4; adapters++) {
        const bench = new Bench(kernels, count + adapters);
        const values = (): number[] => Array.from({ length: count }, () => [0, 0.5, -0.5, 2 * bench.random() - 1][bench.below(4)]!);
        const tensors = Array.from({ length: adapters }, () => bench.f32(values()));
        const table = bench.u32(tensors), weights = bench.f32(adapters), y = bench.bytes(4 * count);
        bench.call('disjointMerge', y, table, weights, adapters, count, method);
        bench.close('merged', y, count, 0);
        bench.call('disjointMerge', tensors[0]!, table, weights, adapters, count, method);
        bench.close('merged in place', tensors[0]!, count, 0);
        bench.untouched('disjointMerge');
      }
    },
  } satisfies Check))),
  ...[[1, 1], [1, 5], [5, 1], [2, 2], [3, 17], [17, 3], [16, 16], [31, 24], [24, 31]].flatMap(([m, n]) => ['random', 'low rank', 'identity', 'zero'].map((kind) => ({
    name: `svd of a ${kind} matrix [${m}, ${n}]`,
    run(kernels) {
      const d = Math.min(m!, n!);
      for (const rank of new Set([1, 2, Math.max(1, d >> 1), d, d + 2])) {
        const bench = new Bench(kernels, m! * 100 + n!);
        const values = matrix(bench, m!, n!, kind).map(Math.fround);
        const w = bench.f32(values), b = bench.bytes(4 * m! * rank), a = bench.bytes(4 * n! * rank), scratch = bench.bytes(4 * scratchFloats(m!, n!));
        const [ok] = bench.call('svd', b, a, w, m!, n!, rank, scratch);
        equal('converged', ok, 1);
        const [left, right] = [bench.read('simd', b, m! * rank), bench.read('simd', a, n! * rank)];
        const found = product(left, right, m!, rank, n!);
        // Eigenvectors of the Gram matrix in f64; then each factor is rounded to f32: 2⁻²⁴ twice, over at most d terms.
        if (rank >= d || (kind === 'low rank' && rank >= 2) || kind === 'zero') near(`rank ${rank}`, found, values, 1e-6);
        if (kind === 'random') {
          near(`rank ${rank} against the reference`, found, product(bench.read('reference', b, m! * rank), bench.read('reference', a, n! * rank), m!, rank, n!), 1e-5);
        }
        if (kind === 'identity') equal('elements of the identity kept', found.filter((v) => Math.abs(v - 3) < 1e-5).length, Math.min(rank, d));
        // Rows of a are orthonormal as far as there are singular values; columns of b stand at right angles.
        const columns = Array.from({ length: rank }, (_, r) => left.filter((_, at) => at % rank === r));
        const norms = columns.map((c) => Math.hypot(...c));
        for (let r = 0; r + 1 < rank; r++) if (norms[r + 1]! > norms[r]! + 1e-5) throw new Error(`singular values rise: ${norms.join()}`);
        for (let r = 0; r < rank; r++) {
          for (let s = 0; s <= r; s++) {
            const dot = product(right.slice(r * n!, (r + 1) * n!), right.slice(s * n!, (s + 1) * n!), 1, n!, 1)[0]!;
            if (norms[r]! > 1e-4 && !(Math.abs(dot - (r === s ? 1 : 0)) < 1e-5)) throw new Error(`rows ${r} and ${s} of a: ${dot}`);
          }
        }
        bench.untouched('svd');
      }
    },
  } satisfies Check))),
  {
    name: 'svd of a matrix with NaN or infinity says so',
    run(kernels) {
      for (const bad of [NaN, Infinity, -Infinity]) {
        const bench = new Bench(kernels, 3);
        const values = matrix(bench, 7, 5, 'random');
        values[17] = bad;
        const w = bench.f32(values), b = bench.bytes(4 * 14), a = bench.bytes(4 * 10), scratch = bench.bytes(4 * scratchFloats(7, 5));
        equal(String(bad), kernels.simd['svd']!(b, a, w, 7, 5, 2, scratch), 0);
        equal('b', bench.read('simd', b, 14).every((v) => v === 0), true);
        equal('one element', kernels.simd['svd']!(b, a, bench.f32([bad]), 1, 1, 1, scratch), 0);
      }
    },
  },
  ...[[1, 1], [3, 8], [5, 5], [8, 33], [16, 64]].map(([k, n]) => ({
    name: `orthonormalize [${k}, ${n}]`,
    run(kernels) {
      const bench = new Bench(kernels, n);
      const values = Array.from({ length: k! * n! }, () => Math.fround(2 * bench.random() - 1));
      const r = bench.f32(values), q = bench.bytes(4 * k! * n!), t = bench.bytes(4 * k! * k!), scratch = bench.bytes(8 * n!);
      bench.call('orthonormalize', q, t, r, k!, n!, scratch);
      // A square random matrix may be badly conditioned; the factors then agree less than their product.
      bench.close('t', t, k! * k!, 1e-5);
      bench.close('q', q, k! * n!, 1e-4);
      near('t·q', product(bench.read('simd', t, k! * k!), bench.read('simd', q, k! * n!), k!, k!, n!), values, 1e-6);
      kernels.simd['orthonormalize']!(r, t, r, k!, n!, scratch);
      equal('in place', bench.read('simd', r, k! * n!, 'u32').join(), bench.read('simd', q, k! * n!, 'u32').join());
      bench.untouched('orthonormalize');
    },
  } satisfies Check)),
  {
    name: 'orthonormalize gives a zero row for a dependent one, and the product all the same',
    run(kernels) {
      const bench = new Bench(kernels, 4);
      const [k, n] = [6, 20];
      const values = Array.from({ length: k * n }, () => Math.fround(2 * bench.random() - 1));
      for (let c = 0; c < n; c++) {
        values[2 * n + c] = 0;
        values[3 * n + c] = values[c]!;
        values[4 * n + c] = 2 * values[n + c]!;
      }
      const r = bench.f32(values), q = bench.bytes(4 * k * n), t = bench.bytes(4 * k * k), scratch = bench.bytes(8 * n);
      kernels.simd['orthonormalize']!(q, t, r, k, n, scratch);
      const rows = bench.read('simd', q, k * n);
      const gram = product(rows, rows.map((_, at) => rows[(at % k) * n + Math.floor(at / k)]!), k, n, k);
      for (let i = 0; i < k; i++) for (let j = 0; j < k; j++) near(`qqᵀ[${i}, ${j}]`, [gram[i * k + j]! + 1], [(i === j && ![2, 3, 4].includes(i) ? 1 : 0) + 1], 1e-6);
      near('t·q', product(bench.read('simd', t, k * k), rows, k, k, n), values, 1e-6);
    },
  },
];
