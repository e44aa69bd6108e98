// Scalar references of the kernels: the same names and arguments as index.ts, plain loops, no code shared with the kernels. Only the tests load them.

// norm
export { layerNorm, rmsNorm, softmax } from './norm/reference';

// activation
export { accumulate, activate, add, fill, gate, multiply, scale } from './activation/reference';

// attention
export { angles, attention, inverseFrequencies, kvStore, rope } from './attention/reference';

// sample
export { argmax, logProbability, penalize, sample, seed } from './sample/reference';

// combine
