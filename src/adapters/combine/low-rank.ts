import type { Runtime } from '../../arena/runtime.js';
import { LorikeetError } from '../../errors.js';
import type { LowRank, Module } from '../../ops/module.js';
import { factorShape } from '../factor-shape.js';
import { readA, readB, writeDelta, writeFactors } from './factors.js';
import type { Recipe } from './recipe.js';
import { mergeTensors, type Coin, type TaskTensor } from './task-tensors.js';

/** One adapter's low-rank part of a module, with the weight it has in the combination. */
export interface Holder {
  readonly adapter: string;
  readonly weight: number;
  readonly low: LowRank;
}

/** The rank that a module's result has; `largest` is that of the svd forms. @throws LorikeetError `adapter/combine` */
export function combinedRank(recipe: Recipe, module: Module, holders: readonly Holder[], largest: number): number {
  const sum = holders.reduce((ranks, { low }) => ranks + low.rank, 0);
  if (recipe.on === 'cat') return sum;
  if (recipe.on === 'factors') {
    const [first, ...others] = holders;
    const other = others.find(({ low }) => low.rank !== first!.low.rank);
    if (!other) return first!.low.rank;
    throw new LorikeetError('adapter/combine', `Combining by "${recipe.method}" adds A to A and B to B, so it expected one rank at "${module.path}": "${first!.adapter}" has ${first!.low.rank}, "${other.adapter}" ${other.low.rank}; use "cat" or an svd form.`, { expected: first!.low.rank, found: other.low.rank });
  }
  // Each group of a convolution is cut by itself. More than the weight's own rank, or than the parts' ranks where they are only summed, would be zeros.
  const { inputs, outputs, groups } = factorShape(module);
  const most = Math.min(inputs, outputs / groups, isPlainSvd(recipe) ? sum / groups : Infinity);
  return Math.min(Math.ceil((recipe.rank ?? largest) / groups), most) * groups;
}

const isPlainSvd = ({ on, sparsify, vote }: Recipe): boolean => on === 'delta' && sparsify === null && vote === null;

/** Computes a module's combined factors (and lora_bias) into `target`, whose scaling is 1. @throws LorikeetError `adapter/combine`, `memory/exhausted` */
export function combineLowRank(runtime: Runtime, recipe: Recipe, coin: Coin, module: Module, holders: readonly Holder[], target: LowRank): void {
  const { kernels, scratch } = runtime;
  const { inputs, outputs, groups } = factorShape(module);
  const countA = target.rank * inputs;
  const countB = (outputs * target.rank) / groups;
  const mark = scratch.mark();
  try {
    const a = scratch.alloc(countA * 4);
    const b = scratch.alloc(countB * 4);
    if (recipe.on === 'cat') concatenate(runtime, module, holders, target.rank, a, b);
    else if (recipe.on === 'factors') mergeFactors(runtime, recipe, coin, module, holders, a, countA, b, countB);
    else if (isPlainSvd(recipe) && holders.reduce((ranks, { low }) => ranks + low.rank, 0) / groups < Math.min(inputs, outputs / groups)) cutStacked(runtime, module, holders, target.rank, a, b);
    else cutDense(runtime, recipe, coin, module, holders, target.rank, a, b);
    finite(kernels.allFinite(a, countA, 0) & kernels.allFinite(b, countB, 0), module);
    writeFactors(runtime, module, target, a, b);
    if (!target.bias) return;
    // A bias is a task tensor of its own, s·b.
    const biases = holders.flatMap(({ adapter, weight, low: { bias, scaling } }): TaskTensor[] => (bias ? [{ adapter, weight, read: (to) => kernels.scale(to, bias.ptr, scaling, bias.n) }] : []));
    mergeTensors(runtime, recipe, coin, target.bias.ptr, target.bias.n, biases, { module: module.path, part: 'bias' });
    finite(kernels.allFinite(target.bias.ptr, target.bias.n, 0), module);
  } finally {
    scratch.release(mark);
  }
}

function finite(yes: number, module: Module): void {
  if (yes === 0) throw new LorikeetError('adapter/combine', `The combination overflows at "${module.path}": expected finite numbers; use smaller weights.`, { expected: 'finite numbers', found: module.path });
}

/** cat: in each group the rows w·s·A below one another, the columns of B side by side. */
function concatenate(runtime: Runtime, module: Module, holders: readonly Holder[], rank: number, a: number, b: number): void {
  const { kernels, scratch } = runtime;
  const { inputs, outputs, groups } = factorShape(module);
  const ranks = rank / groups;
  let before = 0;
  for (const { weight, low } of holders) {
    const own = low.rank / groups;
    const mark = scratch.mark();
    try {
      const ownA = scratch.alloc(low.rank * inputs * 4);
      const ownB = scratch.alloc(outputs * own * 4);
      readA(runtime, module, low, ownA);
      readB(runtime, module, low, ownB);
      for (let g = 0; g < groups; g++) kernels.copyScaled(a + (g * ranks + before) * inputs * 4, inputs, ownA + g * own * inputs * 4, inputs, own, inputs, weight * low.scaling);
      kernels.copyScaled(b + before * 4, ranks, ownB, own, outputs, own, 1);
    } finally {
      scratch.release(mark);
    }
    before += own;
  }
}

/** On A and B apart, each with √|w·s|; the sign goes to A, else two negative ones would cancel out. */
function mergeFactors(runtime: Runtime, recipe: Recipe, coin: Coin, module: Module, holders: readonly Holder[], a: number, countA: number, b: number, countB: number): void {
  const root = ({ weight, low }: Holder): number => Math.sqrt(Math.abs(weight * low.scaling));
  mergeTensors(runtime, recipe, coin, a, countA, holders.map((holder) => ({
    adapter: holder.adapter, weight: holder.weight * holder.low.scaling < 0 ? -root(holder) : root(holder), read: (to) => readA(runtime, module, holder.low, to),
  })), { module: module.path, part: 'A' });
  mergeTensors(runtime, recipe, coin, b, countB, holders.map((holder) => ({
    adapter: holder.adapter, weight: root(holder), read: (to) => readB(runtime, module, holder.low, to),
  })), { module: module.path, part: 'B' });
}

/** svd of Σ w·s·B A without the dense ΔW: A stacked = T·Q, the small B·T cut to the rank, its Vᵀ times Q. */
function cutStacked(runtime: Runtime, module: Module, holders: readonly Holder[], rank: number, a: number, b: number): void {
  const { kernels, scratch } = runtime;
  const { inputs, outputs, groups } = factorShape(module);
  const rows = outputs / groups;
  const ranks = rank / groups;
  const stacked = holders.reduce((sum, { low }) => sum + low.rank, 0);
  const k = stacked / groups;
  const q = scratch.alloc(stacked * inputs * 4);
  const left = scratch.alloc(outputs * k * 4);
  concatenate(runtime, module, holders, stacked, q, left);
  const t = scratch.alloc(k * k * 4);
  const product = scratch.alloc(rows * k * 4);
  const small = scratch.alloc(ranks * k * 4);
  const room = scratch.alloc(Math.max(2 * inputs, svdRoom(rows, k)) * 4);
  for (let g = 0; g < groups; g++) {
    const own = q + g * k * inputs * 4;
    kernels.orthonormalize(own, t, own, k, inputs, room);
    kernels.fill(product, 0, rows * k);
    kernels.addLowRank(product, rows, k, left + g * rows * k * 4, k, 1, t, k, 1, k, 1);
    finite(kernels.svd(b + g * rows * ranks * 4, small, product, rows, k, ranks, room), module);
    kernels.fill(a + g * ranks * inputs * 4, 0, ranks * inputs);
    kernels.addLowRank(a + g * ranks * inputs * 4, ranks, inputs, small, k, 1, own, inputs, 1, k, 1);
  }
}

/** The dense ΔW of each adapter, merged, then cut to the rank group by group. */
function cutDense(runtime: Runtime, recipe: Recipe, coin: Coin, module: Module, holders: readonly Holder[], rank: number, a: number, b: number): void {
  const { kernels, scratch } = runtime;
  const { inputs, outputs, groups, transposed } = factorShape(module);
  const delta = scratch.alloc(outputs * inputs * 4);
  mergeTensors(runtime, recipe, coin, delta, outputs * inputs, holders.map(({ adapter, weight, low }) => ({
    adapter, weight, read: (to) => writeDelta(runtime, module, low, to, low.scaling),
  })), { module: module.path, part: 'delta' });
  const rows = outputs / groups;
  const room = scratch.alloc(svdRoom(rows, inputs) * 4);
  if (transposed) {
    // ΔWᵀ = X·Y: A = Xᵀ, B = Yᵀ
    const x = scratch.alloc(inputs * rank * 4);
    const y = scratch.alloc(rank * outputs * 4);
    finite(kernels.svd(x, y, delta, inputs, outputs, rank, room), module);
    kernels.transpose(a, x, inputs, rank);
    kernels.transpose(b, y, rank, outputs);
    return;
  }
  const ranks = rank / groups;
  for (let g = 0; g < groups; g++) finite(kernels.svd(b + g * rows * ranks * 4, a + g * ranks * inputs * 4, delta + g * rows * inputs * 4, rows, inputs, ranks, room), module);
}

/** Floats that the svd kernel works in, for a matrix [m, n]. */
const svdRoom = (m: number, n: number): number => 4 * Math.min(m, n) ** 2 + 16 * Math.max(m, n);
