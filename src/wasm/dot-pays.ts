/**
 * Whether the dot products of bytes that add into 32 bits are one instruction of this machine. Where they are not, the engine puts three in their place, and the build `relaxed`,
 * which adds up in 16 bits, is 1.6 times as fast with weights of at most 6 bits; the products themselves are right.
 */
import type { Kernels } from './kernels.js';

const ROWS = 16, OUTPUTS = 64, WIDTH = 512;
const Q8_0 = 3, Q4_0 = 4;
/** So many calls last half a millisecond: the clock of a page that isn't isolated steps by a tenth. */
const CALLS = 32;
const ROUNDS = 5;
/** Of the speed of Q8_0, whose products are of 16 bits in every build, Q4_0 has 1.0 where the instruction is missing, and 1.5 in `relaxed`. */
const LEAST = 1.75;

/** Multiplies zeros, from the kernels' heap base on, in memory that is zero there and stays so. */
export function dotPays(kernels: Kernels, memory: WebAssembly.Memory): boolean {
  const y = (kernels.heapBase() + 63) & ~63, q = y + ROWS * OUTPUTS * 4, w = q + (ROWS * WIDTH * 128) / 32, end = w + (OUTPUTS * WIDTH * 34) / 32 + 64;
  if (end > memory.buffer.byteLength) memory.grow(Math.ceil((end - memory.buffer.byteLength) / 65536));
  const time = (dtype: number): number => {
    const start = performance.now();
    for (let call = 0; call < CALLS; call++) kernels.matmulQuantized(y, OUTPUTS, q, w, 0, 0, ROWS, OUTPUTS, WIDTH, dtype, 0, OUTPUTS);
    return performance.now() - start;
  };
  let bytes = Infinity, nibbles = Infinity;
  for (let round = 0; round < ROUNDS; round++) {
    bytes = Math.min(bytes, time(Q8_0));
    nibbles = Math.min(nibbles, time(Q4_0));
  }
  return bytes >= LEAST * nibbles;
}
