// Scalar references of the kernels: the same names and arguments as index.ts, plain loops, no code shared with the kernels. Only the tests load them.

// norm

// activation

// attention

// sample

// combine
