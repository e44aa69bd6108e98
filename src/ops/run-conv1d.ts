import type { Kernels } from '../wasm/kernels.js';
import type { Frame, Segment, Workspace } from './frame.js';
import { PADDING_MODES, type LowRank } from './module.js';
import type { Op } from './ops.js';
import { baseFactor, biasOf, deltaOf, hasDora, weightOf } from './stretch-deltas.js';

type Conv1dOp = Extract<Op, { op: 'conv1d' }>;

/**
 * Convolves each sequence by itself (a segment holds a whole one). The rows of y's domain say how long each output is.
 * Workspace: unrolled rows [outLength, kernel·in + rank]; with DoRA base | u | c | g before them.
 */
export function runConv1d(kernels: Kernels, op: Conv1dOp, frame: Frame, workspace: Workspace): void {
  const { x, y, module } = op;
  const inputs = frame[x.domain as 'tokens'];
  const outputs = frame[y.domain as 'tokens'];
  for (let i = 0; i < inputs.count; i++) {
    const segment = inputs.segments[i]!;
    const out = outputs.segments[i]!;
    const yp = y.ptr + out.from * y.ld * 4;
    const xp = x.ptr + segment.from * x.ld * 4;
    const bias = biasOf(segment, module.slot, module.bias);
    if (hasDora(segment, module.slot)) doraConv1d(kernels, op, segment, yp, xp, bias, out.rows, workspace);
    else {
      base(kernels, op, segment, yp, y.ld, xp, bias, out.rows, workspace.ptr);
      for (let e = 0; e < segment.entryCount; e++) {
        const entry = segment.entries[e]!;
        const low = deltaOf(entry, module.slot)?.lowRank;
        if (low) lora(kernels, op, low, low.scaling * entry.scale, yp, y.ld, xp, segment.rows, out.rows, workspace.ptr);
      }
    }
  }
}

/** The base's convolution, or that of the weight an adapter replaces it by. */
function base(kernels: Kernels, { x, module }: Conv1dOp, segment: Segment, y: number, ldy: number, xp: number, bias: number, outLength: number, scratch: number): void {
  const { ptr, dtype } = weightOf(segment, module.slot, module.weight);
  kernels.conv1d(y, ldy, xp, x.ld, ptr, bias, scratch, segment.rows, module.inChannels, module.outChannels, outLength, module.kernel, module.stride, module.padding,
    module.dilation, module.groups, PADDING_MODES.indexOf(module.paddingMode), dtype);
}

function lora(kernels: Kernels, { x, module }: Conv1dOp, low: LowRank, scale: number, y: number, ldy: number, xp: number, length: number, outLength: number, scratch: number): void {
  kernels.loraConv1d(y, ldy, xp, x.ld, low.a.ptr, low.b.ptr, low.bias ? low.bias.ptr : 0, scratch, length, module.inChannels, module.outChannels, outLength,
    module.kernel, module.stride, module.adapterPadding, module.groups, low.rank, scale, low.a.dtype);
}

/** As for Linear: y = b + c ⊙ conv(x; W) + Σ g_i ⊙ s_i·B_i(A_i x). */
function doraConv1d(kernels: Kernels, op: Conv1dOp, segment: Segment, y: number, xp: number, bias: number, outLength: number, workspace: Workspace): void {
  const { module } = op;
  const n = module.outChannels;
  const product = workspace.ptr;
  const u = product + outLength * n * 4;
  const c = u + outLength * n * 4;
  const g = c + n * 4;
  const scratch = g + n * 4;
  base(kernels, op, segment, product, n, xp, 0, outLength, scratch);
  baseFactor(kernels, segment, module.slot, n, c, g);
  kernels.doraBase(y, op.y.ld, product, n, c, bias, outLength, n);
  for (let e = 0; e < segment.entryCount; e++) {
    const entry = segment.entries[e]!;
    const delta = deltaOf(entry, module.slot);
    const low = delta?.lowRank;
    if (delta === undefined || low === undefined) continue;
    const scale = low.scaling * entry.scale;
    if (!delta.dora) {
      lora(kernels, op, low, scale, y, op.y.ld, xp, segment.rows, outLength, scratch);
      continue;
    }
    kernels.doraFactor(g, delta.dora.magnitude.ptr, delta.dora.norms.ptr, n, scale);
    kernels.fill(u, 0, outLength * n);
    lora(kernels, op, low, scale, u, n, xp, segment.rows, outLength, scratch);
    kernels.addScaledColumns(y, op.y.ld, u, n, g, outLength, n);
  }
}
