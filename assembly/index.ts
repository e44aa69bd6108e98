// The kernels' whole ABI on one page; ARCHITECTURE.md says what each export means.
// Output pointer first, inputs, sizes, options, last the range of outputs to do. Pointers are usize in bytes, sizes and strides i32 in elements.

// memory, build
export { buildFeatures } from './simd/features';
export { heapBase, workspaceBytes } from './simd/block';
export { preferPanels } from './simd/panels-at-once';

// threads: a wrapper in parallel/ has the signature of its kernel
export { controlBytes, loseThreads, stopThreads, useThreads, work } from './parallel/control';

// linear
export { pack, packColumns, packConv } from './linear/pack';
export { allFinite, narrow, packRounded, unpack, widen } from './linear/convert';
export { equalBytes } from './linear/equal';
export { loraMatmul, matmul, matmulQuantized } from './parallel/linear';
export { transpose } from './linear/transpose';

// embed
export { copyRows, gather, replaceRows, scatterColumns } from './embed/gather';

// conv
export { conv1d } from './conv/conv1d';

// lora
export { addScaledRow, loraConv1d, loraGather } from './lora/low_rank';
export { addScaledColumns, doraBase, doraFactor } from './lora/dora';
export { doraColumnNorms, doraNorms } from './lora/dora_norms';
export { addLowRank, scaleColumns, scaleRows } from './lora/merge';

// by rows
export { activate, add, gate, layerNorm, quantizeRows, rmsNorm, rope } from './parallel/rows';

// norm
export { softmax } from './norm/norm';

// activation
export { accumulate, fill, scale, softcap } from './activation/activation';

// attention
export { attention } from './parallel/attention';
export { kvBlockBytes, kvStore } from './attention/kv';
export { angles, inverseFrequencies, stretchFrequencies } from './attention/rope';

// sample
export { argmax } from './sample/argmax';
export { penalize } from './sample/penalize';
export { logProbability } from './sample/probability';
export { seed } from './sample/random';
export { sample } from './sample/sample';

// combine
export { bernoulli, copyScaled, disjointMerge, drop, prune } from './combine/elements';
export { orthonormalize, svd } from './combine/svd';
