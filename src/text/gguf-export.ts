// A tokenizer.json and its companions as the keys `tokenizer.…` of a GGUF: the way llama.cpp's converter writes them.
import { LorikeetError } from '../errors.js';
import { GGUF_PRE_TOKENIZERS } from './gguf-pre-tokenizers.js';
import { flagOf, idOf, invalid, listOf, partOf, partsOf, textOf, type Part } from './part.js';

/** A value of a GGUF's metadata with the name of its type. */
export type TokenizerField =
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'u32'; readonly value: number }
  | { readonly type: 'bool'; readonly value: boolean }
  | { readonly type: 'array'; readonly value: readonly string[] | Int32Array | Float32Array };

/** What a model's folder says of its text. */
export interface TokenizerFiles {
  /** tokenizer.json, parsed; null of a model without text. */
  readonly tokenizer: Readonly<Record<string, unknown>> | null;
  /** tokenizer_config.json, parsed. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Chat templates by name, `default` and others. */
  readonly templates: ReadonlyMap<string, string>;
  /** What ends an answer, as generation_config.json or config.json has it. */
  readonly endTokens: readonly number[];
  /** Rows of the embedding: a vocabulary with fewer tokens is filled up. */
  readonly vocabSize: number;
  /** The pre-tokenizer's name, where its rules aren't known. */
  readonly pre?: string | undefined;
}

/** `enum llama_token_type`. */
const [NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE] = [1, 2, 3, 4, 5, 6] as const;
const BYTE_TOKEN = /^<0x[0-9A-Fa-f]{2}>$/;

const string = (value: string): TokenizerField => ({ type: 'string', value });
const strings = (value: readonly string[]): TokenizerField => ({ type: 'array', value });

/**
 * The keys of a tokenizer: byte-level BPE becomes llama.cpp's `gpt2`, BPE with SentencePiece's spaces and bytes its `llama`.
 *
 * @throws LorikeetError `text/tokenizer-invalid`, `quantize/tokenizer`, `quantize/pre-tokenizer`
 */
export function tokenizerFields(files: TokenizerFiles): Map<string, TokenizerField> {
  const fields = new Map<string, TokenizerField>();
  const { tokenizer } = files;
  if (tokenizer === null) return fields.set('tokenizer.ggml.model', string('no_vocab'));
  const model = partOf(tokenizer.model, 'model');
  if (textOf(model, 'type', 'BPE') !== 'BPE') throw unsupported(`its model is ${textOf(model, 'type')}`, 'BPE');
  const added = (tokenizer.added_tokens === undefined || tokenizer.added_tokens === null ? [] : listOf(tokenizer, 'added_tokens')).map((entry) => partOf(entry, 'an added token'));
  const isBytes = partsWithin(tokenizer.pre_tokenizer).concat(partsWithin(tokenizer.decoder)).some((part) => part.type === 'ByteLevel');
  const merges = mergesOf(model);
  const vocabulary = tokensOf(model, added, files.vocabSize);
  const tokens = strings(vocabulary.tokens);
  if (isBytes) {
    fields.set('tokenizer.ggml.model', string('gpt2')).set('tokenizer.ggml.pre', string(files.pre ?? preTokenizerName(tokenizer.pre_tokenizer, flagOf(model, 'ignore_merges', false))));
    fields.set('tokenizer.ggml.tokens', tokens).set('tokenizer.ggml.token_type', { type: 'array', value: vocabulary.types });
    fields.set('tokenizer.ggml.merges', strings(merges.map(([left, right]) => `${left} ${right}`)));
  } else {
    if (!flagOf(model, 'byte_fallback', false)) throw unsupported('it spells unknown characters neither by ByteLevel nor by byte_fallback', 'one of the two');
    fields.set('tokenizer.ggml.model', string('llama')).set('tokenizer.ggml.pre', string('default'));
    fields.set('tokenizer.ggml.tokens', tokens).set('tokenizer.ggml.scores', { type: 'array', value: scoresOf(vocabulary, merges) }).set('tokenizer.ggml.token_type', { type: 'array', value: vocabulary.types });
    fields.set('tokenizer.ggml.add_space_prefix', { type: 'bool', value: addsSpace(tokenizer) });
  }
  return setSpecial(fields, files, vocabulary);
}

interface Tokens {
  readonly tokens: readonly string[];
  readonly types: Int32Array;
  readonly ids: ReadonlyMap<string, number>;
}

function tokensOf(model: Part, added: readonly Part[], vocabSize: number): Tokens {
  const ids = new Map<string, number>();
  for (const [token, id] of Object.entries(partOf(model.vocab, 'model.vocab'))) ids.set(token, idOf(id, `the id of token ${JSON.stringify(token)}`));
  const placed = new Map<number, { token: string; type: number }>();
  const unknown = model.unk_token;
  for (const [token, id] of ids) placed.set(id, { token, type: token === unknown ? UNKNOWN : BYTE_TOKEN.test(token) && model.byte_fallback === true ? BYTE : NORMAL });
  for (const entry of added) {
    const token = textOf(entry, 'content');
    const id = idOf(entry.id, `the id of the added token ${JSON.stringify(token)}`);
    ids.set(token, id);
    placed.set(id, { token, type: token === unknown ? UNKNOWN : flagOf(entry, 'special', false) ? CONTROL : USER_DEFINED });
  }
  const most = Math.max(...placed.keys()) + 1;
  if (most > vocabSize) throw unsupported(`it has a token of the id ${most - 1}`, `ids below the ${vocabSize} rows of the embedding`);
  const types = new Int32Array(vocabSize).fill(UNUSED);
  const tokens = Array.from({ length: vocabSize }, (_, id) => {
    const found = placed.get(id);
    if (found) types[id] = found.type;
    return found?.token ?? `[PAD${id}]`;
  });
  return { tokens, types, ids };
}

/** As pairs; older files have them as one text with a space between. */
function mergesOf(model: Part): [left: string, right: string][] {
  return listOf(model, 'merges').map((merge) => {
    const pair = typeof merge === 'string' ? merge.split(' ') : merge;
    if (!Array.isArray(pair) || pair.length !== 2 || typeof pair[0] !== 'string' || typeof pair[1] !== 'string') throw invalid('a merge must be two tokens', merge);
    if (pair.some((part: string) => part.includes(' '))) throw unsupported('a merge has a space in it', 'spaces spelt otherwise');
    return [pair[0], pair[1]];
  });
}

/** SentencePiece merges by the score of the result. The list of merges is in that order, so a token's score is the place of the first merge that makes it; what no merge makes comes last. */
function scoresOf({ tokens, types, ids }: Tokens, merges: readonly [string, string][]): Float32Array {
  const scores = new Float32Array(tokens.length);
  for (let id = 0; id < scores.length; id++) if (types[id] === NORMAL) scores[id] = -merges.length;
  for (let place = merges.length - 1; place >= 0; place--) {
    const id = ids.get(merges[place]![0] + merges[place]![1]);
    if (id !== undefined) scores[id] = -place;
  }
  return scores;
}

/** True where a text's first word gets a space before it. */
function addsSpace(tokenizer: Part): boolean {
  const prepends = partsWithin(tokenizer.normalizer).some((part) => part.type === 'Prepend');
  return prepends || partsWithin(tokenizer.pre_tokenizer).some((part) => part.type === 'Metaspace' && (part.prepend_scheme ?? (part.add_prefix_space === false ? 'never' : 'always')) !== 'never');
}

/** A part, and where it is a Sequence those in it. */
function partsWithin(value: unknown): Part[] {
  if (value === undefined || value === null) return [];
  const part = partOf(value, 'a part');
  if (part.type !== 'Sequence') return [part];
  return partsOf(part, ['normalizers', 'pretokenizers', 'processors', 'decoders'].find((key) => Array.isArray(part[key])) ?? 'pretokenizers').flatMap(partsWithin);
}

const GPT2 = GGUF_PRE_TOKENIZERS.get('gpt-2')!.patterns[0]!;

/**
 * The name under which llama.cpp knows a pre-tokenizer.
 *
 * @throws LorikeetError `quantize/pre-tokenizer` for one that it doesn't know
 */
export function preTokenizerName(preTokenizer: unknown, ignoreMerges: boolean): string {
  const patterns = partsWithin(preTokenizer).flatMap(patternsOf);
  const found = [...GGUF_PRE_TOKENIZERS].find(([, known]) => (known.ignoreMerges ?? false) === ignoreMerges && known.patterns.length === patterns.length && known.patterns.every((pattern, i) => plain(pattern) === patterns[i]));
  if (!found) throw new LorikeetError('quantize/pre-tokenizer', `The pre-tokenizer of tokenizer.json is none that llama.cpp has a name for: expected one with known patterns, found ${JSON.stringify(patterns)}; name the one to be written with --pre NAME.`, { expected: [...GGUF_PRE_TOKENIZERS.keys()], found: patterns });
  return found[0];
}

/** The patterns that a part splits by, in the form of the table; `?` for what no pattern says. */
function patternsOf(part: Part): string[] {
  switch (part.type) {
    case 'ByteLevel':
      return flagOf(part, 'use_regex', true) ? [plain(GPT2)] : [];
    case 'Digits':
      return [flagOf(part, 'individual_digits', false) ? String.raw`\p{N}` : String.raw`\p{N}+`];
    case 'Split': {
      const pattern = partOf(part.pattern, 'a pattern');
      return part.behavior === 'Isolated' && part.invert !== true && typeof pattern.Regex === 'string' ? [plain(pattern.Regex)] : ['?'];
    }
    default:
      return ['?'];
  }
}

/** One of the ways in which files write the same pattern. */
function plain(pattern: string): string {
  return pattern.replaceAll("(?i:'s|'t|'re|'ve|'m|'ll|'d)", "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])")
    .replaceAll("(?i:[sdmt]|ll|ve|re)", '(?:[sSdDmMtT]|[lL][lL]|[vV][eE]|[rR][eE])');
}

/** Ids of the special tokens, what is put around a text, and the chat template. */
function setSpecial(fields: Map<string, TokenizerField>, { tokenizer, config, templates, endTokens }: TokenizerFiles, { ids }: Tokens): Map<string, TokenizerField> {
  const idOfToken = (key: string): number | undefined => {
    const value = config[key];
    const text = typeof value === 'object' && value !== null ? (value as { content?: unknown }).content : value;
    return typeof text === 'string' ? ids.get(text) : undefined;
  };
  const end = idOfToken('eos_token') ?? endTokens[0];
  const special = { bos: idOfToken('bos_token'), eos: end, eot: endTokens.find((id) => id !== end), unknown: idOfToken('unk_token'), padding: idOfToken('pad_token') };
  for (const [name, id] of Object.entries(special)) if (id !== undefined) fields.set(`tokenizer.ggml.${name}_token_id`, { type: 'u32', value: id });
  const around = templateOf(tokenizer!);
  const adds = (side: 'bos' | 'eos'): boolean => (around ? special[side] !== undefined && around[side] === special[side] : config[`add_${side}_token`] === true);
  for (const side of ['bos', 'eos'] as const) fields.set(`tokenizer.ggml.add_${side}_token`, { type: 'bool', value: adds(side) });
  const others = [...templates.keys()].filter((name) => name !== 'default');
  if (others.length > 0) fields.set('tokenizer.chat_templates', strings(others));
  for (const [name, source] of templates) fields.set(name === 'default' ? 'tokenizer.chat_template' : `tokenizer.chat_template.${name}`, string(source));
  return fields;

  /** The ids that the post-processor puts before and behind a text; undefined where no template says. */
  function templateOf({ post_processor }: Part): { bos: number | undefined; eos: number | undefined } | undefined {
    const template = partsWithin(post_processor).find((part) => part.type === 'TemplateProcessing');
    if (!template) return undefined;
    const single = partsOf(template, 'single').map((part) => (part.SpecialToken ? ids.get(textOf(partOf(part.SpecialToken, 'SpecialToken'), 'id')) : undefined));
    return { bos: single[0], eos: single.length > 1 ? single.at(-1) : undefined };
  }
}

function unsupported(found: string, expected: string): LorikeetError {
  return new LorikeetError('quantize/tokenizer', `The tokenizer can't be written into a GGUF: expected ${expected}, but ${found}.`, { expected, found });
}
