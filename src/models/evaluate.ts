import type { ResolvedBlend } from '../adapters/adapter.js';
import { addBlend } from '../adapters/blend.js';
import type { Runtime } from '../arena/runtime.js';
import { LorikeetError } from '../errors.js';
import type { Model } from './model.js';
import { addSegment, clearFrame } from '../ops/frame.js';
import type { Program } from '../ops/program.js';
import { KvCache } from './kv-cache.js';
import type { KvPool } from './kv-pool.js';

/**
 * Checks token ids against the vocabulary and the context.
 *
 * @throws LorikeetError `tokens/empty`, `tokens/unknown`, `context/full`
 */
export function checkTokens(model: Model, tokens: readonly number[]): void {
  checkIds(model, tokens);
  if (tokens.length > model.contextLength) throw new LorikeetError('context/full', `The sequence has ${tokens.length} tokens: expected at most ${model.contextLength}.`, { expected: model.contextLength, found: tokens.length });
}

/**
 * Checks token ids against the vocabulary.
 *
 * @throws LorikeetError `tokens/empty`, `tokens/unknown`
 */
export function checkIds(model: Model, tokens: readonly number[]): void {
  if (tokens.length === 0) throw new LorikeetError('tokens/empty', 'A sequence of tokens expected at least one id, found none.', { expected: 'at least 1', found: 0 });
  for (const [i, id] of tokens.entries()) {
    if (!Number.isInteger(id) || id < 0 || id >= model.vocabSize) throw new LorikeetError('tokens/unknown', `Token ${i} expected an id from 0 to ${model.vocabSize - 1}, got ${String(id)}.`, { expected: model.vocabSize, found: id });
  }
}

/**
 * Runs a whole sequence under a blend and hands out each row of results as it comes: (position, address of its outputSize floats).
 * The program must be free. Every position is worked, none taken over: each one's results are wanted. `pool` gives the blocks; a model without a cache (null) gets the sequence in one piece, so its program must have room for it.
 *
 * @throws LorikeetError `memory/exhausted`; the signal's reason on abort, between two frames
 */
export function evaluate(runtime: Runtime, model: Model, program: Program, tokens: readonly number[], blend: ResolvedBlend, onRow: (position: number, ptr: number) => void, pool: KvPool | null, signal?: AbortSignal): void {
  const { frame } = program;
  const cache = pool && new KvCache(pool, tokens.length);
  try {
    cache?.reserve(tokens.length);
    const step = cache ? Math.min(frame.maxRows, frame.maxOutputs) : tokens.length;
    for (let from = 0; from < tokens.length; from += step) {
      signal?.throwIfAborted();
      const rows = Math.min(step, tokens.length - from);
      const { i32 } = runtime.views;
      clearFrame(frame);
      for (let i = 0; i < rows; i++) {
        i32[frame.ids / 4 + i] = tokens[from + i]!;
        i32[frame.positions / 4 + i] = from + i;
        i32[frame.outputRows / 4 + i] = i;
      }
      const segment = addSegment(frame.tokens, rows, from);
      if (cache) {
        segment.table = cache.table;
        segment.tableStride = cache.tableStride;
        segment.kvDtype = cache.dtype;
      }
      addBlend(segment, blend, tokens, tokens.length);
      addBlend(addSegment(frame.outputs, rows, from), blend, tokens, tokens.length);
      program.run();
      for (let i = 0; i < rows; i++) onRow(from + i, program.result.ptr + i * model.outputSize * 4);
    }
  } finally {
    cache?.dispose();
  }
}
