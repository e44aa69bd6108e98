import { isQuantized, type Matrix } from '../tensor/matrix.js';
import type { Kernels } from '../wasm/kernels.js';
import type { Domain, Entry, Frame, Stretch, Workspace } from './frame.js';
import type { Linear, LowRank } from './module.js';
import type { Op, Value } from './ops.js';
import { baseFactor, biasOf, deltaOf, firstRow, hasDora, weightOf } from './stretch-deltas.js';

type LinearOp = Extract<Op, { op: 'linear' }>;

/**
 * y = W x + b + Σ s·B(A x), each stretch with its own blend: the base product runs over as many rows at once as share a weight and a bias,
 * then each stretch adds its low-rank parts.
 */
export function runLinear(kernels: Kernels, op: LinearOp, frame: Frame, workspace: Workspace): void {
  const { y, module } = op;
  const { slot } = module;
  const domain: Domain = frame[y.domain as 'tokens'];
  const { stretches, stretchCount: count } = domain;

  let i = 0;
  while (i < count) {
    const first = stretches[i]!;
    const weight = weightOf(first, slot, module.weight);
    const bias = biasOf(first, slot, module.bias);
    if (hasDora(first, slot)) {
      doraLinear(kernels, op, first, weight, bias, workspace);
      i++;
      continue;
    }
    let rows = first.rows;
    let next = i + 1;
    while (next < count && weightOf(stretches[next]!, slot, module.weight) === weight && biasOf(stretches[next]!, slot, module.bias) === bias && !hasDora(stretches[next]!, slot)) rows += stretches[next++]!.rows;
    product(kernels, op, weight, first.from, rows, y.ptr + first.from * y.ld * 4, y.ld, bias);
    for (; i < next; i++) addDeltas(kernels, op, stretches[i]!, workspace);
  }
}

/** y = x·Wᵀ + bias for `rows` rows from row `from` of x on; a quantised weight reads x quantised. */
function product(kernels: Kernels, { x, q, module }: LinearOp, { ptr, dtype }: Matrix, from: number, rows: number, y: number, ldy: number, bias: number): void {
  const { n, k } = module.weight;
  if (isQuantized(dtype)) kernels.matmulQuantized(y, ldy, q!.ptr + from * q!.ld * 4, ptr, bias, 0, rows, n, k, dtype, 0, n);
  else kernels.matmul(y, ldy, x.ptr + from * x.ld * 4, x.ld, ptr, bias, 0, rows, n, k, dtype, 0, n);
}

/** The low-rank parts and replaced rows of every adapter of one stretch, onto y. */
function addDeltas(kernels: Kernels, { x, y, module }: LinearOp, stretch: Stretch, workspace: Workspace): void {
  replaceColumns(kernels, x, module, stretch, y.ptr + stretch.from * y.ld * 4, y.ld, workspace.ptr);
  for (let e = 0; e < stretch.entryCount; e++) {
    const entry = stretch.entries[e]!;
    const low = deltaOf(entry, module.slot)?.lowRank;
    if (low) addLowRank(kernels, x, module, stretch, entry, low, y.ptr + stretch.from * y.ld * 4, y.ld, workspace.ptr);
  }
}

/** y += s·(B(A x) + b_B), from the first row on to which the entry applies; y is the stretch's first row. */
function addLowRank(kernels: Kernels, x: Value, module: Linear, stretch: Stretch, entry: Entry, low: LowRank, y: number, ldy: number, scratch: number): void {
  const from = firstRow(stretch, entry);
  if (from >= stretch.rows) return;
  const { n, k } = module.weight;
  kernels.loraMatmul(y + from * ldy * 4, ldy, x.ptr + (stretch.from + from) * x.ld * 4, x.ld, low.a.ptr, low.b.ptr, low.bias ? low.bias.ptr : 0, scratch, stretch.rows - from, n, k,
    low.rank, low.scaling * entry.scale, low.a.dtype, 0, n);
}

/** The columns of the base's product whose rows of a tied weight are replaced (trainable tokens): before anything is added, so that the order in a blend doesn't matter. */
function replaceColumns(kernels: Kernels, x: Value, module: Linear, stretch: Stretch, y: number, ldy: number, scratch: number): void {
  for (let e = 0; e < stretch.entryCount; e++) {
    const replaced = deltaOf(stretch.entries[e]!, module.slot)?.rows;
    if (replaced === undefined) continue;
    const { packed, indices, count } = replaced;
    kernels.matmul(scratch, count, x.ptr + stretch.from * x.ld * 4, x.ld, packed.ptr, 0, 0, stretch.rows, count, module.weight.k, packed.dtype, 0, count);
    kernels.scatterColumns(y, ldy, scratch, count, indices.ptr, stretch.rows, count);
  }
}

/**
 * The form with DoRA adapters in the blend: y = b + c ⊙ (W x) + Σ g_i ⊙ s_i·B_i(A_i x) with c = 1 + Σ (g_i − 1) and g = 1 for plain LoRA.
 * Each scales the base layer's own output, so their order doesn't matter. Workspace: base [rows, n] | u [rows, n] | c [n] | g [n] | ranks.
 */
function doraLinear(kernels: Kernels, op: LinearOp, stretch: Stretch, weight: Matrix, bias: number, workspace: Workspace): void {
  const { x, y, module } = op;
  const { n } = module.weight;
  const { rows, from } = stretch;
  const base = workspace.ptr;
  const u = base + rows * n * 4;
  const c = u + rows * n * 4;
  const g = c + n * 4;
  const ranks = g + n * 4;
  const yp = y.ptr + from * y.ld * 4;
  product(kernels, op, weight, from, rows, base, n, 0);
  replaceColumns(kernels, x, module, stretch, base, n, ranks);
  baseFactor(kernels, stretch, module.slot, n, c, g);
  kernels.doraBase(yp, y.ld, base, n, c, bias, rows, n);
  for (let e = 0; e < stretch.entryCount; e++) {
    const entry = stretch.entries[e]!;
    const delta = deltaOf(entry, module.slot);
    const low = delta?.lowRank;
    if (delta === undefined || low === undefined) continue;
    if (!delta.dora) {
      addLowRank(kernels, x, module, stretch, entry, low, yp, y.ld, ranks);
      continue;
    }
    kernels.doraFactor(g, delta.dora.magnitude.ptr, delta.dora.norms.ptr, n, low.scaling * entry.scale);
    kernels.fill(u, 0, rows * n);
    addLowRank(kernels, x, module, stretch, entry, low, u, n, ranks);
    kernels.addScaledColumns(yp, y.ld, u, n, g, rows, n);
  }
}
