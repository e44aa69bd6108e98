import type { ThreadExports } from './thread-exports.js';

/**
 * The kernels' ABI, typed. ARCHITECTURE.md ("The kernels' ABI") says what each does; a test holds this list against the exports of the binary.
 * Pointers are byte offsets (unsigned numbers), sizes integers, strides (`ld…`) in elements.
 */
type N = number;

export interface Kernels extends ThreadExports {
  heapBase(): N;
  buildFeatures(): N;
  preferPanels(dtype: N, count: N): void;
  // linear
  pack(dst: N, src: N, rows: N, k: N, dtype: N): void;
  packColumns(dst: N, src: N, n: N, k: N, from: N, count: N, dtype: N): void;
  packConv(dst: N, src: N, out: N, inPerGroup: N, kernel: N, dtype: N): void;
  packRounded(dst: N, src: N, rows: N, k: N, dtype: N): void;
  unpack(dst: N, src: N, n: N, k: N, dtype: N, from: N, to: N): void;
  widen(dst: N, src: N, count: N, dtype: N): void;
  narrow(dst: N, src: N, count: N, dtype: N): void;
  matmul(y: N, ldy: N, x: N, ldx: N, w: N, init: N, ldi: N, m: N, n: N, k: N, dtype: N, from: N, to: N): void;
  allFinite(x: N, count: N, dtype: N): N;
  equalBytes(a: N, b: N, bytes: N): N;
  transpose(y: N, x: N, n: N, k: N): void;
  // quant
  quantizeRows(q: N, x: N, ldx: N, m: N, k: N): void;
  matmulQuantized(y: N, ldy: N, q: N, w: N, init: N, ldi: N, m: N, n: N, k: N, dtype: N, from: N, to: N): void;
  // embed
  gather(y: N, ldy: N, ids: N, w: N, rows: N, k: N, dtype: N, scale: N): void;
  replaceRows(y: N, ldy: N, ids: N, rows: N, k: N, indices: N, values: N, count: N): void;
  scatterColumns(y: N, ldy: N, src: N, lds: N, indices: N, m: N, count: N): void;
  copyRows(y: N, ldy: N, x: N, ldx: N, indices: N, rows: N, n: N): void;
  // conv
  conv1d(y: N, ldy: N, x: N, ldx: N, w: N, bias: N, scratch: N, length: N, inChannels: N, outChannels: N, outLength: N, kernel: N, stride: N, padding: N,
    dilation: N, groups: N, paddingMode: N, dtype: N): void;
  // lora
  loraMatmul(y: N, ldy: N, x: N, ldx: N, a: N, b: N, bias: N, scratch: N, m: N, n: N, k: N, rank: N, scale: N, dtype: N, from: N, to: N): void;
  loraGather(y: N, ldy: N, ids: N, a: N, b: N, scratch: N, rows: N, n: N, rank: N, scale: N, dtype: N): void;
  loraConv1d(y: N, ldy: N, x: N, ldx: N, a: N, b: N, bias: N, scratch: N, length: N, inChannels: N, outChannels: N, outLength: N, kernel: N, stride: N,
    padding: N, groups: N, rank: N, scale: N, dtype: N): void;
  addScaledRow(y: N, ldy: N, row: N, m: N, n: N, scale: N): void;
  doraNorms(out: N, w: N, wdtype: N, a: N, b: N, dtype: N, n: N, k: N, rank: N, scratch: N): void;
  doraColumnNorms(out: N, w: N, wdtype: N, a: N, b: N, dtype: N, vocab: N, dim: N, rank: N, scratch: N): void;
  doraFactor(g: N, magnitude: N, norms: N, n: N, scale: N): void;
  doraBase(y: N, ldy: N, base: N, ldb: N, factor: N, bias: N, m: N, n: N): void;
  addScaledColumns(y: N, ldy: N, u: N, ldu: N, g: N, m: N, n: N): void;
  addLowRank(w: N, n: N, k: N, left: N, ls: N, lc: N, right: N, rs: N, rc: N, rank: N, scale: N): void;
  scaleRows(w: N, g: N, n: N, k: N): void;
  scaleColumns(w: N, g: N, n: N, k: N): void;
  // norm, activation
  rmsNorm(y: N, x: N, w: N, m: N, n: N, eps: N, offset: N): void;
  layerNorm(y: N, x: N, w: N, b: N, m: N, n: N, eps: N): void;
  activate(y: N, x: N, count: N, kind: N): void;
  gate(y: N, g: N, u: N, count: N, kind: N): void;
  add(y: N, a: N, b: N, count: N): void;
  scale(y: N, x: N, s: N, count: N): void;
  softcap(y: N, x: N, cap: N, count: N): void;
  fill(y: N, value: N, count: N): void;
  accumulate(y: N, x: N, s: N, count: N): void;
  softmax(y: N, x: N, m: N, n: N): void;
  // attention
  inverseFrequencies(dst: N, dim: N, base: N, kind: N, factor: N, low: N, high: N, original: N): void;
  stretchFrequencies(frequencies: N, factors: N, half: N): void;
  angles(dst: N, positions: N, frequencies: N, rows: N, half: N, attentionScaling: N): void;
  rope(x: N, ldx: N, angles: N, rows: N, heads: N, headDim: N, rotaryDim: N): void;
  kvStore(table: N, k: N, ldk: N, v: N, ldv: N, position: N, rows: N, kvHeads: N, headDim: N, dtype: N): void;
  kvBlockBytes(kvHeads: N, headDim: N, dtype: N): N;
  attention(y: N, ldy: N, q: N, ldq: N, table: N, position: N, rows: N, heads: N, kvHeads: N, headDim: N, scale: N, softcap: N, window: N, dtype: N, scratch: N, from: N, to: N): void;
  // sample
  argmax(x: N, n: N): N;
  penalize(x: N, n: N, history: N, count: N, penalty: N, scratch: N): void;
  seed(state: N, lo: N, hi: N): void;
  sample(x: N, n: N, temperature: N, topK: N, topP: N, minP: N, state: N, scratch: N): N;
  logProbability(x: N, n: N, id: N): N;
  // combine
  copyScaled(y: N, ldy: N, x: N, ldx: N, m: N, n: N, scale: N): void;
  prune(x: N, count: N, keep: N, scratch: N): void;
  bernoulli(mask: N, count: N, density: N, state: N): void;
  drop(x: N, mask: N, count: N, density: N): void;
  disjointMerge(y: N, tensors: N, weights: N, adapters: N, count: N, method: N): void;
  orthonormalize(q: N, t: N, r: N, k: N, n: N, scratch: N): void;
  svd(b: N, a: N, w: N, m: N, n: N, rank: N, scratch: N): N;
}
