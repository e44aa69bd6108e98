import type { Kernels } from '../wasm/kernels.js';
import type { Frame, Stretch, Workspace } from './frame.js';
import type { Embedding } from './module.js';
import type { Op } from './ops.js';
import { baseFactor, deltaOf, firstRow, hasDora, weightOf } from './stretch-deltas.js';

type EmbedOp = Extract<Op, { op: 'embed' }>;

/** y = E[id]·scale + Σ s·B Aᵀ[id]·scale, rows of trainable tokens replaced first, as PEFT does it. */
export function runEmbed(kernels: Kernels, op: EmbedOp, frame: Frame, workspace: Workspace): void {
  const { y, module } = op;
  const { k: dim } = module.weight;
  const ids = op.ids === 'ids' ? frame.ids : frame.positions;
  const { stretches, stretchCount: count } = frame.tokens;
  for (let i = 0; i < count; i++) {
    const stretch = stretches[i]!;
    const { from, rows } = stretch;
    const yp = y.ptr + from * y.ld * 4;
    const at = ids + from * 4;
    const dora = hasDora(stretch, module.slot);
    const base = dora ? workspace.ptr : yp;
    const ldb = dora ? dim : y.ld;
    lookUp(kernels, module, stretch, base, ldb, at);
    if (dora) doraEmbed(kernels, op, stretch, base, at);
    else {
      for (let e = 0; e < stretch.entryCount; e++) {
        const entry = stretch.entries[e]!;
        const low = deltaOf(entry, module.slot)?.lowRank;
        const first = firstRow(stretch, entry);
        if (low && first < rows) {
          kernels.loraGather(yp + first * y.ld * 4, y.ld, at + first * 4, low.a.ptr, low.b.ptr, workspace.ptr, rows - first, dim, low.rank, low.scaling * entry.scale * module.scale, low.a.dtype);
        }
      }
    }
  }
}

/** The base's rows, or those of the weight that an adapter of the stretch replaces it by; then replaced rows. */
function lookUp(kernels: Kernels, module: Embedding, stretch: Stretch, y: number, ld: number, ids: number): void {
  const { ptr, dtype } = weightOf(stretch, module.slot, module.weight);
  kernels.gather(y, ld, ids, ptr, stretch.rows, module.weight.k, dtype, module.scale);
  for (let e = 0; e < stretch.entryCount; e++) {
    const entry = stretch.entries[e]!;
    const rows = deltaOf(entry, module.slot)?.rows;
    const first = firstRow(stretch, entry);
    if (rows && first < stretch.rows) kernels.replaceRows(y + first * ld * 4, ld, ids + first * 4, stretch.rows - first, module.weight.k, rows.indices.ptr, rows.values.ptr, rows.count);
  }
}

/** y = c ⊙ E[id] + Σ g_i ⊙ s_i·B_i A_iᵀ[id], the norms running over the vocabulary, one for each column. Workspace as in run-linear. */
function doraEmbed(kernels: Kernels, { y, module }: EmbedOp, stretch: Stretch, base: number, ids: number): void {
  const { k: dim } = module.weight;
  const { rows, from } = stretch;
  const u = base + rows * dim * 4;
  const c = u + rows * dim * 4;
  const g = c + dim * 4;
  const ranks = g + dim * 4;
  const yp = y.ptr + from * y.ld * 4;
  baseFactor(kernels, stretch, module.slot, dim, c, g);
  kernels.doraBase(yp, y.ld, base, dim, c, 0, rows, dim);
  for (let e = 0; e < stretch.entryCount; e++) {
    const entry = stretch.entries[e]!;
    const delta = deltaOf(entry, module.slot);
    const low = delta?.lowRank;
    if (delta === undefined || low === undefined) continue;
    const scale = low.scaling * entry.scale;
    if (!delta.dora) {
      kernels.loraGather(yp, y.ld, ids, low.a.ptr, low.b.ptr, ranks, rows, dim, low.rank, scale * module.scale, low.a.dtype);
      continue;
    }
    kernels.doraFactor(g, delta.dora.magnitude.ptr, delta.dora.norms.ptr, dim, scale);
    kernels.fill(u, 0, rows * dim);
    kernels.loraGather(u, dim, ids, low.a.ptr, low.b.ptr, ranks, rows, dim, low.rank, scale * module.scale, low.a.dtype);
    kernels.addScaledColumns(yp, y.ld, u, dim, g, rows, dim);
  }
}
