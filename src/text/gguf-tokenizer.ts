import { LorikeetError } from '../errors.js';
import { GGUF_PRE_TOKENIZERS } from './gguf-pre-tokenizers.js';
import type { Part } from './part.js';
import { mergesOfScores } from './sentencepiece.js';
import { encodeTexts, isEncodedTexts, indexOf, type EncodedTexts } from './text-table.js';
import { buildTokenizer, type Tokenizer } from './tokenizer.js';

/** What is asked of a GGUF's metadata: `GgufHeader.metadata` is one. */
export interface GgufKeys {
  get(key: string): unknown;
}

/** `tokenizer.ggml.token_type`: normal tokens are 1, bytes 6, unused ones 5. */
const NORMAL = 1;
const UNKNOWN = 2;
const CONTROL = 3;
const USER_DEFINED = 4;

/** Tokens after which llama.cpp generates nothing more, whatever the file says of them. */
const END_TEXTS: ReadonlySet<string> = new Set([
  '<|eot_id|>', '<|im_end|>', '<|end|>', '<|return|>', '<|call|>', '<|flush|>', '<|calls|>', '<end_of_turn>', '<|endoftext|>', '</s>', '<|eom_id|>', '<EOT>', '_<EOT>', '[EOT]', '[EOS]', '<|end_of_text|>',
  '<end_of_utterance>', '<eos>', '<turn|>', '<|tool_response>', '<｜end▁of▁sentence｜>', '[e~[',
]);
/** Tokens of code infilling that llama.cpp takes as control tokens; those that end a generation, too, by their keys. */
const INFILL_TEXTS: ReadonlySet<string> = new Set([
  '<|fim_prefix|>', '<fim-prefix>', '<fim_prefix>', '<｜fim▁begin｜>', '<PRE>', '▁<PRE>', '<|code_prefix|>', '<|prefix|>', '<|fim_suffix|>', '<fim-suffix>', '<fim_suffix>', '<｜fim▁hole｜>', '<SUF>', '▁<SUF>', '<|code_suffix|>',
  '<|suffix|>', '<|fim_middle|>', '<fim-middle>', '<fim_middle>', '<｜fim▁end｜>', '<MID>', '▁<MID>', '<|code_middle|>', '<|middle|>',
]);
const INFILL_END_TEXTS: readonly (readonly [key: string, texts: readonly string[]])[] = [
  ['fim_pad', ['<|fim_pad|>', '<fim-pad>', '<fim_pad>', '<PAD>', '[PAD]']],
  ['fim_rep', ['<|fim_repo|>', '<|repo_name|>', '<fim-repo>', '<REPO>', '<reponame>']],
  ['fim_sep', ['<|file_sep|>']],
];
/** Of gpt-oss: written out in an answer. */
const SHOWN_TEXTS: ReadonlySet<string> = new Set(['<|channel|>', '<|message|>', '<|start|>', '<|constrain|>']);

/** A GGUF's tokenizer. */
export interface GgufTokenizer {
  readonly tokenizer: Tokenizer;
  /** Ids that end an answer, in llama.cpp's reading. */
  readonly endTokens: readonly number[];
  /** Special tokens by their names in tokenizer_config.json (`bos_token` …), for the chat template. */
  readonly specialTokens: Readonly<Record<string, string>>;
}

/**
 * Builds the tokenizer of a GGUF from its metadata: the ids are those of llama.cpp (with special tokens parsed). null if the file has none.
 *
 * Where the model's own tokenizer.json would do otherwise, llama.cpp is followed: a GGUF is a llama.cpp file, and what it leaves out (added tokens' `lstrip`, a normalizer
 * such as Qwen's NFC) can't be known. The one exception is named in gguf-pre-tokenizers.ts.
 *
 * @throws LorikeetError `text/tokenizer-unsupported` (a model or pre-tokenizer that isn't known), `text/tokenizer-invalid`
 */
export function createGgufTokenizer(metadata: GgufKeys): GgufTokenizer | null {
  const keys = new Keys(metadata);
  const model = keys.text('model');
  if (model === undefined || model === 'none' || model === 'no_vocab') return null;
  const tokens = keys.texts('tokens');
  if (!tokens) throw invalid('tokens', 'a list of texts', undefined);
  const vocabulary = withoutEmpty(tokens);
  const types = keys.numbers('token_type', vocabulary.length);
  const parts = partsOf(model, keys, vocabulary, types);
  const special = { bos: keys.id('bos', parts.bos, vocabulary), eos: keys.id('eos', parts.eos, vocabulary) };
  const { added, endTokens } = readTokens(keys, vocabulary, types, special.eos);
  const frame = { type: 'TemplateProcessing', single: [...framed(special.bos, keys.flag('add_bos_token') ?? parts.addBos), { Sequence: { id: 'A' } }, ...framed(special.eos, keys.flag('add_eos_token') ?? parts.addEos)], special_tokens: Object.fromEntries([special.bos, special.eos].map((id) => [String(id), { ids: [id], tokens: [vocabulary.at(id)] }])) };
  const tokenizer = buildTokenizer({ ...parts.description, added_tokens: added, post_processor: frame });
  const named = [['bos_token', special.bos], ['eos_token', special.eos], ['unk_token', keys.id('unknown', -1, vocabulary)], ['pad_token', keys.id('padding', -1, vocabulary)], ['sep_token', keys.id('seperator', -1, vocabulary)]] as const;
  return { tokenizer, endTokens, specialTokens: Object.fromEntries(named.flatMap(([name, id]) => (id < 0 ? [] : [[name, vocabulary.at(id)]]))) };
}

const framed = (id: number, wanted: boolean): Part[] => (wanted && id >= 0 ? [{ SpecialToken: { id: String(id) } }] : []);

/** An empty token would be matched everywhere: llama.cpp gives it a name, too. */
function withoutEmpty(tokens: EncodedTexts): EncodedTexts {
  const { ends, gap, length } = tokens;
  let end = 0;
  let some = false;
  for (let id = 0; id < length; id++) {
    some ||= ends[id] === end + gap;
    end = ends[id]!;
  }
  return some ? encodeTexts(listOf(tokens).map((token, id) => token || `[EMPTY_${id}]`)) : tokens;
}

const listOf = (texts: EncodedTexts): string[] => Array.from({ length: texts.length }, (_, i) => texts.at(i));

/** What depends on the kind of tokenizer: parts of a tokenizer.json, and what llama.cpp takes where the file says nothing. */
function partsOf(model: string, keys: Keys, vocabulary: EncodedTexts, types: ArrayLike<number> | undefined): { description: Part; bos: number; eos: number; addBos: boolean; addEos: boolean } {
  if (model === 'gpt2') {
    const merges = keys.texts('merges');
    if (!merges) throw invalid('merges', 'a list of texts', undefined);
    const name = keys.text('pre') ?? 'default';
    const pre = GGUF_PRE_TOKENIZERS.get(name);
    if (!pre) {
      const known = [...GGUF_PRE_TOKENIZERS.keys()].sort();
      throw new LorikeetError('text/tokenizer-unsupported', `The GGUF's pre-tokenizer ("tokenizer.ggml.pre") is ${JSON.stringify(name)}, which isn't known; expected one of ${known.join(', ')}.`, { expected: known, found: name });
    }
    const description = {
      normalizer: null,
      model: { type: 'BPE', vocab: vocabulary, merges, ignore_merges: pre.ignoreMerges ?? false },
      pre_tokenizer: { type: 'Sequence', pretokenizers: [...pre.patterns.map((Regex) => ({ type: 'Split', pattern: { Regex }, behavior: 'Isolated', invert: false })), { type: 'ByteLevel', add_prefix_space: false, use_regex: false }] },
      decoder: { type: 'ByteLevel' },
    };
    return { description, bos: 11, eos: 11, addBos: pre.addBos ?? false, addEos: false };
  }
  if (model === 'llama') {
    // A text between special tokens begins with a space, each of them, as in the first version of Llama's own tokenizer.
    const prefixed = keys.flag('add_space_prefix') ?? true;
    const description = {
      normalizer: { type: 'Sequence', normalizers: [...(prefixed ? [{ type: 'Prepend', prepend: '▁' }] : []), { type: 'Replace', pattern: { String: ' ' }, content: '▁' }] },
      pre_tokenizer: null,
      model: { type: 'BPE', vocab: vocabulary, merges: mergesOfScores(listOf(vocabulary), keys.numbers('scores', vocabulary.length) ?? new Float32Array(vocabulary.length), (id) => (types?.[id] ?? NORMAL) === NORMAL), byte_fallback: true, fuse_unk: true, unk_token: vocabulary.at(keys.id('unknown', 0, vocabulary)) },
      decoder: { type: 'Sequence', decoders: [{ type: 'Replace', pattern: { String: '▁' }, content: ' ' }, { type: 'ByteFallback' }, { type: 'Fuse' }, ...(prefixed ? [{ type: 'Strip', content: ' ', start: 1, stop: 0 }] : [])] },
    };
    return { description, bos: 1, eos: 2, addBos: true, addEos: false };
  }
  throw new LorikeetError('text/tokenizer-unsupported', `The GGUF's tokenizer ("tokenizer.ggml.model") is ${JSON.stringify(model)}; expected gpt2 (byte-level BPE) or llama (SentencePiece).`, { expected: ['gpt2', 'llama'], found: model });
}

/** An entry of `added_tokens` in a tokenizer.json. */
interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly lstrip: boolean;
  readonly rstrip: boolean;
  readonly single_word: boolean;
  readonly normalized: boolean;
  readonly special: boolean;
}

/** The tokens that are found in the text itself, and those that end an answer. */
function readTokens(keys: Keys, vocabulary: EncodedTexts, types: ArrayLike<number> | undefined, eos: number): { added: AddedToken[]; endTokens: number[] } {
  const index = indexOf(vocabulary);
  const idsOf = (texts: Iterable<string>): number[] => Array.from(texts, (text) => index.find(text)).filter((id) => id >= 0);
  const ended = idsOf(END_TEXTS);
  const ends = new Set<number>([eos, keys.id('eot', -1, vocabulary), keys.id('eom', -1, vocabulary)].filter((id) => id >= 0));
  for (const id of ended) ends.add(id);
  /** Of the texts that mean the same the first counts; a key says more than any text. */
  const infillEnds = new Set<number>();
  for (const [key, texts] of INFILL_END_TEXTS) {
    const named = keys.id(key, -1, vocabulary);
    const id = named >= 0 ? named : (idsOf(texts)[0] ?? -1);
    if (id >= 0) infillEnds.add(id);
  }
  // Phi-3's tokens take the whitespace behind them along, which a GGUF can't say: llama.cpp, too, goes by the name.
  const phi3 = /phi-?3/i.test(keys.general('name') ?? '');
  const kept = new Set(['<unk>', '<s>', '<|endoftext|>']);
  const shown = new Set(idsOf(SHOWN_TEXTS));
  const control = new Set([...ended, ...idsOf(INFILL_TEXTS), ...infillEnds]);
  const found = new Set([...shown, ...control]);
  for (let id = 0; types && id < vocabulary.length; id++) if (types[id] === CONTROL || types[id] === UNKNOWN || types[id] === USER_DEFINED) found.add(id);
  const added = Array.from(found).sort((a, b) => a - b).map((id): AddedToken => {
    const content = vocabulary.at(id);
    const special = !shown.has(id) && (control.has(id) || types?.[id] === CONTROL || types?.[id] === UNKNOWN);
    return { id, content, lstrip: false, rstrip: phi3 && !kept.has(content), single_word: false, normalized: false, special };
  });
  for (const id of infillEnds) ends.add(id);
  // Harmony and its kin close each message with <|end|>, gemma4 quotes </s>: an answer goes on behind it.
  const anyEnds = (...texts: string[]): boolean => idsOf(texts).some((id) => ends.has(id));
  if (anyEnds('<|call|>', '<|calls|>') && anyEnds('<|return|>', '<|flush|>')) ends.delete(index.find('<|end|>'));
  if (index.find('<|tool_response>') >= 0) ends.delete(index.find('</s>'));
  return { added, endTokens: [...ends].sort((a, b) => a - b) };
}

const invalid = (key: string, expected: string, found: unknown): LorikeetError =>
  new LorikeetError('text/tokenizer-invalid', `The GGUF's "tokenizer.ggml.${key}" is ${found === undefined ? 'missing' : `not ${expected}`}: expected ${expected}.`, { expected, found: typeof found });

/** The metadata, each value checked where it is read. */
class Keys {
  readonly #metadata: GgufKeys;

  constructor(metadata: GgufKeys) {
    this.#metadata = metadata;
  }

  general(key: string): string | undefined {
    const value = this.#metadata.get(`general.${key}`);
    return typeof value === 'string' ? value : undefined;
  }

  text(key: string): string | undefined {
    const value = this.#metadata.get(`tokenizer.ggml.${key}`);
    if (value !== undefined && typeof value !== 'string') throw invalid(key, 'a text', value);
    return value;
  }

  flag(key: string): boolean | undefined {
    const value = this.#metadata.get(`tokenizer.ggml.${key}`);
    if (value !== undefined && typeof value !== 'boolean') throw invalid(key, 'true or false', value);
    return value;
  }

  texts(key: string): EncodedTexts | undefined {
    const value = this.#metadata.get(`tokenizer.ggml.${key}`);
    if (value === undefined || isEncodedTexts(value)) return value;
    if (!Array.isArray(value) || (value as unknown[]).some((text) => typeof text !== 'string')) throw invalid(key, 'a list of texts', value);
    return encodeTexts(value as string[]);
  }

  /** A list of at least `count` numbers; what stands behind them belongs to no token. */
  numbers(key: string, count: number): ArrayLike<number> | undefined {
    const value = this.#metadata.get(`tokenizer.ggml.${key}`);
    if (value === undefined) return undefined;
    if (!(value instanceof Float32Array || value instanceof Int32Array) || value.length < count) throw invalid(key, `a list of ${count} numbers, one for each token`, value);
    return value.subarray(0, count);
  }

  /** A special token's id; one beyond the vocabulary is ignored, as llama.cpp does. −1: none. */
  id(key: string, fallback: number, vocabulary: EncodedTexts): number {
    const value = this.#metadata.get(`tokenizer.ggml.${key}_token_id`);
    for (const id of [value, fallback]) if (typeof id === 'number' && Number.isInteger(id) && id >= 0 && id < vocabulary.length) return id;
    return -1;
  }
}
