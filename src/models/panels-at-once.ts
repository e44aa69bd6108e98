import type { Runtime } from '../arena/runtime.js';
import { activationBytes, isQuantized, packedBytes, type Matrix } from '../tensor/matrix.js';
import { remembered } from '../wasm/remembered.js';
import type { Model } from './model.js';

/** What `preferPanels` takes. */
const CANDIDATES = [1, 4] as const;

/** Matrices that lie in a cache don't ask for memory: of fewer bytes than this there is nothing to choose; of more than that no more is read, as half of what the slowest machines would need. */
const LEAST_BYTES = 24 * 2 ** 20;
const MOST_BYTES = 48 * 2 ** 20;

/** Milliseconds: of products in the cache first, so that the engine has compiled what it goes on with; and after which no further round begins. */
const WARM_MS = 12;
const ENOUGH_MS = 30;
const MOST_ROUNDS = 5;

/** By how much another must be faster than what is the default. */
const CLEARLY = 0.95;

/**
 * Times how many panels at once a row alone goes through fastest on this device, for the dtype of most of the model's weights, on these very weights; once, then it is remembered.
 * Products have the same bits either way.
 */
export async function choosePanelsAtOnce(runtime: Runtime, model: Model): Promise<void> {
  const dtype = mostCommon(model);
  const matrices = model.modules.flatMap((module) => (module.kind === 'linear' && module.weight.dtype === dtype ? [module.weight] : []));
  if (dtype === null || total(matrices) < LEAST_BYTES) return;
  const question = `panels at once, dtype ${dtype}, ${runtime.backend.build}, ${runtime.backend.threads}`;
  const memo = await remembered();
  let count = memo.get(question);
  if (typeof count !== 'number') {
    count = fastest(runtime, matrices);
    await memo.set(question, count);
  }
  runtime.kernels.preferPanels(dtype, count);
}

const total = (matrices: readonly Matrix[]): number => matrices.reduce((sum, { n, k, dtype }) => sum + packedBytes(n, k, dtype), 0);

/** The dtype that has most bytes in linear layers. */
function mostCommon({ modules }: Model): Matrix['dtype'] | null {
  const bytes = new Map<Matrix['dtype'], number>();
  for (const module of modules) if (module.kind === 'linear') bytes.set(module.weight.dtype, (bytes.get(module.weight.dtype) ?? 0) + total([module.weight]));
  return [...bytes].sort((a, b) => b[1] - a[1])[0]?.[0] ?? null;
}

function fastest({ kernels, scratch }: Runtime, matrices: readonly Matrix[]): number {
  const { dtype } = matrices[0]!;
  const most = Math.max(...matrices.map(({ n, k }) => Math.max(n * 4, activationBytes(k), k * 4)));
  const mark = scratch.mark();
  const x = scratch.alloc(most), y = scratch.alloc(most);
  kernels.fill(x, 0, most / 4); // zeros are an activation in every form
  const multiply = ({ ptr, n, k }: Matrix, outputs: number): void => {
    if (isQuantized(dtype)) kernels.matmulQuantized(y, n, x, ptr, 0, 0, 1, n, k, dtype, 0, outputs);
    else kernels.matmul(y, n, x, k, ptr, 0, 0, 1, n, k, dtype, 0, outputs);
  };
  const time = (count: number): number => {
    kernels.preferPanels(dtype, count);
    const start = performance.now();
    let bytes = 0;
    for (const matrix of matrices) {
      multiply(matrix, matrix.n);
      if ((bytes += total([matrix])) >= MOST_BYTES) break;
    }
    return performance.now() - start;
  };
  const start = performance.now();
  while (performance.now() - start < WARM_MS) {
    for (const count of CANDIDATES) {
      kernels.preferPanels(dtype, count);
      multiply(matrices[0]!, Math.min(matrices[0]!.n, 64));
    }
  }
  const least = CANDIDATES.map(() => Infinity);
  for (let round = 0; round < MOST_ROUNDS && (round === 0 || performance.now() - start < ENOUGH_MS); round++) {
    CANDIDATES.forEach((count, i) => { least[i] = Math.min(least[i]!, time(count)); });
  }
  scratch.release(mark);
  const usual = isQuantized(dtype) ? 0 : 1;
  return CANDIDATES[least[1 - usual]! < CLEARLY * least[usual]! ? 1 - usual : usual]!;
}
