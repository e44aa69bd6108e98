import type { Module } from '../ops/module.js';
import type { Matrix } from '../tensor/matrix.js';

/**
 * The shapes of a module's factors as files have them:
 *
 *     A [rank, inputs], B [outputs, rank / groups]; ΔW [outputs, inputs], where `transposed` [inputs, outputs]
 *
 * of an embedding inputs = V; of a convolution inputs = in·kernel (A is not grouped, as in PEFT), and rows g·rank/groups … of A belong to group g.
 */
export interface FactorShape {
  readonly inputs: number;
  readonly outputs: number;
  readonly groups: number;
  readonly transposed: boolean;
}

export function factorShape(module: Module): FactorShape {
  if (module.kind === 'conv1d') return { inputs: module.inChannels * module.kernel, outputs: module.outChannels, groups: module.groups, transposed: false };
  if (module.kind === 'embedding') return { inputs: module.weight.n, outputs: module.weight.k, groups: 1, transposed: true };
  return { inputs: (module.weight as Matrix).k, outputs: module.weight.n, groups: 1, transposed: module.kind === 'linear' && module.transposed };
}
