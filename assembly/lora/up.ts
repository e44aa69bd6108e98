// One row's low-rank delta, y += B u. B [n, rank] in panels has few steps, and a tile of several panels would be left soon after it is begun, with its streams broken off.
// Here one loop goes through all of B in the order in which it lies, a stream that the machine reads ahead; the sums of one panel wait for each other, those of the
// next ones don't. Each output is the same sum in the same order as `matmul` with init = y.
import { lanes } from '../simd/block';
import { BF16, F32, four, head, high, irregular, low } from '../simd/dtype';
import { madd } from '../simd/arithmetic';
import { stepBytes } from '../linear/tiles';

/** y [n] += B u, for its outputs from … to. */
export function addUp(y: usize, u: usize, b: usize, n: i32, rank: i32, dtype: i32, from: i32, to: i32): void {
  if (dtype == F32) add<f32>(y, u, b, n, rank, from, to);
  else if (dtype == BF16) add<u16>(y, u, b, n, rank, from, to);
  else add<i16>(y, u, b, n, rank, from, to);
}

function add<W>(y: usize, u: usize, b: usize, n: i32, rank: i32, from: i32, to: i32): void {
  const count = min(to, n) - from;
  y += <usize>from << 2;
  b += <usize>(from >> 3) * <usize>rank * stepBytes<W>();
  panels<W>(y, u, b, count >> 3, rank);
  if (count & 7) {
    const done = <usize>count & ~7, rest = <usize>(count & 7) << 2;
    memory.copy(lanes(), y + (done << 2), rest);
    panels<W>(lanes(), u, b + (done >> 3) * <usize>rank * stepBytes<W>(), 1, rank);
    memory.copy(y + (done << 2), lanes(), rest);
  }
}

function panels<W>(y: usize, u: usize, b: usize, count: i32, rank: i32): void {
  const end = u + (<usize>rank << 2), end4 = end - 12;
  for (; count > 0; count--) {
    let c0 = v128.load(y), c1 = v128.load(y, 16);
    let x = u;
    for (; x < end4; x += 16) {
      const b1 = b + stepBytes<W>(), b2 = b1 + stepBytes<W>(), b3 = b2 + stepBytes<W>();
      const v0 = head<W>(b), v1 = head<W>(b1), v2 = head<W>(b2), v3 = head<W>(b3);
      const a0 = v128.load32_splat(x), a1 = v128.load32_splat(x, 4), a2 = v128.load32_splat(x, 8), a3 = v128.load32_splat(x, 12);
      if (irregular<W>(v0, v1, v2, v3)) {
        c0 = madd(a0, four<W>(b), c0);
        c1 = madd(a0, four<W>(b, stepBytes<W>() >> 1), c1);
        c0 = madd(a1, four<W>(b1), c0);
        c1 = madd(a1, four<W>(b1, stepBytes<W>() >> 1), c1);
        c0 = madd(a2, four<W>(b2), c0);
        c1 = madd(a2, four<W>(b2, stepBytes<W>() >> 1), c1);
        c0 = madd(a3, four<W>(b3), c0);
        c1 = madd(a3, four<W>(b3, stepBytes<W>() >> 1), c1);
      } else {
        c0 = madd(a0, low<W>(v0), c0);
        c1 = madd(a0, high<W>(v0, b), c1);
        c0 = madd(a1, low<W>(v1), c0);
        c1 = madd(a1, high<W>(v1, b1), c1);
        c0 = madd(a2, low<W>(v2), c0);
        c1 = madd(a2, high<W>(v2, b2), c1);
        c0 = madd(a3, low<W>(v3), c0);
        c1 = madd(a3, high<W>(v3, b3), c1);
      }
      b += 4 * stepBytes<W>();
    }
    for (; x < end; x += 4) {
      const a = v128.load32_splat(x);
      c0 = madd(a, four<W>(b), c0);
      c1 = madd(a, four<W>(b, stepBytes<W>() >> 1), c1);
      b += stepBytes<W>();
    }
    v128.store(y, c0);
    v128.store(y, c1, 16);
    y += 32;
  }
}
