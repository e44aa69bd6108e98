// The kernels' whole ABI on one page; ARCHITECTURE.md says what each export means.
// Output pointer first, inputs, sizes, options, last the range of outputs to do. Pointers are usize in bytes, sizes and strides i32 in elements.

// memory
export { heapBase } from './simd/block';

// linear
export { pack, packColumns, packConv } from './linear/pack';
export { allFinite, narrow, packRounded, unpack, widen } from './linear/convert';
export { equalBytes } from './linear/equal';
export { matmul } from './linear/matmul';
export { transpose } from './linear/transpose';

// quant
export { quantizeRows } from './quant/activation';
export { matmulQuantized } from './quant/matmul';

// embed
export { copyRows, gather, replaceRows, scatterColumns } from './embed/gather';

// conv
export { conv1d } from './conv/conv1d';

// lora
export { addScaledRow, loraConv1d, loraGather, loraMatmul } from './lora/low_rank';
export { addScaledColumns, doraBase, doraFactor } from './lora/dora';
export { doraColumnNorms, doraNorms } from './lora/dora_norms';
export { addLowRank, scaleColumns, scaleRows } from './lora/merge';

// norm
export { layerNorm, rmsNorm, softmax } from './norm/norm';

// activation
export { accumulate, activate, add, fill, gate, scale, softcap } from './activation/activation';

// attention
export { attention } from './attention/attention';
export { kvBlockBytes, kvStore } from './attention/kv';
export { angles, inverseFrequencies, rope, stretchFrequencies } from './attention/rope';

// sample
export { argmax } from './sample/argmax';
export { penalize } from './sample/penalize';
export { logProbability } from './sample/probability';
export { seed } from './sample/random';
export { sample } from './sample/sample';

// combine
export { bernoulli, copyScaled, disjointMerge, drop, prune } from './combine/elements';
export { orthonormalize, svd } from './combine/svd';
