import type { Runtime } from '../../arena/runtime.js';
import { LorikeetError } from '../../errors.js';
import type { CombineMasks, Recipe } from './recipe.js';

/** One adapter's share of a tensor that is being made. */
export interface TaskTensor {
  /** Writes its elements to scratch, f32. */
  readonly read: (to: number) => void;
  readonly weight: number;
  readonly adapter: string;
}

/** Where elements of a task tensor are from: what a given mask is looked up by. */
export interface Place {
  readonly module: string;
  readonly part: keyof CombineMasks;
}

/** The coin of the dare methods: drawn in the order modules, parts (A, B or delta, then bias), adapters; or given. */
export class Coin {
  readonly #runtime: Runtime;
  readonly #recipe: Recipe;
  readonly #state: number;

  /** Takes its state from the scratch arena: the caller holds a mark as long as it lives. */
  constructor(runtime: Runtime, recipe: Recipe) {
    this.#runtime = runtime;
    this.#recipe = recipe;
    this.#state = runtime.scratch.alloc(8);
    runtime.kernels.seed(this.#state, recipe.seed % 2 ** 32, Math.floor(recipe.seed / 2 ** 32));
  }

  /** Writes `count` bytes of 0 and 1. */
  toss(mask: number, count: number, adapter: string, { module, part }: Place): void {
    const { kernels, views } = this.#runtime;
    const { masks, density } = this.#recipe;
    if (masks === undefined) return kernels.bernoulli(mask, count, density, this.#state);
    const ofAdapter = Object.hasOwn(masks, adapter) ? masks[adapter] : undefined;
    const given = ofAdapter && Object.hasOwn(ofAdapter, module) ? ofAdapter[module]?.[part] : undefined;
    if (!(given instanceof Uint8Array) || given.length !== count) {
      throw new LorikeetError('adapter/combine', `The mask "${part}" of "${adapter}" at "${module}" expected ${count} bytes, found ${given instanceof Uint8Array ? given.length : 'none'}.`, { expected: count, found: given instanceof Uint8Array ? given.length : null });
    }
    if ([...new Set(given)].some((value) => value > 1)) throw new LorikeetError('adapter/combine', `The mask "${part}" of "${adapter}" at "${module}" expected bytes 0 and 1, found others.`, { expected: [0, 1], found: Math.max(...new Set(given)) });
    views.u8.set(given, mask);
  }
}

/** y [count] = the tensors, each pruned or dropped as the recipe says, summed by weight or merged by an elected sign. */
export function mergeTensors(runtime: Runtime, recipe: Recipe, coin: Coin, y: number, count: number, tensors: readonly TaskTensor[], place: Place): void {
  const { kernels, scratch, views } = runtime;
  const sparse = ({ read, adapter }: TaskTensor, to: number): void => {
    read(to);
    if (recipe.sparsify === null) return;
    const mark = scratch.mark();
    try {
      if (recipe.sparsify === 'magnitude') return kernels.prune(to, count, Math.floor(recipe.density * count), scratch.alloc(count * 4));
      const mask = scratch.alloc(count);
      coin.toss(mask, count, adapter, place);
      kernels.drop(to, mask, count, recipe.density);
    } finally {
      scratch.release(mark);
    }
  };
  const mark = scratch.mark();
  try {
    if (recipe.vote === null) {
      const t = scratch.alloc(count * 4);
      kernels.fill(y, 0, count);
      for (const tensor of tensors) {
        sparse(tensor, t);
        kernels.accumulate(y, t, tensor.weight, count);
      }
      return;
    }
    const pointers = scratch.alloc(Math.max(1, tensors.length) * 4);
    const weights = scratch.alloc(Math.max(1, tensors.length) * 4);
    for (const [i, tensor] of tensors.entries()) {
      const t = scratch.alloc(count * 4);
      sparse(tensor, t);
      views.u32[pointers / 4 + i] = t;
      views.f32[weights / 4 + i] = tensor.weight;
    }
    kernels.disjointMerge(y, pointers, weights, tensors.length, count, recipe.vote);
  } finally {
    scratch.release(mark);
  }
}
