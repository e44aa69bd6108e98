// A module's factors, from and to panels: what is combined is row-major f32 in the layout of files (factor-shape.ts).
import type { Runtime } from '../../arena/runtime.js';
import type { LowRank, Module } from '../../ops/module.js';
import { DTYPES, packedBytes } from '../../tensor/matrix.js';
import { factorShape } from '../factor-shape.js';

/** Unpacks A to f32 in the file's layout. */
export function readA(runtime: Runtime, module: Module, { a, rank }: LowRank, to: number): void {
  const { kernels, scratch } = runtime;
  if (module.kind !== 'embedding' && module.kind !== 'conv1d') return kernels.unpack(to, a.ptr, a.n, a.k, a.dtype, 0, a.n);
  const mark = scratch.mark();
  try {
    const rows = scratch.alloc(a.n * a.k * 4);
    kernels.unpack(rows, a.ptr, a.n, a.k, a.dtype, 0, a.n);
    if (module.kind === 'embedding') return kernels.transpose(to, rows, a.n, a.k);
    for (let r = 0; r < rank; r++) kernels.transpose(to + r * a.k * 4, rows + r * a.k * 4, module.kernel, module.inChannels);
  } finally {
    scratch.release(mark);
  }
}

/** Unpacks B to f32 in the file's layout. */
export function readB({ kernels }: Runtime, module: Module, { b }: LowRank, to: number): void {
  const { n, k, dtype, ptr } = b;
  for (let g = 0, groups = factorShape(module).groups; g < groups; g++) kernels.unpack(to + g * n * k * 4, ptr + g * packedBytes(n, k, dtype), n, k, dtype, 0, n);
}

/** Packs factors in the file's layout into f32 targets. */
export function writeFactors({ kernels }: Runtime, module: Module, { a, b, rank }: LowRank, fromA: number, fromB: number): void {
  if (module.kind === 'embedding') kernels.packColumns(a.ptr, fromA, a.n, a.k, 0, a.k, DTYPES.F32);
  else if (module.kind === 'conv1d') kernels.packConv(a.ptr, fromA, rank, module.inChannels, module.kernel, DTYPES.F32);
  else kernels.pack(a.ptr, fromA, a.n, a.k, DTYPES.F32);
  const { n, k, ptr } = b;
  for (let g = 0, groups = factorShape(module).groups; g < groups; g++) kernels.pack(ptr + g * packedBytes(n, k, DTYPES.F32), fromB + g * n * k * 4, n, k, DTYPES.F32);
}

/** Writes scale·B A to `to`, in the shape of the module's weight in the file. */
export function writeDelta(runtime: Runtime, module: Module, low: LowRank, to: number, scale: number): void {
  const { kernels, scratch } = runtime;
  const { inputs, outputs, groups, transposed } = factorShape(module);
  const { rank } = low;
  const mark = scratch.mark();
  try {
    const a = scratch.alloc(rank * inputs * 4);
    const b = scratch.alloc((outputs * rank * 4) / groups);
    readA(runtime, module, low, a);
    readB(runtime, module, low, b);
    kernels.fill(to, 0, outputs * inputs);
    if (transposed) return kernels.addLowRank(to, inputs, outputs, a, 1, inputs, b, 1, rank, rank, scale);
    const rows = outputs / groups;
    const ranks = rank / groups;
    for (let g = 0; g < groups; g++) kernels.addLowRank(to + g * rows * inputs * 4, rows, inputs, b + g * rows * ranks * 4, ranks, 1, a + g * ranks * inputs * 4, inputs, 1, ranks, scale);
  } finally {
    scratch.release(mark);
  }
}
