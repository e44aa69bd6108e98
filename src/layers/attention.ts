import type { Linear, Norm } from '../ops/module.js';
import type { AttentionSpec, Ops, Value } from '../ops/ops.js';

/** Self-attention with rotary positions and grouped key/value heads. */
export interface Attention {
  /** Phi3 has one layer for all three, q's columns first. */
  readonly qkv: Linear | readonly [q: Linear, k: Linear, v: Linear];
  readonly o: Linear;
  /** Qwen3 and Gemma3 normalise each head of q and k. */
  readonly qNorm: Norm | null;
  readonly kNorm: Norm | null;
  readonly spec: AttentionSpec;
}

/** softmax(q kᵀ · scale) v, projected. x [rows, hidden] → [rows, hidden]; without angles heads don't turn with the position. */
export function attend(ops: Ops, layer: Attention, x: Value, angles: Value | null): Value {
  const { heads, kvHeads, headDim } = layer.spec;
  const projected = 'path' in layer.qkv ? split(ops, ops.linear(layer.qkv, x), [heads * headDim, kvHeads * headDim, kvHeads * headDim]) : layer.qkv.map((linear) => ops.linear(linear, x)) as [Value, Value, Value];
  let [q, k] = projected;
  const [, , v] = projected;
  if (layer.qNorm) q = ops.norm(layer.qNorm, q, heads);
  if (layer.kNorm) k = ops.norm(layer.kNorm, k, kvHeads);
  if (angles) {
    ops.rope(q, angles, heads, headDim);
    ops.rope(k, angles, kvHeads, headDim);
  }
  return ops.linear(layer.o, ops.attention(q, k, v, layer.spec));
}

/** Columns of one value, as views. */
function split(ops: Ops, x: Value, widths: readonly [number, number, number]): [Value, Value, Value] {
  const [first, second, third] = widths;
  return [ops.slice(x, 0, first), ops.slice(x, first, second), ops.slice(x, first + second, third)];
}
