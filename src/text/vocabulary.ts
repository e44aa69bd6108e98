import { idOf, invalid } from './part.js';

/** Turns one word of the pre-tokenizer into ids. */
export interface WordModel {
  /** Every token of the model by its text. */
  readonly ids: ReadonlyMap<string, number>;
  /** Appends the ids of a word. */
  encode(word: string, ids: number[]): void;
}

/** The vocabulary: an object as in the file, or a list of tokens whose places are their ids. */
export type Vocabulary = Readonly<Record<string, number>> | readonly string[];

/** `vocab` of a model by text. */
export function vocabularyOf(value: unknown): Map<string, number> {
  if (Array.isArray(value)) {
    const map = new Map<string, number>();
    // Of equal tokens the first counts, as in llama.cpp; a file's object has none.
    for (let id = 0; id < value.length; id++) if (!map.has(value[id] as string)) map.set(value[id] as string, id);
    return map;
  }
  if (typeof value !== 'object' || value === null) throw invalid('model.vocab must be an object', value);
  const map = new Map<string, number>();
  for (const [token, id] of Object.entries(value)) map.set(token, idOf(id, `the id of token ${JSON.stringify(token)}`));
  return map;
}

/** Ids of `<0x00>` … `<0xFF>`, −1 where there is none. */
export function byteTokens(ids: ReadonlyMap<string, number>): Int32Array {
  return Int32Array.from({ length: 256 }, (_, byte) => ids.get(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`) ?? -1);
}
