import { KeyHeap } from './heap.js';
import { invalid, type Part } from './part.js';
import { byteTokens, vocabularyOf, type WordModel } from './vocabulary.js';

/** A heap's key is rank · 2³² + position. */
const POSITIONS = 2 ** 32;

/**
 * SentencePiece's BPE as a GGUF has it: no list of merges, but a score for each token. Of all neighbours whose texts together are a token the pair with the highest score is merged
 * (of equals the leftmost), until there is none; a character that is no token is spelt in bytes.
 *
 * `vocab` is a list of tokens, `scores` as many numbers; `unk_id` stands for a byte that has no token.
 */
export function createSentencePiece(model: Part): WordModel {
  const ids = vocabularyOf(model['vocab']);
  const scores = model['scores'] as ArrayLike<number> | undefined;
  const count = (model['vocab'] as readonly string[]).length;
  if (!scores || scores.length !== count) throw invalid(`there must be ${count} scores, as many as tokens`, scores?.length);
  const ranks = ranksOf(scores);
  const bytes = byteTokens(ids);
  const unknown = typeof model['unk_id'] === 'number' ? model['unk_id'] : -1;
  const encoder = new TextEncoder();
  const heap = new KeyHeap();

  return {
    ids,
    encode(word, out) {
      /** Where each symbol starts, in UTF-16 units; the symbol behind it; the one before it. A symbol that was merged away has the length 0. */
      const starts: number[] = [];
      for (let at = 0; at < word.length; at += word.codePointAt(at)! > 0xffff ? 2 : 1) starts.push(at);
      const symbols = starts.length;
      const lengths = Int32Array.from(starts, (start, i) => (starts[i + 1] ?? word.length) - start);
      const next = Int32Array.from(starts, (_, i) => i + 1);
      const previous = Int32Array.from(starts, (_, i) => i - 1);
      /** The rank of a symbol and the next one as one token, or −1. */
      const rankAt = (left: number): number => {
        const right = next[left]!;
        if (right >= symbols) return -1;
        const id = ids.get(word.slice(starts[left], starts[right]! + lengths[right]!));
        return id === undefined ? -1 : ranks[id]!;
      };
      heap.clear();
      const offer = (left: number): void => {
        const rank = rankAt(left);
        if (rank >= 0) heap.push(rank * POSITIONS + left);
      };
      for (let i = 0; i + 1 < symbols; i++) offer(i);
      for (let key = heap.pop(); key >= 0; key = heap.pop()) {
        const rank = Math.floor(key / POSITIONS);
        const left = key - rank * POSITIONS;
        if (lengths[left] === 0 || rankAt(left) !== rank) continue;
        const right = next[left]!;
        lengths[left]! += lengths[right]!;
        lengths[right] = 0;
        next[left] = next[right]!;
        if (next[left] < symbols) previous[next[left]] = left;
        if (previous[left]! >= 0) offer(previous[left]!);
        offer(left);
      }
      for (let i = 0; i < symbols; i = next[i]!) {
        const text = word.slice(starts[i], starts[i]! + lengths[i]!);
        const id = ids.get(text);
        if (id !== undefined) out.push(id);
        else for (const byte of encoder.encode(text)) {
          const spelt = bytes[byte]! >= 0 ? bytes[byte]! : unknown;
          if (spelt >= 0) out.push(spelt);
        }
      }
    },
  };
}

/** 0 for the highest score, 1 for the next …; equal scores have equal ranks. */
function ranksOf(scores: ArrayLike<number>): Int32Array {
  const sorted = Float64Array.from(scores, (score) => -score).sort();
  const ranks = new Int32Array(scores.length);
  const rankOf = new Map<number, number>();
  for (let i = 0; i < sorted.length; i++) if (!rankOf.has(sorted[i]!)) rankOf.set(sorted[i]!, rankOf.size);
  for (let id = 0; id < scores.length; id++) ranks[id] = rankOf.get(-scores[id]!)!;
  return ranks;
}
