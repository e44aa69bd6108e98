import type { Matrix, Vector } from '../tensor/matrix.js';

/** What every module has: its path in the checkpoint and its slot, the index under which an adapter keeps its delta for it. */
interface Named {
  readonly path: string;
  readonly slot: number;
}

/**
 * y = W x + b; `transposed` marks GPT-2's Conv1D, whose file holds [in, out]. `tied` marks a weight that an embedding owns too. `rotaryHeads`: of q and k, the heads that turn with the position
 * (0 elsewhere), whose rows an adapter of llama.cpp's keeps interleaved.
 */
export interface Linear extends Named {
  readonly kind: 'linear';
  readonly weight: Matrix;
  readonly bias: Vector | null;
  readonly transposed: boolean;
  readonly isOutputHead: boolean;
  readonly tied: boolean;
  readonly rotaryHeads?: number;
}

/** y = scale · E[id]. */
export interface Embedding extends Named {
  readonly kind: 'embedding';
  readonly weight: Matrix;
  readonly scale: number;
  readonly tied: boolean;
}

export const PADDING_MODES = ['zeros', 'reflect', 'replicate', 'circular'] as const;

/** A convolution over positions; x is [length, inChannels]. `weight` is one group's matrix, the groups' panels follow one another. */
export interface Conv1d extends Named {
  readonly kind: 'conv1d';
  readonly weight: Matrix;
  readonly bias: Vector | null;
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernel: number;
  readonly stride: number;
  /** Positions added in front (behind: what the output's length asks for). */
  readonly padding: number;
  /** The same for the A of adapters, which runs at dilation 1. */
  readonly adapterPadding: number;
  readonly dilation: number;
  readonly groups: number;
  readonly paddingMode: (typeof PADDING_MODES)[number];
}

/**
 * RMSNorm: x / rms(x) · (offset + w); LayerNorm: (x − mean) / σ · w + b. `added` is what the file's weights have in them beyond those of Hugging Face's checkpoints: 1 of a Gemma in GGUF, whose offset
 * is 0 then.
 */
export interface Norm extends Named {
  readonly kind: 'norm';
  readonly form: 'rms' | 'layer';
  readonly weight: Vector;
  readonly bias: Vector | null;
  readonly eps: number;
  readonly offset: number;
  readonly added?: number;
}

export type Module = Linear | Embedding | Conv1d | Norm;

/** ΔW = scale · B A beside the base's product. A packs [rank, in] (an embedding: Aᵀ [V, rank]), B packs [out, rank]. */
export interface LowRank {
  readonly a: Matrix;
  readonly b: Matrix;
  readonly bias: Vector | null;
  readonly rank: number;
  /** alpha / r or alpha / √r; the user's scale multiplies it. */
  readonly scaling: number;
}

/** DoRA: the magnitude m, and ‖w‖², 2·w·(BA), ‖BA‖² of each output (three rows of n). */
export interface Dora {
  readonly magnitude: Vector;
  readonly norms: Vector;
}

/** Rows that replace those of an embedding (or of a tied output head, where `packed` holds them as a matrix): trainable tokens. */
export interface ReplacedRows {
  readonly indices: Vector;
  readonly values: Vector;
  readonly packed: Matrix;
  readonly count: number;
}

/** What one adapter does to one module. */
export interface Delta {
  readonly lowRank?: LowRank;
  readonly dora?: Dora;
  readonly weight?: Matrix;
  /** A norm's replaced weight. */
  readonly vector?: Vector;
  readonly bias?: Vector;
  readonly rows?: ReplacedRows;
}

/** What one adapter does to every module, by slot. */
export type Deltas = readonly (Delta | undefined)[];
