import type { Linear, Norm } from '../../src/ops/module.js';
import type { Ops, Value } from '../../src/ops/ops.js';
import { record, type Recording } from '../../src/ops/record.js';

/** Modules without weights, for lists that are looked at and not run. dtype 3 is Q8_0. */
export const linear = (path: string, n: number, k: number, given: { dtype?: 0 | 3; ptr?: number; bias?: number } = {}): Linear =>
  ({ kind: 'linear', path, slot: 0, weight: { ptr: given.ptr ?? 0, dtype: given.dtype ?? 0, n, k }, bias: given.bias === undefined ? null : { ptr: given.bias, n }, transposed: false, isOutputHead: false, tied: false });
export const norm = (path: string, n: number, form: Norm['form'] = 'rms'): Norm => ({ kind: 'norm', path, slot: 0, form, weight: { ptr: 0, n }, bias: null, eps: 1e-6, offset: 0 });

export const recorded = (forward: (ops: Ops) => Value): Recording => record(forward, () => 64);

/** A list in words, `y = op path x`: values by letters in the order in which they are written, with the domain's, and a slice's columns. */
export function written({ ops, inputs, result }: Recording): string[] {
  const names = new Map<Value, string>();
  const nameOf = (value: Value): string => {
    if (!names.has(value.root)) names.set(value.root, String.fromCharCode(97 + names.size));
    return `${names.get(value.root)!}${value.domain === 'outputs' ? '°' : ''}${value.root === value ? '' : `[${value.column}+${value.width}]`}`;
  };
  inputs.forEach(nameOf);
  const lines = ops.map((op) => {
    const reads = op.reads.map(nameOf).join(' ');
    return `${op.writes.filter(({ domain }) => domain !== 'once').map(nameOf).join(' ')} = ${op.op}${'module' in op ? ` ${op.module.path}` : ''}${reads === '' ? '' : ` ${reads}`}`;
  });
  return [...lines, `→ ${nameOf(result)}`];
}
