import type { Linear } from '../ops/module.js';
import type { Activation, Ops, Value } from '../ops/ops.js';

/** The gated feed-forward of the Llama family. */
export interface GatedMlp {
  /** Phi3 has one layer for both, the gate's columns first. */
  readonly gateUp: Linear | readonly [gate: Linear, up: Linear];
  readonly down: Linear;
  readonly activation: Activation;
}

/** down(act(gate(x)) ⊙ up(x)). */
export function gatedMlp(ops: Ops, { gateUp, down, activation }: GatedMlp, x: Value): Value {
  if ('path' in gateUp) {
    const both = ops.linear(gateUp, x);
    return ops.linear(down, ops.gate(activation, ops.slice(both, 0, both.width / 2), ops.slice(both, both.width / 2, both.width / 2)));
  }
  const [gate, up] = gateUp;
  return ops.linear(down, ops.gate(activation, ops.linear(gate, x), ops.linear(up, x)));
}
