import { flagOf, idOf, invalid, type Part } from './part.js';
import { ROOT, Trie } from './trie.js';
import { byteTokens, type WordModel } from './vocabulary.js';

/** How much worse than the worst token an unknown character is: sentencepiece's constant. */
const UNKNOWN_PENALTY = 10;

/**
 * Unigram: of all ways to spell a word in tokens the one whose scores have the largest sum (Viterbi).
 *
 * Written here and not taken from @huggingface/tokenizers, which gives the unknown token's text another score than the Rust library does and spells no byte
 * fallback.
 */
export function createUnigram(model: Part): WordModel {
  const entries = model['vocab'];
  if (!Array.isArray(entries) || entries.length === 0) throw invalid('model.vocab must be a list of tokens with their scores', entries);
  const tokens: string[] = [];
  const scores = new Float64Array(entries.length);
  for (let id = 0; id < entries.length; id++) {
    const entry: unknown = entries[id];
    const [token, score] = Array.isArray(entry) ? (entry as unknown[]) : [];
    if (typeof token !== 'string' || typeof score !== 'number') throw invalid(`token ${id} must be a text and its score`, entry);
    tokens.push(token);
    scores[id] = score;
  }
  const unknown = model['unk_id'] === null || model['unk_id'] === undefined ? -1 : idOf(model['unk_id'], 'model.unk_id');
  const ids = new Map<string, number>();
  for (let id = 0; id < tokens.length; id++) ids.set(tokens[id]!, id);
  const trie = new Trie(tokens);
  const unknownScore = scores.reduce((least, score) => Math.min(least, score), Infinity) - UNKNOWN_PENALTY;
  const bytes = flagOf(model, 'byte_fallback', false) ? byteTokens(ids) : null;
  const encoder = new TextEncoder();

  return {
    ids,
    encode(word, out) {
      const length = word.length;
      /** Of the best way to each place: its score, its last token, and where that begins. */
      const best = new Float64Array(length + 1).fill(-Infinity);
      const token = new Int32Array(length + 1);
      const start = new Int32Array(length + 1).fill(-1);
      best[0] = 0;
      for (let at = 0; at < length; ) {
        const size = word.codePointAt(at)! > 0xffff ? 2 : 1;
        const reach = (end: number, score: number, id: number): void => {
          if (start[end]! >= 0 && score <= best[end]!) return;
          best[end] = score;
          token[end] = id;
          start[end] = at;
        };
        let single = false;
        for (let end = at, node = ROOT; end < length; ) {
          node = trie.step(node, word.charCodeAt(end++));
          if (node === 0) break;
          const id = trie.wordAt(node);
          if (id < 0) continue;
          reach(end, best[at]! + scores[id]!, id);
          single ||= end === at + size;
        }
        if (!single) reach(at + size, best[at]! + unknownScore, unknown);
        at += size;
      }
      // Backwards, then turned round; neighbours that are unknown become one.
      const pieces: [from: number, to: number][] = [];
      let fused = false;
      for (let end = length; end > 0; end = start[end]!) {
        const isUnknown = token[end] === unknown;
        if (isUnknown && fused) pieces.at(-1)![0] = start[end]!;
        else pieces.push([start[end]!, end]);
        fused = isUnknown;
      }
      for (const [from, to] of pieces.reverse()) {
        const piece = word.slice(from, to);
        const id = ids.get(piece);
        if (id !== undefined) out.push(id);
        else {
          const spelt = bytes && [...encoder.encode(piece)].map((byte) => bytes[byte]!);
          if (spelt?.every((byte) => byte >= 0)) for (const byte of spelt) out.push(byte);
          else if (unknown >= 0) out.push(unknown);
          else throw invalid('the text holds characters that the vocabulary lacks, and there is no token for unknown ones', piece);
        }
      }
    },
  };
}
