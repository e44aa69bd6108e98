import { KeyHeap } from './heap.js';
import { flagOf, invalid, textOf, type Part } from './part.js';
import { byteTokens, vocabularyOf, type WordModel } from './vocabulary.js';

/** Pairs of ids to their merge, in one open-addressed table: half a million merges are there in a tenth of a second, and a look-up makes no string. */
class MergeTable {
  readonly #mask: number;
  readonly #slots: Int32Array;
  readonly #left: Int32Array;
  readonly #right: Int32Array;
  /** The token that a merge makes. */
  readonly merged: Int32Array;

  constructor(count: number) {
    let size = 16;
    while (size < 2 * count) size *= 2;
    this.#mask = size - 1;
    this.#slots = new Int32Array(size).fill(-1);
    this.#left = new Int32Array(count);
    this.#right = new Int32Array(count);
    this.merged = new Int32Array(count);
  }

  #slot(left: number, right: number): number {
    let at = (Math.imul(left + 1, 0x9e3779b1) ^ Math.imul(right + 1, 0x85ebca6b)) >>> 0;
    at = (at ^ (at >>> 15)) & this.#mask;
    for (let rank = this.#slots[at]!; rank >= 0 && (this.#left[rank] !== left || this.#right[rank] !== right); rank = this.#slots[at]!) at = (at + 1) & this.#mask;
    return at;
  }

  /** Of equal pairs the last counts, as in the Rust library. */
  set(rank: number, left: number, right: number, merged: number): void {
    this.#left[rank] = left;
    this.#right[rank] = right;
    this.merged[rank] = merged;
    this.#slots[this.#slot(left, right)] = rank;
  }

  /** The rank of a pair's merge, or −1. */
  rank(left: number, right: number): number {
    return this.#slots[this.#slot(left, right)]!;
  }
}

/** A word's length in UTF-16 units up to which its ids are remembered, and how many words are. */
const CACHED_LENGTH = 64;
const CACHED_WORDS = 20_000;
/** A heap's key is rank · 2³² + position: exact in a double, and ordered as wanted. */
const POSITIONS = 2 ** 32;

/**
 * Byte-pair encoding: of all neighbours that have a merge, the pair of the lowest rank is merged (of equals the leftmost), until there is none.
 *
 * Written here and not taken from @huggingface/tokenizers, which keeps its merges as JSON texts: it takes 100 ms to load 49,000 of them and as long again for each
 * thousand words that it hasn't seen; unknown characters it fuses across words, where the Rust library fuses within one.
 */
export function createBpe(model: Part): WordModel {
  const ids = vocabularyOf(model['vocab']);
  const prefix = textOf(model, 'continuing_subword_prefix', '');
  const suffix = textOf(model, 'end_of_word_suffix', '');
  const unknown = typeof model['unk_token'] === 'string' ? ids.get(model['unk_token']) : undefined;
  const fuse = flagOf(model, 'fuse_unk', false);
  const ignoreMerges = flagOf(model, 'ignore_merges', false);
  const bytes = flagOf(model, 'byte_fallback', false) ? byteTokens(ids) : null;
  const table = readMerges(model['merges'], ids, prefix.length, flagOf(model, 'skip_unknown_merges', false));
  const cache = new Map<string, readonly number[]>();
  const encoder = new TextEncoder();

  /** A word's characters as ids, `symbols[0 … count)`. */
  let symbols = new Int32Array(256);
  let next = new Int32Array(256);
  let previous = new Int32Array(256);
  let count = 0;
  const push = (id: number): void => {
    if (count === symbols.length) {
      const wider = new Int32Array(2 * count);
      wider.set(symbols);
      symbols = wider;
      next = new Int32Array(2 * count);
      previous = new Int32Array(2 * count);
    }
    symbols[count++] = id;
  };
  const spell = (word: string): void => {
    count = 0;
    let pending = false;
    for (let at = 0; at < word.length; ) {
      const length = word.codePointAt(at)! > 0xffff ? 2 : 1;
      let symbol = word.slice(at, at + length);
      const character = symbol;
      if (at > 0 && prefix) symbol = prefix + symbol;
      at += length;
      if (at === word.length && suffix) symbol += suffix;
      const id = ids.get(symbol);
      if (id !== undefined) {
        if (pending) push(unknown!);
        pending = false;
        push(id);
        continue;
      }
      const spelt = bytes && [...encoder.encode(suffix || prefix ? symbol : character)].map((byte) => bytes[byte]!);
      if (spelt?.every((byte) => byte >= 0)) {
        for (const byte of spelt) push(byte);
      } else if (unknown !== undefined) {
        if (pending && !fuse) push(unknown);
        pending = true;
      }
    }
    if (pending) push(unknown!);
  };

  const heap = new KeyHeap();
  const merge = (): void => {
    for (let i = 0; i < count; i++) {
      next[i] = i + 1;
      previous[i] = i - 1;
    }
    heap.clear();
    const offer = (left: number): void => {
      const right = next[left]!;
      if (left < 0 || right >= count) return;
      const rank = table.rank(symbols[left]!, symbols[right]!);
      if (rank >= 0) heap.push(rank * POSITIONS + left);
    };
    for (let i = 0; i + 1 < count; i++) offer(i);
    for (let key = heap.pop(); key >= 0; key = heap.pop()) {
      const rank = Math.floor(key / POSITIONS);
      const left = key - rank * POSITIONS;
      // A pair of which a part was merged meanwhile is another pair, or none.
      if (symbols[left]! < 0) continue;
      const right = next[left]!;
      if (right >= count || table.rank(symbols[left]!, symbols[right]!) !== rank) continue;
      symbols[left] = table.merged[rank]!;
      symbols[right] = -1;
      next[left] = next[right]!;
      if (next[left] < count) previous[next[left]] = left;
      if (previous[left]! >= 0) offer(previous[left]!);
      offer(left);
    }
  };

  return {
    ids,
    encode(word, out) {
      if (ignoreMerges) {
        const whole = ids.get(word);
        if (whole !== undefined) {
          out.push(whole);
          return;
        }
      }
      const known = cache.get(word);
      if (known) {
        for (const id of known) out.push(id);
        return;
      }
      spell(word);
      if (count > 1) merge();
      const from = out.length;
      for (let i = 0; i < count; i++) if (symbols[i]! >= 0) out.push(symbols[i]!);
      if (word.length <= CACHED_LENGTH) {
        if (cache.size >= CACHED_WORDS) cache.clear();
        cache.set(word, out.slice(from));
      }
    },
  };
}

function readMerges(value: unknown, ids: ReadonlyMap<string, number>, prefixLength: number, skipUnknown: boolean): MergeTable {
  if (!Array.isArray(value)) throw invalid('model.merges must be a list', value);
  const table = new MergeTable(value.length);
  for (let rank = 0; rank < value.length; rank++) {
    const merge: unknown = value[rank];
    let left: unknown;
    let right: unknown;
    if (typeof merge === 'string') {
      const space = merge.indexOf(' ');
      left = merge.slice(0, space);
      right = merge.slice(space + 1);
    } else if (Array.isArray(merge)) [left, right] = merge as unknown[];
    const a = ids.get(left as string);
    const b = ids.get(right as string);
    const merged = a === undefined || b === undefined ? undefined : ids.get((left as string) + (prefixLength ? (right as string).slice(prefixLength) : (right as string)));
    if (merged === undefined && skipUnknown) continue;
    if (merged === undefined) throw invalid(`merge ${rank} speaks of a token that the vocabulary lacks`, merge);
    table.set(rank, a!, b!, merged);
  }
  return table;
}
