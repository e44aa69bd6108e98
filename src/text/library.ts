// What is used of @huggingface/tokenizers, whose declarations don't resolve under NodeNext: the translation of Oniguruma's regexes, and the parts that language models
// which generate don't use.
import * as library from '@huggingface/tokenizers';
import type { Part } from './part.js';

type Maker<T> = new (part: Part) => T;
type TextMap = Maker<(text: string) => string>;
type ChainMap = Maker<{ decode_chain(tokens: string[]): string[] }>;

interface Library {
  readonly SplitPreTokenizer: Maker<{ readonly pattern: RegExp | null }>;
  readonly BertNormalizer: TextMap;
  readonly StripAccentsNormalizer: TextMap;
  readonly WordPiece: Maker<{ encode(words: string[]): string[]; readonly unk_token_id?: number }>;
  readonly WordPieceDecoder: ChainMap;
  readonly BPEDecoder: ChainMap;
  readonly CTCDecoder: ChainMap;
}

// Each by its name, so that a bundler leaves out the rest.
export const SplitPreTokenizer = (library as unknown as Library).SplitPreTokenizer;
export const BertNormalizer = (library as unknown as Library).BertNormalizer;
export const StripAccentsNormalizer = (library as unknown as Library).StripAccentsNormalizer;
export const WordPiece = (library as unknown as Library).WordPiece;
export const WordPieceDecoder = (library as unknown as Library).WordPieceDecoder;
export const BPEDecoder = (library as unknown as Library).BPEDecoder;
export const CTCDecoder = (library as unknown as Library).CTCDecoder;
