import type { Kernels } from '../wasm/kernels.js';
import type { Frame, Stretch } from './frame.js';
import type { Norm } from './module.js';
import type { Op } from './ops.js';
import { biasOf, deltaOf } from './stretch-deltas.js';

type NormOp = Extract<Op, { op: 'norm' }>;

/** Each row (or each head of a row) normalised; a stretch whose blend replaces the weights (modules_to_save) uses those. Neighbours with the same weights are done at once. */
export function runNorm(kernels: Kernels, op: NormOp, frame: Frame): void {
  const { y, module } = op;
  const { stretches, stretchCount: count } = frame[y.domain as 'tokens'];
  let i = 0;
  while (i < count) {
    const { from } = stretches[i]!;
    const weight = weightOf(stretches[i]!, module);
    const bias = biasOf(stretches[i]!, module.slot, module.bias);
    let rows = 0;
    do rows += stretches[i++]!.rows; while (i < count && weightOf(stretches[i]!, module) === weight && biasOf(stretches[i]!, module.slot, module.bias) === bias);
    normalise(kernels, op, weight, bias, from, rows);
  }
}

/** A function of its own: in a large one V8 doesn't inline the kernel's call and boxes `eps` for it. */
function normalise(kernels: Kernels, { x, y, module, heads }: NormOp, weight: number, bias: number, from: number, rows: number): void {
  const { n } = module.weight;
  const yp = y.ptr + from * y.ld * 4;
  const xp = x.ptr + from * x.ld * 4;
  if (module.form === 'rms') kernels.rmsNorm(yp, xp, weight, rows * heads, n, module.eps, module.offset);
  else kernels.layerNorm(yp, xp, weight, bias, rows * heads, n, module.eps);
}

/** The address of the weights that a stretch sees: of several adapters that replace them the last one's. */
function weightOf(stretch: Stretch, { slot, weight }: Norm): number {
  let { ptr } = weight;
  for (let e = 0; e < stretch.entryCount; e++) ptr = deltaOf(stretch.entries[e]!, slot)?.vector?.ptr ?? ptr;
  return ptr;
}
