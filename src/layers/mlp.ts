import type { Linear } from '../ops/module.js';
import type { Activation, Ops, Value } from '../ops/ops.js';

/** The gated feed-forward of the Llama family. */
export interface GatedMlp {
  readonly gate: Linear;
  readonly up: Linear;
  readonly down: Linear;
  readonly activation: Activation;
}

/** down(act(gate(x)) ⊙ up(x)). */
export const gatedMlp = (ops: Ops, { gate, up, down, activation }: GatedMlp, x: Value): Value =>
  ops.linear(down, ops.gate(activation, ops.linear(gate, x), ops.linear(up, x)));
