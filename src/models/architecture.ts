import type { Runtime } from '../arena/runtime.js';
import type { Module } from '../ops/module.js';
import type { Ops, Value } from '../ops/ops.js';
import type { Weights } from './checkpoint.js';

/** What a cache of keys and values must hold for one position. */
export interface KvShape {
  readonly layers: number;
  readonly kvHeads: number;
  readonly headDim: number;
  /** How far back any layer sees; 0 if some layer sees every earlier position. */
  readonly window: number;
}

/** A model as its file describes it, before its weights are in memory. */
export interface Architecture {
  readonly modelType: string;
  readonly vocabSize: number;
  /** Columns of the result: the vocabulary, or what the model puts out at each position. */
  readonly outputSize: number;
  /** The longest sequence. */
  readonly contextLength: number;
  /** null: every position sees the whole sequence, which must come in one piece. */
  readonly kv: KvShape | null;
  readonly modules: readonly Module[];
  /** The forward pass, unfused; its result is [outputs, outputSize]. */
  forward(ops: Ops): Value;
  /** Fills tables that are computed, once the block is placed. */
  prepare(runtime: Runtime): void;
}

/** An architecture made from a checkpoint's configuration, and the weights it declared. */
export interface Built {
  readonly architecture: Architecture;
  readonly weights: Weights;
}
