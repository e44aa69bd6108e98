import type { Kernels } from '../wasm/kernels.js';
import type { Frame } from './frame.js';
import type { Op } from './ops.js';
import { biasOf, deltaOf } from './segment-deltas.js';

type NormOp = Extract<Op, { op: 'norm' }>;

/** Each row (or each head of a row) normalised; a segment whose blend replaces the weights (modules_to_save) uses those. */
export function runNorm(kernels: Kernels, { x, y, module, heads }: NormOp, frame: Frame): void {
  const { n } = module.weight;
  const { segments, count } = frame[y.domain as 'tokens'];
  for (let i = 0; i < count; i++) {
    const segment = segments[i]!;
    let weight = module.weight.ptr;
    for (let e = 0; e < segment.entryCount; e++) weight = deltaOf(segment.entries[e]!, module.slot)?.vector?.ptr ?? weight;
    const yp = y.ptr + segment.from * y.ld * 4;
    const xp = x.ptr + segment.from * x.ld * 4;
    const rows = segment.rows * heads;
    if (module.form === 'rms') kernels.rmsNorm(yp, xp, weight, rows, n, module.eps, module.offset);
    else kernels.layerNorm(yp, xp, weight, biasOf(segment, module.slot, module.bias), rows, n, module.eps);
  }
}
