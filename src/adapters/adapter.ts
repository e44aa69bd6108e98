import type { AdapterConfig } from '../formats/peft.js';
import type { Delta, Deltas, Module } from '../ops/module.js';

/** What was done to one module, as the report of a load and the list say it. */
export interface AppliedModule {
  readonly module: string;
  /** `lora`, `dora`, `weight` and `bias` (replaced), `rows` (trainable tokens). */
  readonly kinds: readonly string[];
  /** 0 where nothing of low rank is applied. */
  readonly rank: number;
  /** alpha / r or alpha / √r. */
  readonly scale: number;
  readonly bytes: number;
}

/** What a delta does to a module, whose share of the adapter's block is `bytes`; null where it does nothing. */
export function appliedTo({ path }: Module, { lowRank, dora, weight, vector, bias, rows }: Delta, bytes: number): AppliedModule | null {
  const kinds = [dora ? 'dora' : lowRank ? 'lora' : '', weight ?? vector ? 'weight' : '', bias ? 'bias' : '', rows ? 'rows' : ''].filter((kind) => kind !== '');
  return kinds.length === 0 ? null : { module: path, kinds, rank: lowRank?.rank ?? 0, scale: lowRank?.scaling ?? 1, bytes };
}

/** What a load did: where the adapter applies, what was left out at the caller's wish, and what a reader should know. */
export interface AdapterReport {
  readonly name: string;
  readonly generation: number;
  readonly bytes: number;
  readonly applied: readonly AppliedModule[];
  /** Tensors that were left out, with `selective: true`. */
  readonly left: readonly string[];
  readonly warnings: readonly string[];
}

/** An adapter in memory: one block of the adapter arena, and what it does to each module. */
export interface Adapter {
  readonly name: string;
  /** 1 for the first load of a name, and one more with each load after. */
  readonly generation: number;
  /** Unlike any other adapter's of this bank. */
  readonly id: number;
  readonly config: AdapterConfig | null;
  readonly deltas: Deltas;
  readonly report: AdapterReport;
  /** The largest rank (or count of replaced rows), and whether base products must be kept apart (DoRA): what programs reserve. */
  readonly rank: number;
  readonly temporaries: boolean;
  /** True if some module's weight, bias or rows are replaced: what two adapters of one blend can't both do. */
  readonly replaces: boolean;
  /** aLoRA's invocation tokens; null: the adapter applies everywhere. */
  readonly invocation: readonly number[] | null;
  /** Address of its block; 0 once given back. */
  block: number;
  /** The user's scale, beside the weight that a blend gives it. */
  scale: number;
  /** Streams that use it now. */
  pins: number;
  /** No longer in the bank: the block goes back when the last pin does. */
  retired: boolean;
}

/** Weights of adapters, by name: what a forward pass adds to the base. */
export type Blend = Readonly<Record<string, number>>;

/** A blend whose names were looked up and checked against each other. */
export interface ResolvedBlend {
  readonly adapters: readonly Adapter[];
  readonly weights: readonly number[];
}

/** The base alone. */
export const EMPTY_BLEND: ResolvedBlend = { adapters: [], weights: [] };

/**
 * The position from which an adapter applies in a sequence: 0, or for aLoRA the start of the last occurrence of its invocation tokens among the first `prompt`
 * tokens; Infinity without one. What the model writes itself doesn't invoke.
 */
export function startOf({ invocation }: Adapter, tokens: readonly number[], prompt: number): number {
  if (invocation === null) return 0;
  for (let at = prompt - invocation.length; at >= 0; at--) {
    let same = true;
    for (let i = 0; same && i < invocation.length; i++) same = tokens[at + i] === invocation[i];
    if (same) return at;
  }
  return Infinity;
}
