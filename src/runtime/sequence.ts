import { EMPTY_BLEND, type ResolvedBlend } from '../adapters/adapter.js';
import { addBlend } from '../adapters/blend.js';
import type { Runtime } from '../arena/runtime.js';
import { LorikeetError } from '../errors.js';
import type { Model } from '../models/model.js';
import { addSegment, type Domain, type Segment } from '../ops/frame.js';
import { SAMPLER_STATE_BYTES, seedSampler } from '../sample/sampler.js';
import { KvCache } from '../models/kv-cache.js';
import type { KvPool } from '../models/kv-pool.js';
import { KvSignature } from '../models/kv-signature.js';

/** What becomes of the cache when the blend changes within a sequence: computed anew (exact), or kept (as PEFT and llama.cpp do). */
export type KvPolicy = 'recompute' | 'keep';

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
  /** Tokens that were not worked, since others had worked them. */
  cachedTokens = 0;
  /** What recomputing took: their share of the frames they stood in, in milliseconds. */
  recomputeMs = 0;
  /** Of the tokens to be worked again, those that haven't been yet. */
  #recomputing = 0;
  readonly #runtime: Runtime;
  readonly #contextLength: number;
  /** What the cache was computed under; with `keep`, what it is computed under now, from #mixed on. */
  readonly #signature = new KvSignature();
  #mixed = Infinity;
  /** Positions that there shall be room for. */
  #reserved = 0;
  #block: number;
  /** Tokens that were given, not generated: only these invoke an aLoRA. */
  #prompt = 0;
  /** Tokens up to which `history` is written. */
  #written = 0;

  /** @throws LorikeetError `memory/exhausted`, `model/no-cache` */
  constructor(runtime: Runtime, model: Model, pool: KvPool | null, contextLength: number, seed: number, policy: KvPolicy) {
    if (!pool) throw new LorikeetError('model/no-cache', `A ${model.modelType} model doesn't generate: expected a language model.`, { found: model.modelType });
    this.#runtime = runtime;
    this.#contextLength = contextLength;
    this.policy = policy;
    this.#block = runtime.kv.alloc(SAMPLER_STATE_BYTES + contextLength * 4);
    this.samplerState = this.#block;
    this.history = this.#block + SAMPLER_STATE_BYTES;
    try {
      this.cache = new KvCache(pool, contextLength);
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
    this.#register(this.done);
    let common = 0;
    while (common < ids.length && common < this.tokens.length && ids[common] === this.tokens[common]) common++;
    this.tokens.length = common;
    for (let i = common; i < ids.length; i++) this.tokens.push(ids[i]!);
    this.#forget(Math.max(0, Math.min(common, ids.length - 1)));
    this.#written = Math.min(this.#written, common);
    this.#prompt = prompt;
  }

  #checkRoom(positions: number): void {
    if (positions > this.#contextLength) throw new LorikeetError('context/full', `The context has ${this.#contextLength} tokens: expected room for ${positions}.`, { expected: this.#contextLength, found: positions });
  }

  /** Writes the ids that are new into linear memory. */
  writeHistory(): void {
    const { i32 } = this.#runtime.views;
    for (; this.#written < this.tokens.length; this.#written++) i32[this.history / 4 + this.#written] = this.tokens[this.#written]!;
  }

  /**
   * Makes ready for an answer: these tokens, of which the first `prompt` were given, under this blend, what others have worked of them taken over, room for `positions` tokens in all.
   *
   * @throws LorikeetError `context/full`, `memory/exhausted`; the tokens stay as they were then
   */
  begin(ids: readonly number[], prompt: number, positions: number, blend: ResolvedBlend, baseGeneration: number): void {
    const former = { tokens: this.tokens.slice(), prompt: this.#prompt, blend: this.blend, reserved: this.#reserved };
    this.#checkRoom(positions);
    this.setTokens(ids, prompt);
    this.blend = blend;
    this.#reserved = positions;
    try {
      this.followBlend(baseGeneration);
    } catch (error) {
      this.setTokens(former.tokens, former.prompt);
      this.blend = former.blend;
      this.#reserved = former.reserved;
      throw error;
    }
  }

  /**
   * Settles what the cache holds before the next rows are worked. Compares the blend as it is now with what the cache was computed under; where they differ and the policy says so, the cache is
   * forgotten from the first position that the change can reach. Blocks that are full are keyed, and those that others have worked taken over; what may be written from here on is the sequence's own.
   *
   * @returns true if the blend is the same
   * @throws LorikeetError `memory/exhausted` where a change, or a common beginning that ends within a shared block, asks for blocks of its own
   */
  followBlend(baseGeneration: number): boolean {
    const { cache } = this;
    this.#register(this.done);
    const reach = this.#signature.follow(this.blend, this.tokens, this.#prompt, baseGeneration);
    if (reach < this.done) {
      if (this.policy === 'keep') this.#mixed = Math.min(this.#mixed, this.done);
      else {
        this.recomputed += this.done - reach;
        this.#recomputing += this.done - reach;
        this.#forget(reach);
        if (reach <= this.#mixed) this.#mixed = Infinity;
      }
    }
    const found = cache.adopt(this.tokens, this.done, this.#signature) - this.done;
    if (found > 0) {
      this.done += found;
      this.cachedTokens += found;
      const again = Math.min(found, this.#recomputing);
      this.recomputed -= again;
      this.#recomputing -= again;
    }
    cache.cut(this.done);
    cache.giveBack(this.done);
    cache.reserve(this.#reserved);
    return reach === Infinity;
  }

  /** Keys the blocks that are full and hold nothing of another blend. */
  #register(positions: number): void {
    this.cache.register(this.tokens, Math.min(positions, this.#mixed), this.#signature);
  }

  /** Keeps no more than `positions` positions of the cache; none, where a sliding window has let go of what these would have to see. */
  #forget(positions: number): void {
    this.done = this.cache.keep(Math.min(this.done, positions));
    if (this.#mixed !== Infinity) this.#mixed = this.done === 0 ? Infinity : Math.min(this.#mixed, this.done);
  }

  /** Takes note that the next `rows` tokens are in the cache, and of the milliseconds that each took. */
  advance(rows: number, rowMs: number): void {
    const again = Math.min(rows, this.#recomputing);
    this.#recomputing -= again;
    this.recomputeMs += again * rowMs;
    this.done += rows;
    // What is generated is keyed when the next rows are settled.
    this.#register(Math.min(this.done, this.#prompt));
  }

  /** Appends a segment of the next `rows` tokens to a domain, under the blend that {@link followBlend} has settled. */
  addSegment(domain: Domain, rows: number): Segment {
    const segment = addSegment(domain, rows, this.done);
    segment.table = this.cache.table;
    segment.tableStride = this.cache.tableStride;
    segment.kvDtype = this.cache.dtype;
    this.addBlend(segment);
    return segment;
  }

  /** Gives a segment this sequence's blend, scales as they stand now. */
  addBlend(segment: Segment): void {
    addBlend(segment, this.blend, this.tokens, this.#prompt);
  }

  /** Gives the cache and the state back; what is keyed of it stays to be found. */
  dispose(): void {
    if (this.#block === 0) return;
    this.#register(this.done);
    this.cache.dispose();
    this.#runtime.kv.free(this.#block);
    this.#block = 0;
  }
}
