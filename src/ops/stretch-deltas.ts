import type { Kernels } from '../wasm/kernels.js';
import type { Matrix, Vector } from '../tensor/matrix.js';
import type { Entry, Stretch } from './frame.js';
import type { Delta } from './module.js';

/** What an entry of a blend does to the module in a slot, if anything. */
export const deltaOf = (entry: Entry, slot: number): Delta | undefined => entry.deltas[slot];

/** First row of a stretch (counted in it) to which an entry applies: an aLoRA starts within a sequence, everything else at 0. */
export const firstRow = (stretch: Stretch, entry: Entry): number => Math.max(0, entry.start - stretch.position);

/** The weight that a stretch sees: one that an adapter replaces the base's by (modules_to_save), or the base's. At most one adapter of a blend replaces it. */
export function weightOf(stretch: Stretch, slot: number, base: Matrix): Matrix {
  for (let i = 0; i < stretch.entryCount; i++) {
    const weight = deltaOf(stretch.entries[i]!, slot)?.weight;
    if (weight) return weight;
  }
  return base;
}

/** The address of the bias that a stretch sees; 0 if there is none. */
export function biasOf(stretch: Stretch, slot: number, base: Vector | null): number {
  for (let i = 0; i < stretch.entryCount; i++) {
    const bias = deltaOf(stretch.entries[i]!, slot)?.bias;
    if (bias) return bias.ptr;
  }
  return base ? base.ptr : 0;
}

/** True if any adapter of the stretch scales this module's base product (DoRA), which is then kept apart. */
export function hasDora(stretch: Stretch, slot: number): boolean {
  for (let i = 0; i < stretch.entryCount; i++) if (deltaOf(stretch.entries[i]!, slot)?.dora) return true;
  return false;
}

/** c = 1 + Σ (g_i − 1) over the stretch's DoRA adapters; g is a temporary. Of one adapter c is g to the bit. */
export function baseFactor(kernels: Kernels, stretch: Stretch, slot: number, n: number, c: number, g: number): void {
  let adapters = 0;
  for (let e = 0; e < stretch.entryCount; e++) if (deltaOf(stretch.entries[e]!, slot)?.dora) adapters++;
  kernels.fill(c, 1 - adapters, n);
  for (let e = 0; e < stretch.entryCount; e++) {
    const entry = stretch.entries[e]!;
    const delta = deltaOf(entry, slot);
    if (!delta?.dora || !delta.lowRank) continue;
    kernels.doraFactor(g, delta.dora.magnitude.ptr, delta.dora.norms.ptr, n, delta.lowRank.scaling * entry.scale);
    kernels.accumulate(c, g, 1, n);
  }
}
