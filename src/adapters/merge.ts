import type { Runtime } from '../arena/runtime.js';
import { LorikeetError } from '../errors.js';
import type { Delta, Module } from '../ops/module.js';
import { packedBytes, type Matrix, type Vector } from '../tensor/matrix.js';
import type { ResolvedBlend } from './adapter.js';
import { effectiveScale } from './blend.js';
import { addDelta, replaceRows, replaceWeight } from './weights.js';

/** A merge that can be undone: the base's bytes as they were. */
export interface Merged {
  readonly names: ReadonlySet<string>;
  restore(): void;
}

/** A stretch of linear memory and the copy of what stood there. */
interface Kept {
  readonly at: number;
  readonly copy: number;
  readonly bytes: number;
}

/**
 * Writes a blend into the base: W += Σ s·B A, with DoRA W = g ⊙ (W + s·B A), rounded to the base's dtype once; replaced weights and rows are rounded likewise, biases copied in.
 * What is written over is kept beside, in the adapter arena, so that {@link Merged.restore} gives the base's bits back.
 *
 * @throws LorikeetError `adapter/merge` where the result would not be what the forward pass gives, `memory/exhausted`; nothing is changed then
 */
export function mergeAdapters(runtime: Runtime, modules: readonly Module[], blend: ResolvedBlend): Merged {
  const { kernels, views, adapters: arena } = runtime;
  const work = modules.flatMap((module) => {
    const parts = blend.adapters.flatMap((adapter, i) => {
      const delta = adapter.deltas[module.slot];
      return delta && effectiveScale(adapter, blend.weights[i]!) !== 0 ? [{ delta, scale: effectiveScale(adapter, blend.weights[i]!), name: adapter.name }] : [];
    });
    return parts.length > 0 ? [{ module, parts }] : [];
  });
  for (const adapter of blend.adapters) {
    if (adapter.invocation) throw new LorikeetError('adapter/merge', `"${adapter.name}" is an aLoRA: it applies from its invocation on, so it can't be merged.`, { found: 'alora_invocation_tokens' });
  }
  for (const { module, parts } of work) checkMergeable(runtime, work, module, parts);

  const kept: Kept[] = [];
  const restore = (): void => {
    for (const { at, copy, bytes } of kept.splice(0)) {
      views.u8.copyWithin(at, copy, copy + bytes);
      arena.free(copy);
    }
  };
  const keep = (at: number, bytes: number): void => {
    const copy = arena.alloc(bytes);
    views.u8.copyWithin(copy, at, at + bytes);
    kept.push({ at, copy, bytes });
  };
  try {
    // First every allocation, then every change: a failure leaves the base untouched.
    for (const { module, parts } of work) {
      if (parts.some(({ delta }) => delta.lowRank ?? delta.weight ?? delta.rows)) keep(module.weight.ptr, weightBytes(module));
      if (parts.some(({ delta }) => delta.vector)) keep(module.weight.ptr, module.weight.n * 4);
      if ('bias' in module && module.bias && parts.some(({ delta }) => delta.bias ?? delta.lowRank?.bias)) keep(module.bias.ptr, module.bias.n * 4);
    }
    for (const { module, parts } of work) {
      for (const { delta } of parts) {
        if (delta.weight) replaceWeight(runtime, module, delta.weight);
        if (delta.vector) views.u8.copyWithin(module.weight.ptr, delta.vector.ptr, delta.vector.ptr + delta.vector.n * 4);
        if (delta.bias && 'bias' in module && module.bias) views.u8.copyWithin(module.bias.ptr, delta.bias.ptr, delta.bias.ptr + delta.bias.n * 4);
      }
      for (const { delta } of parts) if (delta.rows) replaceRows(runtime, module, delta.rows);
      for (const { delta, scale } of parts) {
        if (delta.lowRank?.bias && 'bias' in module && module.bias) kernels.accumulate(module.bias.ptr, delta.lowRank.bias.ptr, delta.lowRank.scaling * scale, module.bias.n);
      }
      if (parts.some(({ delta }) => delta.lowRank)) addDelta(runtime, module, parts);
    }
  } catch (error) {
    restore();
    throw error;
  }
  return { names: new Set(blend.adapters.map((a) => a.name)), restore };
}

const weightBytes = (module: Module): number => {
  const { n, k, dtype } = module.weight as Matrix;
  return packedBytes(n, k, dtype) * (module.kind === 'conv1d' ? module.groups : 1);
};

type Part = { readonly delta: Delta; readonly name: string };
type Work = readonly { readonly module: Module; readonly parts: readonly Part[] }[];

/** Whether the other user of a tied weight gets the very same replacement. */
function bothReplaced(runtime: Runtime, work: Work, module: Module, of: (delta: Delta) => readonly (Matrix | Vector)[]): boolean {
  const mine = work.find((one) => one.module === module)!.parts.flatMap(({ delta }) => of(delta));
  const other = work.find((one) => one.module !== module && one.module.weight.ptr === module.weight.ptr)?.parts.flatMap(({ delta }) => of(delta)) ?? [];
  const bytes = (part: Matrix | Vector): number => ('k' in part ? packedBytes(part.n, part.k, part.dtype) : part.n * 4);
  return mine.length === other.length && mine.every((part, i) => bytes(part) === bytes(other[i]!) && runtime.kernels.equalBytes(part.ptr, other[i]!.ptr, bytes(part)) === 1);
}

/** Refuses what a merged weight can't express. */
function checkMergeable(runtime: Runtime, work: Work, module: Module, parts: readonly Part[]): void {
  const refuse = (name: string, why: string): never => {
    throw new LorikeetError('adapter/merge', `"${name}" can't be merged into "${module.path}": ${why}; use it beside the base instead.`, { found: module.path });
  };
  for (const { delta, name } of parts) {
    if ('tied' in module && module.tied) {
      if (delta.rows && !bothReplaced(runtime, work, module, ({ rows }) => (rows ? [rows.indices, rows.packed] : []))) refuse(name, 'it replaces single rows, which the other user of the tied weight would see');
      if (delta.lowRank || (delta.weight && !bothReplaced(runtime, work, module, ({ weight }) => (weight ? [weight] : [])))) refuse(name, 'the embedding and the output head share this weight');
    }
    if (module.kind === 'conv1d' && delta.lowRank && (module.dilation !== 1 || module.paddingMode !== 'zeros' || module.groups !== 1)) refuse(name, 'PEFT runs its A without dilation, padding mode and groups, so no single weight gives the same');
    if (delta.lowRank?.bias && 'bias' in module && !module.bias) refuse(name, 'it has a bias and the base has none');
    if (delta.bias && 'bias' in module && !module.bias) refuse(name, 'it has a bias and the base has none');
    if (delta.dora && parts.length > 1 && parts.filter((p) => p.delta.lowRank).length > 1) refuse(name, 'a DoRA adapter can only be merged alone');
  }
}
