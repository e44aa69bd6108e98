import { Bench, type Check, equal } from './harness.js';

interface Settings {
  temperature: number;
  topK: number;
  topP: number;
  minP: number;
}

const plain: Settings = { temperature: 1, topK: 0, topP: 1, minP: 0 };
const settings: Settings[] = [
  plain,
  { ...plain, temperature: 0.7 },
  { ...plain, topK: 1 },
  { ...plain, topK: 5 },
  { ...plain, topK: 40, temperature: 1.5 },
  { ...plain, topP: 0.9 },
  { ...plain, topP: 0.5, temperature: 2 },
  { ...plain, topP: 0 },
  { ...plain, topP: 0.999 },
  { ...plain, minP: 0.05 },
  { ...plain, minP: 1 },
  { temperature: 0.8, topK: 20, topP: 0.9, minP: 0.02 },
  { temperature: 1.3, topK: 7, topP: 0.3, minP: 0.5 },
];
const title = (s: Settings): string => `temperature ${s.temperature}, top-k ${s.topK}, top-p ${s.topP}, min-p ${s.minP}`;

/** Logits of the kind a model gives: roughly normal. */
const logits = (bench: Bench, n: number, spread = 2): number[] =>
  Array.from({ length: n }, () => Math.fround(spread * Array.from({ length: 6 }, () => 2 * bench.random() - 1).reduce((a, b) => a + b)));

/** The ids that transformers' warpers leave, written as they are: softmax, sort, cumulative sum. */
function kept(values: number[], { temperature, topK, topP, minP }: Settings): number[] {
  const scores = values.map((v) => Math.fround(v / temperature));
  const top = Math.max(...scores);
  let ids = scores.map((_, i) => i);
  if (topK > 0) {
    const kth = [...scores].sort((a, b) => b - a)[Math.min(topK, scores.length) - 1]!;
    ids = ids.filter((i) => scores[i]! >= kth);
  }
  if (topP < 1) {
    const ascending = [...ids].sort((a, b) => scores[a]! - scores[b]! || a - b);
    const whole = ascending.reduce((sum, i) => sum + Math.exp(scores[i]! - top), 0);
    let sum = 0;
    const removed = new Set(ascending.slice(0, -1).filter((i) => (sum += Math.exp(scores[i]! - top)) <= (1 - topP) * whole));
    ids = ids.filter((i) => !removed.has(i));
  }
  return ids.filter((i) => Math.exp(scores[i]! - top) >= minP);
}

class Drawer {
  readonly #bench: Bench;
  readonly #source: number;
  readonly #x: number;
  readonly #n: number;
  readonly #scratch: number;
  readonly state: number;

  constructor(bench: Bench, values: number[]) {
    this.#bench = bench;
    this.#n = values.length;
    this.#source = bench.f32(values);
    this.#x = bench.bytes(4 * values.length);
    this.#scratch = bench.bytes(8 * values.length);
    this.state = bench.bytes(8);
  }

  /** Ids drawn by the kernel and by the reference. */
  draw({ temperature, topK, topP, minP }: Settings): [number, number] {
    this.#bench.call('scale', this.#x, this.#source, 1, this.#n);
    return this.#bench.call('sample', this.#x, this.#n, temperature, topK, topP, minP, this.state, this.#scratch);
  }
}

export const sampleChecks: Check[] = [
  ...[1, 2, 3, 4, 5, 17, 255, 4099].map((n) => ({
    name: `argmax of ${n}: the first of equal maxima, NaN passed over`,
    run(kernels) {
      for (let round = 0; round < 20; round++) {
        const bench = new Bench(kernels, round);
        const values = Array.from({ length: n }, () => bench.below(round < 10 ? 3 : 1000) - 2000);
        if (round % 3 === 2) for (let i = 0; i < n; i += 3) values[i] = NaN;
        if (round % 5 === 4) values.fill(-Infinity, n >> 1);
        const [got, want] = bench.call('argmax', bench.f32(values), n);
        equal('argmax', got, want);
      }
    },
  } satisfies Check)),
  {
    name: 'argmax of nothing but NaN and -infinity is an index',
    run(kernels) {
      const bench = new Bench(kernels);
      equal('NaN', bench.call('argmax', bench.f32([NaN, NaN, NaN, NaN, NaN]), 5)[0], 0);
      equal('-infinity', bench.call('argmax', bench.f32([NaN, -Infinity, -Infinity, -Infinity, -Infinity]), 5)[0], 1);
    },
  },
  ...[1, 17, 300].map((n) => ({
    name: `penalize ${n} logits, ids repeated and out of range`,
    run(kernels) {
      const bench = new Bench(kernels, n);
      const x = bench.f32(n), scratch = bench.bytes(4 * n);
      const history = bench.u32(Array.from({ length: 100 }, () => bench.below(n + 3) - 1));
      bench.call('penalize', x, n, history, 100, 1.3, scratch);
      bench.same('x', x, n);
      bench.untouched('penalize');
    },
  } satisfies Check)),
  ...[1, 17, 5000].map((n) => ({
    name: `logProbability of one of ${n}`,
    run(kernels) {
      const bench = new Bench(kernels, n);
      const x = bench.f32(logits(bench, n, 5));
      for (const id of [0, n >> 1, n - 1]) {
        const [got, want] = bench.call('logProbability', x, n, id);
        // Two sums of n f64 in different orders.
        if (!(Math.abs(got - want) <= 1e-12 * Math.max(1, Math.abs(want)))) throw new Error(`${got}, the reference has ${want}`);
      }
    },
  } satisfies Check)),
  {
    name: 'seed and the stream are those of pcg_basic.c',
    run(kernels) {
      const bench = new Bench(kernels);
      const state = bench.bytes(8);
      for (const [lo, hi] of [[0, 0], [42, 0], [0xffffffff, 0x80000000]] as const) {
        bench.call('seed', state, lo, hi);
        bench.same('state', state, 2, 'u32');
      }
      bench.untouched('seed');
    },
  },
  ...[1, 2, 5, 17, 64, 255, 1000].map((n) => ({
    name: `sample of ${n}: the ids of the reference, filters and ties`,
    run(kernels) {
      for (const [round, s] of settings.entries()) {
        const bench = new Bench(kernels, n + round);
        const values = logits(bench, n);
        if (round % 2) for (let i = 0; i < n; i++) values[i] = Math.round(values[i]!); // many ties
        if (round % 3 === 0 && n > 4) values[bench.below(n)] = -Infinity;
        const drawer = new Drawer(bench, values);
        bench.call('seed', drawer.state, round, n);
        for (let i = 0; i < (n > 255 ? 4 : 25); i++) {
          const [got, want] = drawer.draw(s);
          equal(`${title(s)}, draw ${i}`, got, want);
          bench.same('state', drawer.state, 2, 'u32');
        }
        bench.untouched('sample');
      }
    },
  } satisfies Check)),
  ...settings.map((s) => ({
    name: `sample draws what transformers would keep, in proportion: ${title(s)}`,
    run(kernels) {
      const bench = new Bench(kernels, 11);
      const values = logits(bench, 24, 0.8);
      values[3] = values[17]!;
      values[5] = values[17]!;
      const drawer = new Drawer(bench, values);
      bench.call('seed', drawer.state, 2026, 0);
      const draws = 20_000;
      const counts = new Array<number>(24).fill(0);
      for (let i = 0; i < draws; i++) {
        const [got, want] = drawer.draw(s);
        equal('id', got, want);
        counts[got]!++;
      }
      const ids = kept(values, s);
      const weights = ids.map((i) => Math.exp((values[i]! - Math.max(...values)) / s.temperature));
      const whole = weights.reduce((a, b) => a + b);
      equal('ids drawn', counts.flatMap((c, i) => (c ? [i] : [])).join(), ids.join());
      const chi = ids.reduce((sum, id, j) => sum + (counts[id]! - (draws * weights[j]!) / whole) ** 2 / ((draws * weights[j]!) / whole), 0);
      // Chi-square with k − 1 degrees of freedom: mean k − 1, variance 2(k − 1); five deviations above is past the 1e-5 quantile. The seed is fixed.
      if (!(chi <= ids.length - 1 + 5 * Math.sqrt(2 * ids.length))) throw new Error(`chi-square ${chi} over ${ids.length} ids`);
    },
  } satisfies Check)),
  {
    name: 'sample: equal scores fall at the cut of top-p and top-k as in transformers',
    run(kernels) {
      const cases: [number[], Settings, number[]][] = [
        [[0, 0, 0, 0], { ...plain, topP: 0.5 }, [2, 3]],
        [[0, 0, 0, 0], { ...plain, topP: 0.25 }, [3]],
        [[0, 0, 0, 0], { ...plain, topP: 0 }, [3]],
        [[1, 0, 1, 0, 1], { ...plain, topK: 2 }, [0, 2, 4]],
        [[1, 0, 1, 0, 1], { ...plain, topK: 4 }, [0, 1, 2, 3, 4]],
        [[1, 0, 1, 0, 1], { ...plain, topK: 2, topP: 0.5 }, [2, 4]],
      ];
      for (const [values, s, want] of cases) {
        const drawer = new Drawer(new Bench(kernels), values);
        kernels.simd['seed']!(drawer.state, 1, 2);
        const got = new Set<number>();
        for (let i = 0; i < 300; i++) got.add(drawer.draw(s)[0]);
        equal(`${values.join()} ${title(s)}`, [...got].sort().join(), want.join());
        equal('reference', kept(values, s).join(), want.join());
      }
    },
  },
  {
    name: 'sample at temperature 0, or so small that scores overflow, is the argmax',
    run(kernels) {
      const bench = new Bench(kernels, 3);
      const values = logits(bench, 50);
      const best = values.indexOf(Math.max(...values));
      const drawer = new Drawer(bench, values);
      kernels.simd['seed']!(drawer.state, 1, 2);
      for (const temperature of [0, -1, 1e-39, 1e-45]) equal(`temperature ${temperature}`, drawer.draw({ ...plain, temperature })[0], best);
      equal('all hidden', new Drawer(bench, [-Infinity, -Infinity]).draw(plain)[0], 0);
    },
  },
  {
    name: 'sample of 49152 with every filter: the same seed gives the same ids, each among those to keep',
    run(kernels) {
      const bench = new Bench(kernels, 9);
      const values = logits(bench, 49152);
      const source = bench.f32(values), x = bench.bytes(4 * 49152), scratch = bench.bytes(8 * 49152), state = bench.bytes(8);
      for (const s of [plain, { ...plain, topK: 1000 }, { ...plain, topP: 0.9 }, { temperature: 0.8, topK: 50, topP: 0.95, minP: 0.05 }]) {
        const allowed = new Set(kept(values, s));
        const run = (): number[] => {
          kernels.simd['seed']!(state, 77, 1);
          return Array.from({ length: 10 }, () => {
            kernels.simd['scale']!(x, source, 1, 49152);
            return kernels.simd['sample']!(x, 49152, s.temperature, s.topK, s.topP, s.minP, state, scratch);
          });
        };
        const ids = run();
        equal(title(s), ids.join(), run().join());
        if (!ids.every((id) => allowed.has(id))) throw new Error(`${title(s)}: an id that should be removed`);
        if (new Set(ids).size < 2) throw new Error(`${title(s)}: ten equal ids`);
      }
    },
  },
];
