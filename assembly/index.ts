// The kernels' whole ABI on one page; ARCHITECTURE.md says what each export means.
// Output pointer first, inputs, sizes, options, last the range of outputs to do. Pointers are usize in bytes, sizes and strides i32 in elements.

// memory
export { heapBase } from './simd/block';

// norm

// activation

// attention

// sample

// combine
