import type { Runtime } from '../arena/runtime.js';
import type { Delta, LowRank, Module } from '../ops/module.js';
import type { Matrix } from '../tensor/matrix.js';

/** Row-major f32 factors of one low-rank delta in scratch: A [rank, in] and B [out, rank] (an embedding: Aᵀ [V, rank] and B [D, rank]). */
export interface Factors {
  readonly a: number;
  readonly b: number;
}

/** Unpacks a delta's factors into the scratch arena; the caller releases its mark. */
export function unpackFactors({ kernels, scratch }: Runtime, { a, b }: LowRank): Factors {
  const factors = { a: scratch.alloc(a.n * a.k * 4), b: scratch.alloc(b.n * b.k * 4) };
  kernels.unpack(factors.a, a.ptr, a.n, a.k, a.dtype, 0, a.n);
  kernels.unpack(factors.b, b.ptr, b.n, b.k, b.dtype, 0, b.n);
  return factors;
}

/** Rows that are unpacked, changed and packed again at a time: whole panels. */
const ROWS = 64;

/**
 * W ← W + Σ s·ΔW, or with DoRA W ← g ⊙ (W + s·ΔW), in the weight's own packed dtype, a few rows at a time.
 * The columns of a convolution's weight are (tap, channel), as those of its A.
 */
export function addDelta(runtime: Runtime, module: Module, parts: readonly { delta: Delta; scale: number }[]): void {
  const { kernels, scratch } = runtime;
  const { ptr, n, k, dtype } = module.weight as Matrix;
  const embedding = module.kind === 'embedding';
  const outer = scratch.mark();
  try {
    const low = parts.flatMap(({ delta, scale }) => (delta.lowRank ? [{ ...delta.lowRank, ...unpackFactors(runtime, delta.lowRank), dora: delta.dora, factor: scale * delta.lowRank.scaling }] : []));
    const dora = low.find((part) => part.dora);
    const outputs = embedding ? k : n;
    const g = scratch.alloc(outputs * 4);
    if (dora?.dora) kernels.doraFactor(g, dora.dora.magnitude.ptr, dora.dora.norms.ptr, outputs, dora.factor);
    const rows = scratch.alloc(ROWS * k * 4);
    const bytes = dtype === 0 ? 4 : 2;
    for (let from = 0; from < n; from += ROWS) {
      const count = Math.min(ROWS, n - from);
      kernels.unpack(rows, ptr, n, k, dtype, from, from + count);
      for (const { a, b, rank, factor } of low) {
        // An embedding's W[v, d] gains Σ_r Aᵀ[v, r]·B[d, r], everything else's W[o, i] gains Σ_r B[o, r]·A[r, i].
        if (embedding) kernels.addLowRank(rows, count, k, a + from * rank * 4, rank, 1, b, 1, rank, rank, factor);
        else kernels.addLowRank(rows, count, k, b + from * rank * 4, rank, 1, a, k, 1, rank, factor);
      }
      if (dora) {
        if (embedding) kernels.scaleColumns(rows, g, count, k);
        else kernels.scaleRows(rows, g + from * 4, count, k);
      }
      kernels.packRounded(ptr + from * k * bytes, rows, count, k, dtype);
    }
  } finally {
    scratch.release(outer);
  }
}
