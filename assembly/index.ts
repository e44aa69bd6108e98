// The kernels' whole ABI on one page; ARCHITECTURE.md says what each export means.
// Output pointer first, inputs, sizes, options, last the range of outputs to do. Pointers are usize in bytes, sizes and strides i32 in elements.

// memory
export { heapBase } from './simd/block';

// linear
export { matmul } from './linear/matmul';

// norm
export { layerNorm, rmsNorm, softmax } from './norm/norm';

// activation
export { accumulate, activate, add, fill, gate, multiply, scale } from './activation/activation';

// attention
export { attention } from './attention/attention';
export { kvStore } from './attention/kv';
export { angles, inverseFrequencies, rope } from './attention/rope';

// sample
export { argmax } from './sample/argmax';

// combine
