/**
 * Parts of @huggingface/tokenizers 0.2.0 that do otherwise than the Rust library and that no rewriting of tokenizer.json can mend: they are replaced on the tokenizer that the library
 * built. Beside each a text or the tokens that differ.
 */
import { createSplitter, readAddedToken, type AddedToken } from './added-tokens.js';
import type { TokenIds } from './bpe-tables.js';
import { textOf, type Part } from './part.js';
import { createCharsMap } from './precompiled.js';
import { isEncodedTexts } from './text-table.js';

/** What is used of the library's tokenizer (its declarations don't resolve under NodeNext). */
export interface LibraryTokenizer {
  encode(text: string, options: { add_special_tokens: boolean }): { ids: number[] };
  decode(ids: number[], options: { skip_special_tokens: boolean; clean_up_tokenization_spaces: boolean }): string;
  token_to_id(token: string): number | undefined;
  /** A text, without the post-processor's tokens, as tokens; null where there is no second text. */
  encode_text(text: string | null): string[] | null;
  readonly normalizer: ((text: string) => string) | null;
  readonly pre_tokenizer: ((text: string, options: { section_index: number }) => string[]) | null;
  readonly model: ((words: string[]) => string[]) & { readonly vocab: (string | undefined)[]; readonly tokens_to_ids: TokenIds };
  readonly decoder: DecoderPart | null;
  readonly special_tokens: readonly string[];
}

interface DecoderPart {
  readonly config: Part;
  readonly decoders?: readonly DecoderPart[];
  decode_chain(tokens: string[]): string[];
}

interface PreTokenizerPart {
  readonly config?: Part;
  readonly tokenizers?: readonly PreTokenizerPart[];
  pattern?: RegExp;
}

interface NormalizerPart {
  readonly config: Part;
  readonly normalizers?: readonly NormalizerPart[];
  normalize(text: string): string;
}

export function mendParts(tokenizer: LibraryTokenizer, description: Part): void {
  if (tokenizer.normalizer) eachNormalizer(tokenizer.normalizer as unknown as NormalizerPart);
  if (tokenizer.decoder) eachDecoder(tokenizer.decoder);
  if (tokenizer.pre_tokenizer) eachPreTokenizer(tokenizer.pre_tokenizer as unknown as PreTokenizerPart);
  const model = description['model'] as Part;
  mendWords(tokenizer, model);
  mendAddedTokens(tokenizer, (description['added_tokens'] as unknown[]).map(readAddedToken));
}

function eachNormalizer(part: NormalizerPart): void {
  part.normalizers?.forEach(eachNormalizer);
  if (part.config['type'] === 'Lowercase') {
    // Character by character: `ΑΣ` has no final sigma.
    part.normalize = (text) => (text.includes('Σ') ? Array.from(text, (character) => character.toLowerCase()).join('') : text.toLowerCase());
  }
  if (part.config['type'] === 'Prepend') {
    const prepend = textOf(part.config, 'prepend');
    part.normalize = (text) => (text === '' ? '' : prepend + text);
  }
  const map = part.config['precompiled_charsmap'];
  if (part.config['type'] === 'Precompiled' && typeof map === 'string' && map !== '') {
    // The file's own table instead of NFKC: `①`, U+200B.
    part.normalize = createCharsMap(map);
  }
}

function eachPreTokenizer(part: PreTokenizerPart): void {
  part.tokenizers?.forEach(eachPreTokenizer);
  // With `add_prefix_space` no Split can stand in (`\ufeffa`): White_Space holds U+0085 and not U+FEFF.
  if (part.config?.['type'] === 'ByteLevel') part.pattern = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;
}

function eachDecoder(part: DecoderPart): void {
  part.decoders?.forEach(eachDecoder);
  const { type } = part.config;
  if (type === 'ByteFallback') part.decode_chain = byteFallback;
  if (type === 'Metaspace') {
    // The first token loses all its marks, or none (`▁▁a`; prepend_scheme "never").
    const mark = textOf(part.config, 'replacement', '▁');
    const prefixed = part.config['prepend_scheme'] !== 'never' && part.config['add_prefix_space'] !== false;
    part.decode_chain = (tokens) => tokens.map((token, i) => token.replaceAll(mark, i === 0 && prefixed ? '' : ' '));
  }
  // Added tokens are bytes like any other (`Thé` reads as `Th\ufffd`), and a character may go on behind one.
  if (type === 'ByteLevel') part.decode_chain = (tokens) => [UTF8.decode(byteLevelBytes(tokens))];
}

const UTF8 = new TextDecoder('utf-8', { ignoreBOM: true });
const STRICT = new TextDecoder('utf-8', { ignoreBOM: true, fatal: true });
const ENCODER = new TextEncoder();
/** A byte, where a vocabulary has no character for it. */
export const BYTE = /^<0x([0-9A-Fa-f]{2})>$/;

/** Each byte of a run that isn't UTF-8 is a U+FFFD (`<0xE6><0xBC>`), and U+FEFF stays. */
function byteFallback(tokens: string[]): string[] {
  const out: string[] = [];
  let run: number[] = [];
  const tell = (): void => {
    if (run.length === 0) return;
    try {
      out.push(STRICT.decode(Uint8Array.from(run)));
    } catch {
      for (let i = 0; i < run.length; i++) out.push('\uFFFD');
    }
    run = [];
  };
  for (const token of tokens) {
    const byte = BYTE.exec(token);
    if (byte) run.push(parseInt(byte[1]!, 16));
    else {
      tell();
      out.push(token);
    }
  }
  tell();
  return out;
}

/** GPT-2's names for bytes: printable ones of Latin-1 are themselves, the others the characters from U+0100 on. */
const BYTES: ReadonlyMap<string, number> = (() => {
  let next = 0x100;
  return new Map(Array.from({ length: 256 }, (_, byte) => [String.fromCharCode((byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae ? byte : next++), byte]));
})();

function byteLevelBytes(tokens: readonly string[]): Uint8Array {
  const bytes: number[] = [];
  for (const token of tokens) {
    const spelt = Array.from(token, (character) => BYTES.get(character));
    // A token with any other character stands for its own UTF-8.
    bytes.push(...(spelt.includes(undefined) ? ENCODER.encode(token) : (spelt as number[])));
  }
  return Uint8Array.from(bytes);
}

/** What the model gives for words is replaced where it is a text that no token has: Unigram's `byte_fallback` is overlooked by the library (`漢` reads as `<unk>`). */
function mendWords(tokenizer: LibraryTokenizer, model: Part): void {
  if (model['type'] !== 'Unigram' && !isEncodedTexts(model['vocab'])) return;
  const { tokens_to_ids: ids } = tokenizer.model;
  const bytes = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);
  const spell = (token: string): string[] => {
    const spelt = Array.from(ENCODER.encode(token), (byte) => bytes[byte]!);
    return spelt.every((byte) => ids.has(byte)) ? spelt : [token];
  };
  const fallback = model['byte_fallback'] === true;
  const unknown = (model['unk_id'] ?? null) === null ? undefined : tokenizer.model.vocab[model['unk_id'] as number];
  const library = tokenizer.model as unknown as { _call(words: string[]): string[]; encode(words: string[]): string[] };
  library._call = (words) =>
    words.flatMap((word) => {
      // Neighbours that are unknown become one, within a word.
      const tokens: string[] = [];
      let fused = false;
      for (const token of library.encode([word])) {
        const missing = !ids.has(token) || token === unknown;
        if (missing && fused) tokens.push(tokens.pop()! + token);
        else tokens.push(token);
        fused = missing;
      }
      return tokens.flatMap((token) => (fallback && !ids.has(token) ? spell(token) : [token]));
    });
}

/**
 * Added tokens. The library overlooks `single_word`; strips what JavaScript's `trim` calls space, also from a token that is nothing but spaces; takes a text that comes
 * after an added token for the first one where the token was found in the normalized text.
 */
function mendAddedTokens(tokenizer: LibraryTokenizer, added: readonly AddedToken[]): void {
  const { normalizer, pre_tokenizer: split, model } = tokenizer;
  const normalized = normalizer ? added.filter((token) => token.normalized) : [];
  const contents = normalized.map((token) => normalizer!(token.content));
  const verbatim = createSplitter(normalizer ? added.filter((token) => !token.normalized) : added);
  const afterwards = createSplitter(normalized, contents);
  // Decoded, a token that is found in the normalized text reads as it does there.
  normalized.forEach((token, i) => { model.vocab[token.id] = contents[i]!; });

  const words = (text: string, first: boolean): string[] => model(split ? split(text, { section_index: first ? 0 : 1 }) : [text]);
  const section = (text: string, first: boolean, told: string[]): void => {
    const now = normalizer ? normalizer(text) : text;
    if (now === '') return;
    if (!afterwards) for (const token of words(now, first)) told.push(token);
    else afterwards(now, (stretch, token, from) => { for (const one of token ? [token.content] : words(stretch, first && from === 0)) told.push(one); });
  };
  tokenizer.encode_text = (text) => {
    if (text === null) return null;
    const told: string[] = [];
    if (!verbatim) section(text, true, told);
    else verbatim(text, (stretch, token, from) => (token ? void told.push(token.content) : section(stretch, from === 0, told)));
    return told;
  };
}
