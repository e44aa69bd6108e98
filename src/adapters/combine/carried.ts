import type { Runtime } from '../../arena/runtime.js';
import { LorikeetError } from '../../errors.js';
import type { Delta, Dora, LowRank, Module, ReplacedRows } from '../../ops/module.js';
import type { BlockPlan } from '../../tensor/block.js';
import { packedBytes, type Matrix, type Vector } from '../../tensor/matrix.js';

/** An adapter that counts in a combination: what it does to a module. */
export interface Carrier {
  readonly adapter: string;
  readonly delta: Delta;
}

/** Declares places for copies, and copies once the block is placed. */
export class Copies {
  readonly #plan: BlockPlan;
  readonly #pending: { from: number; to: { ptr: number }; bytes: number }[] = [];

  constructor(plan: BlockPlan) {
    this.#plan = plan;
  }

  matrix(from: Matrix, groups = 1): Matrix {
    return this.#copy(from.ptr, this.#plan.matrix(from.n, from.k, from.dtype, groups), packedBytes(from.n, from.k, from.dtype) * groups);
  }

  vector(from: Vector): Vector {
    return this.#copy(from.ptr, this.#plan.vector(from.n), from.n * 4);
  }

  rows({ count, indices, values, packed }: ReplacedRows): ReplacedRows {
    return { count, indices: this.vector(indices), values: this.vector(values), packed: this.matrix(packed) };
  }

  #copy<T extends { ptr: number }>(from: number, to: T, bytes: number): T {
    this.#pending.push({ from, to, bytes });
    return to;
  }

  run({ views }: Runtime): void {
    for (const { from, to, bytes } of this.#pending) views.u8.copyWithin(to.ptr, from, from + bytes);
  }
}

/**
 * What is replaced can't be weighted: it is carried over as it is, where one adapter alone replaces it. Replaced weights and rows don't go together with another's
 * low-rank part, which PEFT's files can't say.
 *
 * @throws LorikeetError `adapter/combine`
 */
export function carryReplaced(copies: Copies, module: Module, carriers: readonly Carrier[]): Pick<Delta, 'weight' | 'vector' | 'bias' | 'rows'> {
  const owners = carriers.filter(({ delta }) => delta.weight ?? delta.vector ?? delta.rows);
  const biased = carriers.filter(({ delta }) => delta.bias);
  for (const [what, those] of [['weight', owners], ['bias', biased]] as const) {
    if (those.length > 1) throw new LorikeetError('adapter/combine', `${names(those)} all replace the ${what} of "${module.path}", or rows of it: expected at most one of them in a combination, since replacements don't add up.`, { expected: 1, found: those.map(({ adapter }) => adapter) });
  }
  const adding = carriers.filter(({ delta }) => delta.lowRank);
  if (owners.length > 0 && adding.length > 0) throw new LorikeetError('adapter/combine', `${names(owners)} replaces the weight of "${module.path}", or rows of it, and ${names(adding)} adds to it: expected one of the two in a combination; use a blend.`, { expected: 1, found: [...owners, ...adding].map(({ adapter }) => adapter) });
  const owner = owners[0]?.delta;
  const bias = biased[0]?.delta.bias;
  return {
    ...(owner?.weight ? { weight: copies.matrix(owner.weight, module.kind === 'conv1d' ? module.groups : 1) } : {}),
    ...(owner?.vector ? { vector: copies.vector(owner.vector) } : {}),
    ...(owner?.rows ? { rows: copies.rows(owner.rows) } : {}),
    ...(bias ? { bias: copies.vector(bias) } : {}),
  };
}

/** DoRA as it is, under a scale of its own: the norms ‖W + s·BA‖ are polynomials in s, so that they stay. */
export function carryDora(copies: Copies, { lowRank, dora }: Delta, weight: number): { lowRank: LowRank; dora: Dora } {
  const { a, b, rank, scaling } = lowRank!;
  const { magnitude, norms } = dora!;
  return { lowRank: { a: copies.matrix(a), b: copies.matrix(b), bias: null, rank, scaling: weight * scaling }, dora: { magnitude: copies.vector(magnitude), norms: copies.vector(norms) } };
}

export const names = (carriers: readonly { adapter: string }[]): string => carriers.map(({ adapter }) => `"${adapter}"`).join(' and ');
