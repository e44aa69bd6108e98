import type { Kernels } from '../wasm/kernels.js';
import type { Matrix, Vector } from '../tensor/matrix.js';
import type { Entry, Segment } from './frame.js';
import type { Delta } from './module.js';

/** What an entry of a blend does to the module in a slot, if anything. */
export const deltaOf = (entry: Entry, slot: number): Delta | undefined => entry.deltas[slot];

/** First row of a segment (counted in it) to which an entry applies: an aLoRA starts within a sequence, everything else at 0. */
export const firstRow = (segment: Segment, entry: Entry): number => Math.max(0, entry.start - segment.position);

/** The weight that a segment sees: one that an adapter replaces the base's by (modules_to_save), or the base's. At most one adapter of a blend replaces it. */
export function weightOf(segment: Segment, slot: number, base: Matrix): Matrix {
  for (let i = 0; i < segment.entryCount; i++) {
    const weight = deltaOf(segment.entries[i]!, slot)?.weight;
    if (weight) return weight;
  }
  return base;
}

/** The address of the bias that a segment sees; 0 if there is none. */
export function biasOf(segment: Segment, slot: number, base: Vector | null): number {
  for (let i = 0; i < segment.entryCount; i++) {
    const bias = deltaOf(segment.entries[i]!, slot)?.bias;
    if (bias) return bias.ptr;
  }
  return base ? base.ptr : 0;
}

/** True if any adapter of the segment scales this module's base product (DoRA), which is then kept apart. */
export function hasDora(segment: Segment, slot: number): boolean {
  for (let i = 0; i < segment.entryCount; i++) if (deltaOf(segment.entries[i]!, slot)?.dora) return true;
  return false;
}

/** c = 1 + Σ (g_i − 1) over the segment's DoRA adapters; g is a temporary. Of one adapter c is g to the bit. */
export function baseFactor(kernels: Kernels, segment: Segment, slot: number, n: number, c: number, g: number): void {
  let adapters = 0;
  for (let e = 0; e < segment.entryCount; e++) if (deltaOf(segment.entries[e]!, slot)?.dora) adapters++;
  kernels.fill(c, 1 - adapters, n);
  for (let e = 0; e < segment.entryCount; e++) {
    const entry = segment.entries[e]!;
    const delta = deltaOf(entry, slot);
    if (!delta?.dora || !delta.lowRank) continue;
    kernels.doraFactor(g, delta.dora.magnitude.ptr, delta.dora.norms.ptr, n, delta.lowRank.scaling * entry.scale);
    kernels.accumulate(c, g, 1, n);
  }
}
