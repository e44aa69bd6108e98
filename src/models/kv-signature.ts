import { startOf, type Adapter, type ResolvedBlend } from '../adapters/adapter.js';
import { effectiveScale } from '../adapters/blend.js';
import { KV_BLOCK } from './kv-pool.js';

/** Under what one block was computed; equal texts are equal blends: (adapter, scale, first position within the block), in the blend's order, and the base's generation. */
export interface BlockBlend {
  readonly text: string;
  /** Ids of the adapters. */
  readonly adapters: readonly number[];
}

/** Numbers of one entry: adapter id, effective scale, start. */
const ENTRY = 3;

/** Under what a sequence's keys and values are computed: each adapter's id, scale and start, and the base's generation. */
export class KvSignature {
  readonly #entries: number[] = [];
  readonly #adapters: Adapter[] = [];
  #count = 0;
  #base = 0;
  /** The blend of a block to whose every position all of it applies, once it was asked for. */
  #whole: BlockBlend | null = null;

  /**
   * Makes this the signature of a blend as it stands now.
   *
   * @returns the first position whose keys and values the change can reach: 0, but where every adapter, old and new, is an aLoRA, the earliest of their starts; Infinity if nothing changed
   */
  follow({ adapters, weights }: ResolvedBlend, tokens: readonly number[], prompt: number, base: number): number {
    let reach = Infinity;
    for (let i = 0; i < this.#count; i++) reach = Math.min(reach, this.#entries[i * ENTRY + 2]!);
    const before = this.#count;
    let count = 0;
    let same = this.#base === base;
    for (let i = 0; i < adapters.length; i++) {
      const adapter = adapters[i]!;
      const scale = effectiveScale(adapter, weights[i]!);
      const start = startOf(adapter, tokens, prompt);
      if (scale === 0 || start === Infinity) continue;
      const at = count * ENTRY;
      same = same && count < before && this.#entries[at] === adapter.id && this.#entries[at + 1] === scale && this.#entries[at + 2] === start;
      this.#adapters[count++] = adapter;
      this.#entries[at] = adapter.id;
      this.#entries[at + 1] = scale;
      this.#entries[at + 2] = start;
      reach = Math.min(reach, start);
    }
    if (same && count === before) return Infinity;
    if (this.#base !== base) reach = 0;
    this.#count = count;
    this.#base = base;
    this.#whole = null;
    return reach;
  }

  /** The blend of a block: an aLoRA counts from its start on. null where an adapter is gone, so that nobody could ask for the block again. */
  blendOf(block: number): BlockBlend | null {
    const from = block * KV_BLOCK;
    let whole = true;
    for (let i = 0; i < this.#count; i++) {
      if (this.#adapters[i]!.retired) return null;
      whole = whole && this.#entries[i * ENTRY + 2]! <= from;
    }
    if (whole && this.#whole) return this.#whole;
    let text = String(this.#base);
    const ids: number[] = [];
    for (let i = 0; i < this.#count; i++) {
      const at = i * ENTRY;
      const start = Math.max(0, this.#entries[at + 2]! - from);
      if (start >= KV_BLOCK) continue;
      text += `|${this.#entries[at]!},${this.#entries[at + 1]!},${start}`;
      ids.push(this.#entries[at]!);
    }
    const blend: BlockBlend = { text, adapters: ids };
    if (whole) this.#whole = blend;
    return blend;
  }
}
