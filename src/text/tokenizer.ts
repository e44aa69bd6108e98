import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import { LorikeetError } from '../errors.js';
import { asRustDoes } from './as-rust-does.js';
import { fillTables, hasPlainTables, tokenTexts, withoutTables, type BpeModel } from './bpe-tables.js';
import { BYTE, mendParts, type LibraryTokenizer } from './library-parts.js';
import { invalid, partOf, type Part } from './part.js';

/** Text to ids and back. A thin face of @huggingface/tokenizers, which gives what the Rust library of Hugging Face does with the same tokenizer.json. */
export interface Tokenizer {
  /**
   * `special`: put the post-processor's tokens around it (bos …). Special tokens written out in the text are recognised either way.
   * A lone surrogate, which no UTF-8 can hold, is read as U+FFFD.
   */
  encode(text: string, special?: boolean): number[];
  /** Ids to text, without special tokens unless asked for. Ids of no token are left out. */
  decode(ids: readonly number[], special?: boolean): string;
  /**
   * True if a token's text can't change with the ids behind it, but for the bytes of an unfinished character. False of a byte such as `<0xF0>` (a run of them that isn't UTF-8 reads otherwise, from its first
   * byte on) and, where there are such, of tokens that are left out: a run goes on behind them.
   */
  isSettled(id: number): boolean;
  /** The id of a token by its exact text, or undefined. */
  idOf(token: string): number | undefined;
}

const Library = HuggingFaceTokenizer as unknown as new (tokenizer: object, config: object) => LibraryTokenizer;

/**
 * Builds a tokenizer from the texts of tokenizer.json and tokenizer_config.json.
 *
 * @throws LorikeetError `text/tokenizer-invalid`
 */
export function createTokenizer(tokenizerJson: string, configJson: string): Tokenizer {
  let tokenizer: unknown;
  let config: unknown;
  try {
    tokenizer = JSON.parse(tokenizerJson);
    config = JSON.parse(configJson);
  } catch (cause) {
    throw invalid(`it is no JSON (${cause instanceof Error ? cause.message : String(cause)})`, undefined, cause);
  }
  return buildTokenizer(partOf(tokenizer, 'it'), partOf(config, 'tokenizer_config.json'));
}

/**
 * Builds a tokenizer from a tokenizer.json as an object; `vocab` and `merges` of a BPE may also be encoded texts, tokens and merges in their order.
 *
 * @throws LorikeetError `text/tokenizer-invalid`
 */
export function buildTokenizer(description: Part, config: Part = {}): Tokenizer {
  let tokenizer: LibraryTokenizer;
  try {
    const rewritten = asRustDoes(description, config);
    const model = partOf(rewritten['model'], 'model');
    const plain = hasPlainTables(model);
    tokenizer = new Library(plain ? { ...rewritten, model: withoutTables(model) } : rewritten, config);
    if (plain) fillTables(tokenizer.model as unknown as BpeModel, model, rewritten['added_tokens'] as Part[]);
    mendParts(tokenizer, rewritten);
  } catch (cause) {
    if (cause instanceof LorikeetError) throw cause;
    throw invalid(cause instanceof Error ? cause.message : String(cause), undefined, cause);
  }
  const textOf = tokenTexts(tokenizer.model.vocab, partOf(description['model'], 'model')['vocab']);
  const hidden = new Set(tokenizer.special_tokens);
  const bytes = JSON.stringify(description['decoder'] ?? null).includes('"ByteFallback"');
  return {
    encode: (text, special = true) => tokenizer.encode(text.replace(/\p{Surrogate}/gu, '\uFFFD'), { add_special_tokens: special }).ids,
    decode(ids, special = false) {
      const known = ids.filter((id) => textOf(id) !== undefined);
      // The library's clean-up of spaces before punctuation changes text that the model wrote as it meant it.
      return known.length === 0 ? '' : tokenizer.decode(known, { skip_special_tokens: !special, clean_up_tokenization_spaces: false });
    },
    isSettled(id) {
      if (!bytes) return true;
      const token = textOf(id);
      return token !== undefined && !BYTE.test(token) && !hidden.has(token);
    },
    idOf: (token) => tokenizer.token_to_id(token),
  };
}
