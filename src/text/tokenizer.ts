import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import { LorikeetError } from '../errors.js';
import { asRustDoes } from './as-rust-does.js';
import { invalid, partOf, type Part } from './part.js';

/** Text to ids and back. A thin face of @huggingface/tokenizers, which gives what the Rust library of Hugging Face does with the same tokenizer.json. */
export interface Tokenizer {
  /**
   * `special`: put the post-processor's tokens around it (bos …). Special tokens written out in the text are recognised either way.
   * A lone surrogate, which no UTF-8 can hold, is read as U+FFFD.
   */
  encode(text: string, special?: boolean): number[];
  /** Ids to text, without special tokens unless asked for. */
  decode(ids: readonly number[], special?: boolean): string;
  /** The id of a token by its exact text, or undefined. */
  idOf(token: string): number | undefined;
}

/** What is used of the library (its declarations don't resolve under NodeNext). */
interface LibraryTokenizer {
  encode(text: string, options: { add_special_tokens: boolean }): { ids: number[] };
  decode(ids: number[], options: { skip_special_tokens: boolean; clean_up_tokenization_spaces: boolean }): string;
  token_to_id(token: string): number | undefined;
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
 * Builds a tokenizer from a tokenizer.json as an object.
 *
 * @throws LorikeetError `text/tokenizer-invalid`
 */
export function buildTokenizer(description: Part, config: Part = {}): Tokenizer {
  let tokenizer: LibraryTokenizer;
  try {
    tokenizer = new Library(asRustDoes(description), config);
  } catch (cause) {
    if (cause instanceof LorikeetError) throw cause;
    throw invalid(cause instanceof Error ? cause.message : String(cause), undefined, cause);
  }
  return {
    encode: (text, special = true) => tokenizer.encode(text.replace(/\p{Surrogate}/gu, '\uFFFD'), { add_special_tokens: special }).ids,
    // The library's clean-up of spaces before punctuation changes text that the model wrote as it meant it.
    decode: (ids, special = false) => (ids.length === 0 ? '' : tokenizer.decode([...ids], { skip_special_tokens: !special, clean_up_tokenization_spaces: false })),
    idOf: (token) => tokenizer.token_to_id(token),
  };
}
