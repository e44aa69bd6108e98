import { EMPTY_BLEND, startOf, type ResolvedBlend } from '../adapters/adapter.js';
import { addBlend, effectiveScale } from '../adapters/blend.js';
import type { Runtime } from '../arena/runtime.js';
import { LorikeetError } from '../errors.js';
import type { Model } from '../models/model.js';
import { addSegment, type Domain, type Segment } from '../ops/frame.js';
import { SAMPLER_STATE_BYTES, seedSampler } from '../sample/sampler.js';
import { KvCache } from '../models/kv-cache.js';

/** What becomes of the cache when the blend changes within a sequence: computed anew (exact), or kept (as PEFT and llama.cpp do). */
export type KvPolicy = 'recompute' | 'keep';

/** Numbers of one entry in a signature: adapter id, scale, start. */
const ENTRY = 3;

/**
 * The state of one sequence: its tokens, the cache of keys and values and what that was computed under, the sampler's state.
 * `done` tokens are in the cache; the rest is still to be worked.
 */
export class Sequence {
  readonly tokens: number[] = [];
  readonly cache: KvCache;
  /** In linear memory: the ids so far (i32), for the repetition penalty, and the sampler's state. */
  readonly history: number;
  readonly samplerState: number;
  policy: KvPolicy;
  blend: ResolvedBlend = EMPTY_BLEND;
  done = 0;
  /** Tokens that were worked again because the blend had changed. */
  recomputed = 0;
  /** What that took: their share of the frames they stood in, in milliseconds. */
  recomputeMs = 0;
  /** Of the tokens to be worked again, those that haven't been yet. */
  #recomputing = 0;
  readonly #runtime: Runtime;
  readonly #contextLength: number;
  /** What the cache was computed under: ENTRY numbers for each adapter, and the base's generation. */
  readonly #signature: number[] = [];
  #signed = 0;
  #base = 0;
  #block: number;
  /** Tokens that were given, not generated: only these invoke an aLoRA. */
  #prompt = 0;
  /** Tokens up to which `history` is written. */
  #written = 0;

  /** @throws LorikeetError `memory/exhausted`, `model/no-cache` */
  constructor(runtime: Runtime, model: Model, contextLength: number, seed: number, policy: KvPolicy) {
    if (!model.kv) throw new LorikeetError('model/no-cache', `A ${model.modelType} model doesn't generate: expected a language model.`, { found: model.modelType });
    this.#runtime = runtime;
    this.#contextLength = contextLength;
    this.policy = policy;
    this.#block = runtime.kv.alloc(SAMPLER_STATE_BYTES + contextLength * 4);
    this.samplerState = this.#block;
    this.history = this.#block + SAMPLER_STATE_BYTES;
    try {
      this.cache = new KvCache(runtime, model.kv, contextLength);
    } catch (error) {
      runtime.kv.free(this.#block);
      throw error;
    }
    seedSampler(runtime, this.samplerState, seed);
  }

  get contextLength(): number {
    return this.#contextLength;
  }

  /** Tokens that are not in the cache yet. */
  get pending(): number {
    return this.tokens.length - this.done;
  }

  /**
   * Makes these the sequence's tokens, of which the first `prompt` were given and the rest generated. What the cache holds of a common beginning stays; at least the last token is worked
   * again, since its logits are wanted.
   *
   * @throws LorikeetError `context/full`
   */
  setTokens(ids: readonly number[], prompt = ids.length): void {
    if (ids.length > this.#contextLength) throw new LorikeetError('context/full', `The sequence has ${ids.length} tokens: expected at most ${this.#contextLength}; shorten the prompt or start anew.`, { expected: this.#contextLength, found: ids.length });
    let common = 0;
    while (common < ids.length && common < this.tokens.length && ids[common] === this.tokens[common]) common++;
    this.tokens.length = common;
    for (let i = common; i < ids.length; i++) this.tokens.push(ids[i]!);
    this.done = Math.max(0, Math.min(this.done, common, ids.length - 1));
    this.#written = Math.min(this.#written, common);
    this.#prompt = prompt;
  }

  /**
   * Room for `positions` tokens in all, taken before the first step, so that the token loop allocates nothing.
   *
   * @throws LorikeetError `context/full`, `memory/exhausted`
   */
  reserve(positions: number): void {
    if (positions > this.#contextLength) throw new LorikeetError('context/full', `The context has ${this.#contextLength} tokens: expected room for ${positions}.`, { expected: this.#contextLength, found: positions });
    this.cache.reserve(positions);
  }

  /** Writes the ids that are new into linear memory. */
  writeHistory(): void {
    const { i32 } = this.#runtime.views;
    for (; this.#written < this.tokens.length; this.#written++) i32[this.history / 4 + this.#written] = this.tokens[this.#written]!;
  }

  /**
   * Compares the blend as it is now with what the cache was computed under. Where they differ and the policy says so, the cache is forgotten from the first
   * position that the change can reach.
   *
   * @returns true if the blend is the same
   */
  followBlend(baseGeneration: number): boolean {
    const { adapters, weights } = this.blend;
    // The first position whose keys and values the change can reach: 0, but where every adapter, old and new, is an aLoRA, the earliest of their starts.
    let reach = Infinity;
    for (let i = 0; i < this.#signed; i++) reach = Math.min(reach, this.#signature[i * ENTRY + 2]!);
    let signed = 0;
    let same = this.#base === baseGeneration;
    for (let i = 0; i < adapters.length; i++) {
      const adapter = adapters[i]!;
      const scale = effectiveScale(adapter, weights[i]!);
      const start = startOf(adapter, this.tokens, this.#prompt);
      if (scale === 0 || start === Infinity) continue;
      const at = signed++ * ENTRY;
      same = same && signed <= this.#signed && this.#signature[at] === adapter.id && this.#signature[at + 1] === scale && this.#signature[at + 2] === start;
      this.#signature[at] = adapter.id;
      this.#signature[at + 1] = scale;
      this.#signature[at + 2] = start;
      reach = Math.min(reach, start);
    }
    same = same && signed === this.#signed;
    if (this.#base !== baseGeneration) reach = 0;
    this.#signed = signed;
    this.#base = baseGeneration;
    if (same || this.policy === 'keep' || reach >= this.done) return same;
    this.recomputed += this.done - reach;
    this.#recomputing += this.done - reach;
    this.done = reach;
    return false;
  }

  /** Takes note that the next `rows` tokens are in the cache, and of the milliseconds that each took. */
  advance(rows: number, rowMs: number): void {
    const again = Math.min(rows, this.#recomputing);
    this.#recomputing -= again;
    this.recomputeMs += again * rowMs;
    this.done += rows;
  }

  /** Appends a segment of the next `rows` tokens to a domain, under the blend that {@link followBlend} has settled. */
  addSegment(domain: Domain, rows: number): Segment {
    const segment = addSegment(domain, rows, this.done);
    segment.table = this.cache.table;
    segment.tableStride = this.cache.tableStride;
    this.addBlend(segment);
    return segment;
  }

  /** Gives a segment this sequence's blend, scales as they stand now. */
  addBlend(segment: Segment): void {
    addBlend(segment, this.blend, this.tokens, this.#prompt);
  }

  /** Gives the cache and the state back. */
  dispose(): void {
    if (this.#block === 0) return;
    this.cache.dispose();
    this.#runtime.kv.free(this.#block);
    this.#block = 0;
  }
}
