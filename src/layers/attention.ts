import type { Linear, Norm } from '../ops/module.js';
import type { AttentionSpec, Ops, Value } from '../ops/ops.js';

/** Self-attention with rotary positions and grouped key/value heads. */
export interface Attention {
  readonly q: Linear;
  readonly k: Linear;
  readonly v: Linear;
  readonly o: Linear;
  /** Qwen3 and Gemma3 normalise each head of q and k. */
  readonly qNorm: Norm | null;
  readonly kNorm: Norm | null;
  readonly spec: AttentionSpec;
}

/** softmax(q kᵀ · scale) v, projected. x [rows, hidden] → [rows, hidden]; without angles heads don't turn with the position. */
export function attend(ops: Ops, layer: Attention, x: Value, angles: Value | null): Value {
  const { heads, kvHeads, headDim } = layer.spec;
  let q = ops.linear(layer.q, x);
  let k = ops.linear(layer.k, x);
  const v = ops.linear(layer.v, x);
  if (layer.qNorm) q = ops.norm(layer.qNorm, q, heads);
  if (layer.kNorm) k = ops.norm(layer.kNorm, k, kvHeads);
  if (angles) {
    ops.rope(q, angles, heads, headDim);
    ops.rope(k, angles, kvHeads, headDim);
  }
  return ops.linear(layer.o, ops.attention(q, k, v, layer.spec));
}
