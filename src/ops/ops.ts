import type { DomainName } from './frame.js';
import type { Conv1d, Embedding, Linear, Norm } from './module.js';

/**
 * A handle on [rows, width] floats that an op makes; `rows` is known only when a frame is run. A slice shares its parent's buffer.
 */
export interface Value {
  readonly id: number;
  readonly width: number;
  /** Which rows it has; `once` is a single row (a kernel's scratch). */
  readonly domain: DomainName | 'once';
  /** The value whose buffer this one is a slice of, itself if it is none; and its first column there. */
  readonly root: Value;
  readonly column: number;
  /** Byte offset of row 0, set by the planner. */
  ptr: number;
  /** Floats from one row to the next. */
  readonly ld: number;
}

/** Codes in the kernels' ABI. */
export const ACTIVATIONS = { relu: 0, silu: 1, gelu: 2, gelu_tanh: 3 } as const;
export type Activation = keyof typeof ACTIVATIONS;

/** Causal attention with grouped heads over the KV cache of one layer. window 0: every earlier position; softcap 0: scores as they are, else softcap·tanh(score / softcap). */
export interface AttentionSpec {
  readonly layer: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly scale: number;
  readonly softcap: number;
  readonly window: number;
}

/** One recorded operation: plain data. `reads` and `writes` are what the planner needs of it. */
export type Op = { readonly reads: readonly Value[]; readonly writes: readonly Value[] } & (
  | { readonly op: 'embed'; readonly y: Value; readonly module: Embedding; readonly ids: 'ids' | 'positions' }
  /** x in blocks of 12 bits, for quantised weights: see assembly/quant/activation.ts. */
  | { readonly op: 'quantize'; readonly y: Value; readonly x: Value }
  /** `q` is x quantised, where the base's weight is. */
  | { readonly op: 'linear'; readonly y: Value; readonly x: Value; readonly q: Value | null; readonly module: Linear }
  | { readonly op: 'conv1d'; readonly y: Value; readonly x: Value; readonly module: Conv1d }
  | { readonly op: 'norm'; readonly y: Value; readonly x: Value; readonly module: Norm; readonly heads: number }
  | { readonly op: 'angles'; readonly y: Value; readonly frequencies: number; readonly scaling: number }
  | { readonly op: 'rope'; readonly x: Value; readonly angles: Value; readonly heads: number; readonly headDim: number; readonly rotaryDim: number }
  | { readonly op: 'attention'; readonly y: Value; readonly q: Value; readonly k: Value; readonly v: Value; readonly scratch: Value; readonly spec: AttentionSpec }
  | { readonly op: 'activate'; readonly y: Value; readonly x: Value; readonly kind: number }
  | { readonly op: 'gate'; readonly y: Value; readonly g: Value; readonly u: Value; readonly kind: number }
  | { readonly op: 'add'; readonly y: Value; readonly a: Value; readonly b: Value }
  | { readonly op: 'softcap'; readonly y: Value; readonly x: Value; readonly cap: number }
  | { readonly op: 'outputs'; readonly y: Value; readonly x: Value }
);

/** The operations a model is written in. A model gets them as a value, so that one forward pass can be recorded, run or handed to another backend. */
export interface Ops {
  /** [rows, width] floats that the caller writes before a run. */
  input(width: number): Value;
  /** Rows of an embedding, by token ids or (GPT-2) by positions. */
  embed(module: Embedding, ids?: 'ids' | 'positions'): Value;
  linear(module: Linear, x: Value): Value;
  conv1d(module: Conv1d, x: Value, domain?: Value['domain']): Value;
  /** Normalises each row, or with `heads` > 1 each head of a row by the same weights. */
  norm(module: Norm, x: Value, heads?: number): Value;
  /** cos and sin of every row's position times `frequencies` (`half` floats in linear memory). */
  angles(frequencies: number, half: number, scaling: number): Value;
  /** Rotates in place and returns x. */
  rope(x: Value, angles: Value, heads: number, headDim: number, rotaryDim?: number): Value;
  /** Stores k and v in the cache, then attends. */
  attention(q: Value, k: Value, v: Value, spec: AttentionSpec): Value;
  activate(kind: Activation, x: Value): Value;
  /** act(g) ⊙ u. */
  gate(kind: Activation, g: Value, u: Value): Value;
  add(a: Value, b: Value): Value;
  /** cap·tanh(x / cap). */
  softcap(x: Value, cap: number): Value;
  /** Columns from … from + width: a view. */
  slice(x: Value, from: number, width: number): Value;
  /** The rows whose logits are wanted. */
  outputs(x: Value): Value;
}
