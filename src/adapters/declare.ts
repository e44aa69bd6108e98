import type { Runtime } from '../arena/runtime.js';
import { LorikeetError } from '../errors.js';
import type { AdapterConfig } from '../formats/peft.js';
import type { TensorInfo } from '../formats/safetensors.js';
import type { Delta, Dora, LowRank, Module, ReplacedRows } from '../ops/module.js';
import type { ByteSource } from '../store/source.js';
import { BlockPlan } from '../tensor/block.js';
import { DTYPES, dtypeCode, isQuantized, type Matrix } from '../tensor/matrix.js';
import { checkSameRows, checkSameWeight } from './base-weight.js';
import { appliedTo, type AppliedModule } from './adapter.js';
import { factorShape } from './factor-shape.js';
import type { LoraTarget, Matches, ModuleMatch } from './match.js';
import type { GroupedTensors, ModuleTensors } from './tensors.js';

/** An adapter as declared: its block's plan, what it does to each module, and the work that is left once the block is placed. */
export interface Declared {
  readonly plan: BlockPlan;
  readonly deltas: readonly (Delta | undefined)[];
  readonly applied: readonly AppliedModule[];
  readonly left: readonly string[];
  readonly warnings: readonly string[];
  /** What is computed, in order, once the block is placed; a promise only where the file is read again. */
  readonly finishing: readonly Finish[];
}

export type Finish = (runtime: Runtime, signal?: AbortSignal) => void | Promise<void>;

/**
 * Declares every tensor of an adapter, module by module, into one block:
 *
 *     block = for each module in slot order [ A panels | B panels | lora_B bias | magnitude | norms (3 rows) | replaced weight, bias, rows ]
 *
 * @throws LorikeetError `adapter/missing-tensor`, `adapter/shape-mismatch`, `tensor/dtype`
 */
export function declareDeltas(modules: readonly Module[], config: AdapterConfig, matches: Matches, { byModule, left }: GroupedTensors, source: ByteSource): Declared {
  const plan = new BlockPlan();
  const deltas: (Delta | undefined)[] = modules.map(() => undefined);
  const applied: AppliedModule[] = [];
  const finishing: Finish[] = [];
  for (const [i, match] of matches.modules.entries()) {
    const module = modules[i]!;
    const tensors = byModule.get(module.path);
    const before = plan.bytes;
    const delta: { -readonly [K in keyof Delta]: Delta[K] } = {};
    if (config.alora_invocation_tokens !== null) checkInvoked(module, match, tensors);
    if (match.target) {
      delta.lowRank = lowRank(plan, module, match.target, tensors, config, source);
      const magnitude = tensors?.roles.get('magnitude');
      if (config.use_dora) delta.dora = dora(plan, module, delta.lowRank, required(magnitude, module, 'lora_magnitude_vector', 'use_dora is true'), source, finishing);
      else if (magnitude) throw new LorikeetError('adapter/unexpected-tensor', `Tensor "${magnitude.name}" is a DoRA magnitude and the configuration says use_dora: false.`, { found: magnitude.name });
    }
    const own = tensors?.roles.get('base_weight');
    if (own) finishing.push((runtime, signal) => checkSameWeight(runtime, module, own, source, signal));
    if (match.saved) savedWeight(plan, module, tensors, source, delta);
    const bias = tensors?.saved.get('bias');
    if (bias && 'bias' in module && module.bias) {
      expectShape(bias, [module.bias.n], module);
      delta.bias = plan.tensorVector(source, bias, module.bias.n);
    }
    if (match.tokens) {
      const info = required(byModule.get(match.tokens.from)?.roles.get('token_delta'), module, 'token_adapter.trainable_tokens_delta', 'trainable_token_indices names it');
      delta.rows = replacedRows(plan, module, match.tokens.indices, info, source, finishing);
      const copy = tensors?.roles.get('token_delta');
      if (copy && copy !== info) finishing.push((runtime, signal) => checkSameRows(runtime, copy, info, source, signal));
    }
    const row = appliedTo(module, delta, plan.bytes - before);
    if (row === null) continue;
    deltas[module.slot] = delta;
    applied.push(row);
  }
  if (applied.length === 0) throw new LorikeetError('adapter/applies-nowhere', 'The adapter applies to no module of this model: expected at least one; it may be made for another base.', { expected: 'at least one module', found: 0 });
  return { plan, deltas, applied, left, warnings: [], finishing };
}

function lowRank(plan: BlockPlan, module: Module, { rank, scaling }: LoraTarget, tensors: ModuleTensors | undefined, config: AdapterConfig, source: ByteSource): LowRank {
  const embedding = module.kind === 'embedding';
  const role = (name: 'lora_A' | 'lora_B') => (embedding ? (`lora_embedding_${name.at(-1) as 'A' | 'B'}` as const) : name);
  const a = required(tensors?.roles.get(role('lora_A')), module, role('lora_A'), 'the configuration targets it');
  const b = required(tensors?.roles.get(role('lora_B')), module, role('lora_B'), 'the configuration targets it');
  const { inputs, outputs } = factorShape(module);
  // The kernels take A and B of one dtype and as floats: where a file mixes them, or holds blocks, both are widened.
  const mixed = dtypeCode(a.dtype, a.name) !== dtypeCode(b.dtype, b.name);
  const wide = mixed || isQuantized(dtypeCode(a.dtype, a.name)) ? { dtype: DTYPES.F32 } : {};
  let packedA: Matrix;
  let packedB: Matrix;
  if (module.kind === 'conv1d') {
    const { inChannels, kernel, outChannels, groups } = module;
    expectShape(a, [rank, inChannels, kernel], module);
    if (rank % groups !== 0) throw new LorikeetError('adapter/shape-mismatch', `Rank ${rank} at "${module.path}" expected a multiple of its ${groups} groups.`, { expected: groups, found: rank });
    expectShape(b, [outChannels, rank / groups, 1], module);
    if (mixed) throw new LorikeetError('tensor/dtype', `"${a.name}" and "${b.name}" expected one dtype, found ${a.dtype} and ${b.dtype}.`, { expected: a.dtype, found: b.dtype });
    packedA = plan.tensorConv(source, a, rank, inChannels, kernel, 1);
    packedB = plan.tensorConv(source, b, outChannels, rank / groups, 1, groups);
  } else {
    expectShape(a, a.transposed ? [inputs, rank] : [rank, inputs], module);
    expectShape(b, [outputs, rank], module);
    packedA = embedding ? plan.tensorMatrix(source, a, inputs, rank, { layout: a.transposed ? 'rows' : 'columns', ...wide }) : plan.tensorMatrix(source, a, rank, inputs, wide);
    packedB = plan.tensorMatrix(source, b, outputs, rank, { ...wide, heads: b.interleaved && module.kind === 'linear' ? module.rotaryHeads ?? 0 : 0 });
  }
  let bias = null;
  const biasTensor = tensors?.roles.get('lora_B_bias');
  if (config.lora_bias && !embedding) {
    const info = required(biasTensor, module, 'lora_B.bias', 'lora_bias is true');
    expectShape(info, [outputs], module);
    bias = plan.tensorVector(source, info, outputs);
  } else if (biasTensor) throw new LorikeetError('adapter/unexpected-tensor', `Tensor "${biasTensor.name}" is there and the configuration says lora_bias: false.`, { found: biasTensor.name });
  return { a: packedA, b: packedB, bias, rank, scaling };
}

/** Magnitude and norms; the norms are computed when the factors are in place. */
function dora(plan: BlockPlan, module: Module, low: LowRank, info: TensorInfo, source: ByteSource, finishing: Finish[]): Dora {
  const { outputs } = factorShape(module);
  if (module.kind === 'conv1d' && module.groups !== 1) throw new LorikeetError('adapter/config-unsupported', `DoRA on the grouped convolution "${module.path}" isn't defined: expected one group, found ${module.groups}.`, { expected: 1, found: module.groups });
  expectShape(info, module.kind === 'conv1d' ? [1, outputs, 1] : [outputs], module);
  const magnitude = plan.tensorVector(source, info, outputs);
  const norms = plan.vector(3 * outputs);
  finishing.push(({ kernels, scratch }) => {
    const mark = scratch.mark();
    try {
      const room = scratch.alloc(4 * Math.max(1072, 32 * low.rank + 448)); // what either kernel asks: assembly/lora/dora_norms.ts
      const { ptr, dtype, n, k } = module.weight as Matrix;
      if (module.kind === 'embedding') kernels.doraColumnNorms(norms.ptr, ptr, dtype, low.a.ptr, low.b.ptr, low.a.dtype, n, k, low.rank, room);
      else kernels.doraNorms(norms.ptr, ptr, dtype, low.a.ptr, low.b.ptr, low.a.dtype, n, k, low.rank, room);
    } finally {
      scratch.release(mark);
    }
  });
  return { magnitude, norms };
}

/** A module that the file replaces whole (modules_to_save): its weight; a bias is taken with the trained ones. */
function savedWeight(plan: BlockPlan, module: Module, tensors: ModuleTensors | undefined, source: ByteSource, delta: { -readonly [K in keyof Delta]: Delta[K] }): void {
  const info = required(tensors?.saved.get('weight'), module, 'weight', 'modules_to_save names it');
  if ('bias' in module && module.bias) required(tensors?.saved.get('bias'), module, 'bias', 'modules_to_save names it');
  for (const [param, extra] of tensors!.saved) {
    if (param !== 'weight' && !(param === 'bias' && 'bias' in module && module.bias)) throw new LorikeetError('adapter/unexpected-tensor', `Tensor "${extra.name}" isn't applied: "${module.path}" has no parameter "${param}".`, { found: extra.name });
  }
  switch (module.kind) {
    case 'norm':
      if (module.added) throw new LorikeetError('adapter/module-unsupported', `The adapter replaces "${module.path}", whose weights have ${module.added} added in this model's GGUF: expected adapters that leave Gemma's norms alone, or the model's safetensors.`, { expected: 'no replaced norms', found: module.path });
      expectShape(info, [module.weight.n], module);
      delta.vector = plan.tensorVector(source, info, module.weight.n);
      return;
    case 'conv1d': {
      const { outChannels, inChannels, groups, kernel } = module;
      expectShape(info, [outChannels, inChannels / groups, kernel], module);
      delta.weight = plan.tensorConv(source, info, outChannels, inChannels / groups, kernel, groups);
      return;
    }
    default: {
      const { n, k } = module.weight;
      const columns = module.kind === 'linear' && module.transposed;
      expectShape(info, columns ? [k, n] : [n, k], module);
      delta.weight = plan.tensorMatrix(source, info, n, k, { layout: columns ? 'columns' : 'rows' });
    }
  }
}

/** Rows of trainable tokens: in f32, sorted by index for the gather, and packed for a tied head. An embedding's scale is put in once. */
function replacedRows(plan: BlockPlan, module: Module, indices: readonly number[], info: TensorInfo, source: ByteSource, finishing: Finish[]): ReplacedRows {
  const { n: vocab, k: dim } = module.weight as Matrix;
  const count = indices.length;
  expectShape(info, [count, dim], module);
  const bad = indices.find((id) => id >= vocab);
  if (bad !== undefined) throw new LorikeetError('adapter/shape-mismatch', `trainable_token_indices names token ${bad}: "${module.path}" expected ids below ${vocab}.`, { expected: vocab, found: bad });
  const rows: ReplacedRows = { count, indices: plan.vector(count), values: plan.tensorVector(source, info, count * dim), packed: plan.matrix(count, dim, DTYPES.F32) };
  const order = indices.map((_, row) => row).sort((x, y) => indices[x]! - indices[y]!);
  finishing.push(({ kernels, scratch, views }) => {
    const mark = scratch.mark();
    try {
      const permutation = scratch.alloc(count * 4);
      const sorted = scratch.alloc(count * dim * 4);
      order.forEach((row, at) => {
        views.i32[permutation / 4 + at] = row;
        views.i32[rows.indices.ptr / 4 + at] = indices[row]!;
      });
      kernels.copyRows(sorted, dim, rows.values.ptr, dim, permutation, count, dim);
      kernels.pack(rows.packed.ptr, sorted, count, dim, DTYPES.F32);
      kernels.scale(rows.values.ptr, sorted, module.kind === 'embedding' ? module.scale : 1, count * dim);
    } finally {
      scratch.release(mark);
    }
  });
  return rows;
}

/** An aLoRA begins within a sequence: its low-rank part of a linear layer can, what it replaces and (as in PEFT) every other layer can't. */
function checkInvoked(module: Module, { target, saved, tokens: rows }: ModuleMatch, tensors: ModuleTensors | undefined): void {
  const what = target && module.kind !== 'linear' ? `adapts the ${module.kind}` : saved ? 'replaces' : rows ? 'replaces rows of' : tensors?.saved.has('bias') ? 'replaces the bias of' : null;
  if (what === null) return;
  throw new LorikeetError('adapter/config-unsupported', `The adapter is an aLoRA and ${what} "${module.path}": expected low-rank parts of linear layers only, since it applies from its invocation on.`, { expected: 'linear layers', found: module.path });
}

function required<T extends TensorInfo>(info: T | undefined, module: Module, what: string, why: string): T {
  if (!info) throw new LorikeetError('adapter/missing-tensor', `The adapter lacks "${module.path}.${what}": expected it since ${why}.`, { expected: `${module.path}.${what}` });
  return info;
}

function expectShape(info: TensorInfo, shape: readonly number[], module: Module): void {
  if (info.shape.length === shape.length && info.shape.every((d, i) => d === shape[i])) return;
  throw new LorikeetError('adapter/shape-mismatch', `Tensor "${info.name}" doesn't fit "${module.path}": expected ${JSON.stringify(shape)}, found ${JSON.stringify(info.shape)}; the adapter may be made for another base, or its rank differs from the configuration's.`, { expected: shape, found: info.shape });
}
