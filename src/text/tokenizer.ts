import { WordPiece } from './library.js';
import { LorikeetError } from '../errors.js';
import { type AddedToken, createSplitter, readAddedToken } from './added-tokens.js';
import { createBpe } from './bpe.js';
import { createDecoder } from './decoder.js';
import { createNormalizer } from './normalizer.js';
import { idOf, invalid, listOf, partOf, textOf, type Part } from './part.js';
import { createFrame, NO_FRAME } from './post-processor.js';
import { createPreTokenizer } from './pre-tokenizer.js';
import { createSentencePiece } from './sentencepiece.js';
import { createUnigram } from './unigram.js';
import { vocabularyOf, type WordModel } from './vocabulary.js';

/** Text to ids and back, as the Rust library of Hugging Face does it with the same tokenizer.json. */
export interface Tokenizer {
  /**
   * `special`: put the post-processor's tokens around it (bos …). Special tokens written out in the text are recognised either way.
   * A lone surrogate, which no UTF-8 can hold, is read as U+FFFD.
   */
  encode(text: string, special?: boolean): number[];
  /** Ids to text, without special tokens unless asked for. Ids of no token are left out. */
  decode(ids: readonly number[], special?: boolean): string;
  /** Decodes ids that come one by one: all pieces together are what `decode` gives, and none breaks a character. */
  stream(special?: boolean): TextDecoding;
  /** The id of a token by its exact text, or undefined. */
  idOf(token: string): number | undefined;
  /** The token of an id by its exact text, or undefined. */
  tokenOf(id: number): string | undefined;
}

/** The text of ids that come one by one. */
export interface TextDecoding {
  /** The text that is now certain, perhaps none. */
  push(id: number): string;
  /** What was still held back. */
  end(): string;
}

/** tokenizer.json, read; `model.vocab` may also be a list of tokens whose places are their ids. */
export type TokenizerDescription = Part;

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
 * Builds a tokenizer from a description.
 *
 * @throws LorikeetError `text/tokenizer-invalid`
 */
export function buildTokenizer(description: TokenizerDescription, config: Part = {}): Tokenizer {
  try {
    return assemble(description, config);
  } catch (cause) {
    if (cause instanceof LorikeetError) throw cause;
    throw invalid(cause instanceof Error ? cause.message : String(cause), undefined, cause);
  }
}

function assemble(description: TokenizerDescription, config: Part): Tokenizer {
  const optional = <T>(key: string, make: (part: Part) => T): T | null => (description[key] === null || description[key] === undefined ? null : make(partOf(description[key], key)));
  const model = createModel(partOf(description['model'], 'model'));
  const normalize = optional('normalizer', createNormalizer);
  const split = optional('pre_tokenizer', createPreTokenizer);
  const frame = optional('post_processor', createFrame) ?? NO_FRAME;
  const decoder = createDecoder(optional('decoder', (part) => part));
  const added = addedTokens(description, config, model);
  const special = new Set(added.filter((token) => token.special).map((token) => token.content));
  const contents = new Map(added.map((token) => [token.id, token.content]));
  const addedIds = new Map(added.map((token) => [token.content, token.id]));
  const tokens: (string | undefined)[] = [];
  for (const [token, id] of model.ids) tokens[id] = token;
  // Decoded, a token that is found in the normalized text reads as it does there.
  for (const token of added) tokens[token.id] = normalize && token.normalized ? normalize(token.content) : token.content;

  const normalized = normalize ? added.filter((token) => token.normalized) : [];
  const verbatim = createSplitter(normalize ? added.filter((token) => !token.normalized) : added);
  const afterwards = createSplitter(normalized, normalized.map((token) => normalize!(token.content)));

  const encodeWords = (text: string, first: boolean, ids: number[]): void => {
    for (const word of split ? split([text], first) : [text]) if (word !== '') model.encode(word, ids);
  };
  const encodeText = (text: string, first: boolean, ids: number[]): void => {
    const now = normalize ? normalize(text) : text;
    if (now === '') return;
    if (!afterwards) encodeWords(now, first, ids);
    else afterwards(now, (stretch, token, from) => (token ? void ids.push(token.id) : encodeWords(stretch, first && from === 0, ids)));
  };
  const encode = (text: string, framed = true): number[] => {
    const ids = framed ? [...frame.before] : [];
    const wellFormed = text.replace(/\p{Surrogate}/gu, '\uFFFD');
    if (!verbatim) encodeText(wellFormed, true, ids);
    else verbatim(wellFormed, (stretch, token, from) => (token ? void ids.push(token.id) : encodeText(stretch, from === 0, ids)));
    if (framed) for (const id of frame.after) ids.push(id);
    return ids;
  };
  const stream = (withSpecial = false): TextDecoding => {
    const decoding = decoder();
    return {
      push(id) {
        const token = tokens[id];
        return token === undefined || (!withSpecial && special.has(token)) ? '' : decoding.push(token);
      },
      end: () => decoding.end(),
    };
  };
  return {
    encode,
    stream,
    decode(ids, withSpecial) {
      const decoding = stream(withSpecial);
      let text = '';
      for (const id of ids) text += decoding.push(id);
      return text + decoding.end();
    },
    idOf: (token) => addedIds.get(token) ?? model.ids.get(token),
    tokenOf: (id) => contents.get(id) ?? tokens[id],
  };
}

function createModel(model: Part): WordModel {
  const type = model['type'] ?? (Array.isArray(model['vocab']) ? 'Unigram' : model['merges'] ? 'BPE' : undefined);
  switch (type) {
    case 'BPE':
      return createBpe(model);
    case 'Unigram':
      return createUnigram(model);
    case 'SentencePiece':
      return createSentencePiece(model);
    case 'WordLevel': {
      const ids = vocabularyOf(model['vocab']);
      const unknown = ids.get(textOf(model, 'unk_token'));
      return {
        ids,
        encode(word, out) {
          const id = ids.get(word) ?? unknown;
          if (id === undefined) throw invalid('the text holds a word that the vocabulary lacks, and there is no token for unknown ones', word);
          out.push(id);
        },
      };
    }
    case 'WordPiece': {
      const library = new WordPiece(model);
      const ids = vocabularyOf(model['vocab']);
      return { ids, encode: (word, out) => void out.push(...library.encode([word]).map((token) => idOf(ids.get(token) ?? library.unk_token_id, 'the id of the unknown token'))) };
    }
    default:
      throw invalid(`the model ${JSON.stringify(type)} is not known`, type);
  }
}

/** Names under which tokenizer_config.json speaks of special tokens. */
const SPECIAL = ['bos_token', 'eos_token', 'unk_token', 'sep_token', 'pad_token', 'cls_token', 'mask_token', 'additional_special_tokens', 'extra_special_tokens'];

/** The added tokens of tokenizer.json, then those that only tokenizer_config.json knows: transformers adds them when it loads the two. */
function addedTokens(description: TokenizerDescription, config: Part, model: WordModel): AddedToken[] {
  const added = (description['added_tokens'] ? listOf(description, 'added_tokens') : []).map((token) => readAddedToken(token));
  const known = new Set(added.map(({ content }) => content));
  const add = (token: AddedToken): void => {
    if (known.has(token.content) || token.content === '') return;
    known.add(token.content);
    added.push(token);
  };
  const decoder = config['added_tokens_decoder'];
  if (decoder !== undefined && decoder !== null) for (const [id, token] of Object.entries(partOf(decoder, 'added_tokens_decoder'))) add(readAddedToken(token, idOf(Number(id), 'an id of added_tokens_decoder')));
  for (const value of SPECIAL.flatMap((key) => config[key])) {
    const content = typeof value === 'string' ? value : typeof value === 'object' && value !== null && typeof (value as Part)['content'] === 'string' ? ((value as Part)['content'] as string) : undefined;
    // One that no vocabulary holds would get a new id, for which the model has no row.
    const id = content === undefined ? undefined : model.ids.get(content);
    if (id !== undefined) add(typeof value === 'string' ? { id, content: content!, lstrip: false, rstrip: false, singleWord: false, normalized: false, special: true } : { ...readAddedToken({ ...(value as Part), special: true }, id) });
  }
  return added;
}
