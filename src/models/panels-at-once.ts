import type { Runtime } from '../arena/runtime.js';
import { activationBytes, isQuantized, packedBytes, type Matrix } from '../tensor/matrix.js';
import { remembered } from '../wasm/remembered.js';
import type { Model } from './model.js';

/** Matrices that lie in a cache don't ask for memory: of fewer bytes than this there is nothing to choose. */
const LEAST_BYTES = 24 * 2 ** 20;
/** What one candidate reads in a round; the next reads on from there, so that nothing is read that a cache still has. */
const ROUND_BYTES = 12 * 2 ** 20;

/** Milliseconds of products in the cache first, so that the engine has compiled what it goes on with. */
const WARM_MS = 15;
const ROUNDS = 4;

/** What isn't the default has to win every round by this: the wrong one can take twice the time, and whatever else the machine does is in these figures, too. */
const CLEARLY = 0.9;

/**
 * Finds out whether a row alone goes faster through four panels at once or through one, on this device, for the dtype of most of the model's weights, on these very weights; once, then it is
 * remembered. Products have the same bits either way.
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
  let next = 0;
  /** Milliseconds for a byte. */
  const time = (count: number): number => {
    kernels.preferPanels(dtype, count);
    const start = performance.now();
    let bytes = 0;
    while (bytes < ROUND_BYTES) {
      const matrix = matrices[next++ % matrices.length]!;
      multiply(matrix, matrix.n);
      bytes += total([matrix]);
    }
    return (performance.now() - start) / bytes;
  };
  const [usual, other] = isQuantized(dtype) ? [1, 4] : [4, 1];
  for (const start = performance.now(); performance.now() - start < WARM_MS;) {
    for (const count of [usual, other]) {
      kernels.preferPanels(dtype, count);
      multiply(matrices[0]!, Math.min(matrices[0]!.n, 64));
    }
  }
  let wins = 0;
  while (wins < ROUNDS && time(other) < CLEARLY * time(usual)) wins++;
  scratch.release(mark);
  return wins === ROUNDS ? other : usual;
}
