// Scalar references of the kernels: the same names and arguments as index.ts, plain loops, no code shared with the kernels. Only the tests load them.

// linear
export { allFinite, equalBytes, matmul, narrow, pack, packColumns, packConv, packRounded, transpose, unpack, widen } from './linear/reference';

// quant
export { matmulQuantized, quantizeRows, referRelaxed } from './quant/reference';

// embed
export { copyRows, gather, replaceRows, scatterColumns } from './embed/reference';

// conv
export { conv1d, loraConv1d } from './conv/reference';

// lora
export {
  addLowRank, addScaledColumns, addScaledRow, doraBase, doraColumnNorms, doraFactor, doraNorms, loraGather, loraMatmul, scaleColumns, scaleRows,
} from './lora/reference';

// norm
export { layerNorm, rmsNorm, softmax } from './norm/reference';

// activation
export { accumulate, activate, add, fill, gate, scale, softcap } from './activation/reference';

// attention
export { angles, attention, inverseFrequencies, kvBlockBytes, kvStore, rope, stretchFrequencies } from './attention/reference';

// sample
export { argmax, logProbability, penalize, sample, seed } from './sample/reference';

// combine
export { bernoulli, copyScaled, disjointMerge, drop, orthonormalize, prune, svd } from './combine/reference';
