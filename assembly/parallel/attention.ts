// Attention by several threads: parts are runs of rows of one kv head, in steps that go through the keys together anyway (attention/attention.ts).
import { attention as attentionHere, scratchBytes, VECTORS } from '../attention/attention';
import { THREADS } from '../simd/features';
import { args, fork, partsOf, shared } from './control';
import { begin, bytes } from './ranges';
import { ATTENTION } from './tasks';

/** Multiply-adds from which a region pays. */
const LEAST: i64 = 16384;

/** As the kernel; scratch as much as it says for each thread of the runtime. */
export function attention(y: usize, ldy: i32, q: usize, ldq: i32, table: usize, position: i32, rows: i32, heads: i32, kvHeads: i32, headDim: i32, scale: f32,
    softcap: f32, window: i32, dtype: i32, scratch: usize, from: i32, to: i32): void {
  const seen = window > 0 ? min(window, position + rows) : position + (rows + 1) / 2;
  const group = heads / kvHeads, step = max<i32>(1, VECTORS / group);
  const units = (rows + step - 1) / step;
  if (!THREADS || !shared(<i64>rows * ((to - from) * group * headDim) * (2 * seen), LEAST) || units * (to - from) == 1) {
    return attentionHere(y, ldy, q, ldq, table, position, rows, heads, kvHeads, headDim, scale, softcap, window, dtype, scratch, from, to);
  }
  // runs of rows for each head
  const runs = min(units, max(1, partsOf(units * (to - from)) / (to - from)));
  const a = args();
  store<usize>(a, y);
  store<i32>(a, ldy, 4);
  store<usize>(a, q, 8);
  store<i32>(a, ldq, 12);
  store<usize>(a, table, 16);
  store<i32>(a, position, 20);
  store<i32>(a, rows, 24);
  store<i32>(a, heads, 28);
  store<i32>(a, kvHeads, 32);
  store<i32>(a, headDim, 36);
  store<f32>(a, scale, 40);
  store<f32>(a, softcap, 44);
  store<i32>(a, window, 48);
  store<i32>(a, dtype, 52);
  store<usize>(a, scratch, 56);
  store<i32>(a, from, 60);
  store<i32>(a, runs, 64);
  fork(ATTENTION, runs * (to - from));
}

export function attentionPart(part: i32, parts: i32, thread: i32): void {
  const a = args();
  const ldy = load<i32>(a, 4), ldq = load<i32>(a, 12), position = load<i32>(a, 20), rows = load<i32>(a, 24), heads = load<i32>(a, 28), kvHeads = load<i32>(a, 32), headDim = load<i32>(a, 36);
  const group = heads / kvHeads, step = max<i32>(1, VECTORS / group), runs = load<i32>(a, 64);
  const head = load<i32>(a, 60) + part / runs, run = part % runs;
  const row = begin(run, runs, rows, step), end = begin(run + 1, runs, rows, step);
  attentionHere(load<usize>(a) + bytes(row, ldy), ldy, load<usize>(a, 8) + bytes(row, ldq), ldq, load<usize>(a, 16), position + row, end - row, heads, kvHeads,
    headDim, load<f32>(a, 40), load<f32>(a, 44), load<i32>(a, 48), load<i32>(a, 52), load<usize>(a, 56) + <usize>thread * scratchBytes(headDim), head, head + 1);
}
