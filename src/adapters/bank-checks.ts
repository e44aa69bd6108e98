import { LorikeetError } from '../errors.js';
import type { Module } from '../ops/module.js';
import type { Adapter } from './adapter.js';

/** DoRA's norms are taken from the base: over a merged one they would be another's. */
export const measuredOnMerged = (name: string, cause?: unknown): LorikeetError =>
  new LorikeetError('adapter/merged', `Adapter "${name}" is measured against the base, and another adapter is, or was meanwhile, merged into that: expected unmerge() first.`, { found: name, cause });

/** Told to a load that a later one of its name, or an unload, called off. */
export const superseded = (name: string): LorikeetError => new LorikeetError('adapter/superseded', `This load of "${name}" was called off: another load or an unload of that name came after it.`, { found: name });

/** @throws LorikeetError `adapter/name` */
export function checkName(name: string): void {
  if (typeof name !== 'string' || name.length === 0 || name.length > 200) throw new LorikeetError('adapter/name', `An adapter's name expected 1 to 200 characters, got ${JSON.stringify(name)}.`, { expected: '1 to 200 characters', found: name });
}

/** @throws LorikeetError `adapter/scale` */
export function checkScale(name: string, scale: number): void {
  if (typeof scale !== 'number' || !Number.isFinite(scale)) throw new LorikeetError('adapter/scale', `The scale of "${name}" expected a finite number, got ${String(scale)}.`, { expected: 'a finite number', found: scale });
}

/** Replacements don't blend: two adapters that replace the same parameter can't be active together. @throws LorikeetError `adapter/conflict` */
export function checkConflicts(modules: readonly Module[], adapters: readonly Adapter[]): void {
  for (const { path, slot } of modules) {
    for (const part of ['weight', 'bias'] as const) {
      // A norm's weight is a vector; rows are part of a weight.
      const owners = adapters.filter(({ deltas }) => (part === 'bias' ? deltas[slot]?.bias : deltas[slot]?.weight ?? deltas[slot]?.vector ?? deltas[slot]?.rows));
      if (owners.length > 1) {
        throw new LorikeetError('adapter/conflict', `Adapters ${owners.map((a) => `"${a.name}"`).join(' and ')} both replace the ${part} of "${path}", or rows of it: expected at most one of them in a blend.`, { expected: 1, found: owners.map((a) => a.name) });
      }
    }
  }
}
