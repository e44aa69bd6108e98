import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isLorikeetError } from '../../src/errors.js';
import { preTokenizerName, tokenizerFields, type TokenizerFiles } from '../../src/text/gguf-export.js';
import { createGgufTokenizer } from '../../src/text/gguf-tokenizer.js';
import { createTokenizer } from '../../src/text/tokenizer.js';
import { ROOT } from '../models/golden.js';

type Json = Record<string, unknown>;
const NONE = { config: {}, templates: new Map<string, string>(), endTokens: [], vocabSize: 8 };
const split = (Regex: string): Json => ({ type: 'Split', pattern: { Regex }, behavior: 'Isolated', invert: false });
const bytes = (use_regex = false): Json => ({ type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex });
const sequence = (...pretokenizers: Json[]): Json => ({ type: 'Sequence', pretokenizers });
/** Keys and values alone. */
const valuesOf = (files: TokenizerFiles): Map<string, unknown> => new Map([...tokenizerFields(files)].map(([key, { value }]) => [key, value]));

const names = suite('names of pre-tokenizers');
const CONTRACTIONS = String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)`;
const LLAMA3 = String.raw`${CONTRACTIONS}|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;
const GPT4O = [String.raw`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+${CONTRACTIONS}?`, String.raw`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*${CONTRACTIONS}?`,
  String.raw`\p{N}{1,3}`, String.raw` ?[^\s\p{L}\p{N}]+[\r\n/]*`, String.raw`\s*[\r\n]+`, String.raw`\s+(?!\S)`, String.raw`\s+`].join('|');
for (const [name, preTokenizer, ignoreMerges] of [
  ['gpt-2', bytes(true), false],
  ['smollm', sequence({ type: 'Digits', individual_digits: true }, bytes(true)), false],
  ['llama-bpe', sequence(split(LLAMA3), bytes()), true],
  ['dbrx', sequence(split(LLAMA3), bytes()), false],
  ['qwen2', sequence(split(LLAMA3.replace('{1,3}', '')), bytes()), false],
  ['gpt-4o', sequence(split(GPT4O), bytes()), false],
] as const) names(name, () => assert.is(preTokenizerName(preTokenizer, ignoreMerges), name));

for (const [what, preTokenizer] of [
  ['a pattern that nobody knows', sequence(split(String.raw`\d+`), bytes())], ['a split that removes', sequence({ ...split(LLAMA3), behavior: 'Removed' }, bytes())],
  ['a part that no pattern says', sequence({ type: 'Whitespace' }, bytes(true))], ['digits in runs', sequence({ type: 'Digits', individual_digits: false }, bytes(true))],
] as const) {
  names(`none for ${what}`, () => assert.throws(() => preTokenizerName(preTokenizer, false), (error: unknown) => isLorikeetError(error, 'quantize/pre-tokenizer') && error.message.includes('--pre NAME')));
}
names.run();

const tavern = suite('the demo\'s tokenizer in a GGUF');
const read = (file: string): string => readFileSync(`${ROOT}models/tavern/${file}`, 'utf8');
const tokenizerJson = JSON.parse(read('tokenizer.json')) as Json;
const config = JSON.parse(read('tokenizer_config.json')) as Json;
const files: TokenizerFiles = { tokenizer: tokenizerJson, config, templates: new Map([['default', config.chat_template as string], ['tool_use', '{{ tools }}']]), endTokens: [2], vocabSize: 1280 };

tavern('its keys', () => {
  const keys = valuesOf(files);
  assert.is(keys.get('tokenizer.ggml.model'), 'gpt2');
  assert.is(keys.get('tokenizer.ggml.pre'), 'gpt-2');
  assert.is((keys.get('tokenizer.ggml.tokens') as string[]).length, 1280);
  assert.equal([...(keys.get('tokenizer.ggml.token_type') as Int32Array).subarray(0, 8)], [3, 3, 3, 3, 3, 3, 1, 1]);
  assert.is((keys.get('tokenizer.ggml.merges') as string[]).length, 1018);
  assert.equal(['bos', 'eos', 'padding'].map((name) => keys.get(`tokenizer.ggml.${name}_token_id`)), [1, 2, 0]);
  assert.equal(['bos', 'eos'].map((name) => keys.get(`tokenizer.ggml.add_${name}_token`)), [false, false]);
  assert.is(keys.get('tokenizer.chat_template'), config.chat_template);
  assert.is(keys.get('tokenizer.chat_template.tool_use'), '{{ tools }}');
  assert.equal(keys.get('tokenizer.chat_templates'), ['tool_use']);
});

tavern('read again it gives the same ids', () => {
  const { tokenizer } = createGgufTokenizer(valuesOf(files))!;
  const own = createTokenizer(read('tokenizer.json'), read('tokenizer_config.json'));
  for (const text of ['Where is the treasure?', '<|begin|><|user|>Hello!<|end|>', "It's 1,024 gold pieces…\n\n  and a half", 'Grüße 🦜', '']) assert.equal(tokenizer.encode(text), own.encode(text), text);
});

tavern('another name of its pre-tokenizer', () => assert.is(valuesOf({ ...files, pre: 'smollm' }).get('tokenizer.ggml.pre'), 'smollm'));
tavern('fewer tokens than rows are filled up', () => {
  const keys = valuesOf({ ...files, vocabSize: 1282 });
  assert.equal((keys.get('tokenizer.ggml.tokens') as string[]).slice(1280), ['[PAD1280]', '[PAD1281]']);
  assert.equal([...(keys.get('tokenizer.ggml.token_type') as Int32Array).subarray(1279)], [1, 5, 5]);
});
tavern('more tokens than rows', () => assert.throws(() => tokenizerFields({ ...files, vocabSize: 1279 }), (error: unknown) => isLorikeetError(error, 'quantize/tokenizer')));
tavern('a model without a tokenizer', () => assert.equal([...valuesOf({ ...NONE, tokenizer: null })], [['tokenizer.ggml.model', 'no_vocab']]));
tavern.run();

const kinds = suite('tokenizers in a GGUF');
const piece = (vocab: readonly string[], merges: readonly unknown[], more: Json = {}): Json => ({
  model: { type: 'BPE', byte_fallback: true, unk_token: '<unk>', vocab: Object.fromEntries(vocab.map((token, id) => [token, id])), merges },
  added_tokens: [{ id: 0, content: '<unk>', special: true }, { id: 1, content: '<s>', special: true }], normalizer: { type: 'Replace', pattern: { String: ' ' }, content: '▁' }, ...more,
});
const PIECES = ['<unk>', '<s>', 'a', 'b', '▁', '<0x0A>', 'ab', '▁ab', 'bb'];

kinds('SentencePiece: scores by the first merge that makes a token, bytes by their spelling', () => {
  const keys = valuesOf({ ...NONE, vocabSize: 9, tokenizer: piece(PIECES, ['a b', '▁ ab', ['▁a', 'b']]) });
  assert.is(keys.get('tokenizer.ggml.model'), 'llama');
  assert.equal([...(keys.get('tokenizer.ggml.token_type') as Int32Array)], [2, 3, 1, 1, 1, 6, 1, 1, 1]);
  assert.equal([...(keys.get('tokenizer.ggml.scores') as Float32Array)].map((score) => score + 0), [0, 0, -3, -3, -3, 0, 0, -1, -3]);
  assert.is(keys.get('tokenizer.ggml.add_space_prefix'), false);
});

kinds('SentencePiece: a space before the text', () => {
  const prepends = [{ normalizer: { type: 'Sequence', normalizers: [{ type: 'Prepend', prepend: '▁' }] } }, { pre_tokenizer: { type: 'Metaspace', prepend_scheme: 'first' } }, { pre_tokenizer: { type: 'Metaspace', add_prefix_space: true } }];
  for (const more of prepends) assert.is(valuesOf({ ...NONE, vocabSize: 9, tokenizer: piece(PIECES, [], more) }).get('tokenizer.ggml.add_space_prefix'), true);
  assert.is(valuesOf({ ...NONE, vocabSize: 9, tokenizer: piece(PIECES, [], { pre_tokenizer: { type: 'Metaspace', prepend_scheme: 'never' } }) }).get('tokenizer.ggml.add_space_prefix'), false);
});

kinds('what is put around a text is what the post-processor says, not the configuration', () => {
  const template = (single: Json[]): Json => ({ post_processor: { type: 'Sequence', processors: [{ type: 'ByteLevel' }, { type: 'TemplateProcessing', single }] } });
  const bos = { SpecialToken: { id: '<s>', type_id: 0 } };
  const text = { Sequence: { id: 'A', type_id: 0 } };
  const added = (more: Json, given: Json): unknown => valuesOf({ ...NONE, config: { bos_token: { content: '<s>' }, ...given }, vocabSize: 9, tokenizer: piece(PIECES, [], more) }).get('tokenizer.ggml.add_bos_token');
  assert.is(added(template([bos, text]), { add_bos_token: false }), true);
  assert.is(added(template([text]), { add_bos_token: true }), false);
  assert.is(added({}, { add_bos_token: true }), true);
  assert.is(added({}, {}), false);
});

kinds('an end of turn beside the end of text', () => {
  const keys = valuesOf({ ...NONE, endTokens: [3, 2], config: { eos_token: 'b' }, vocabSize: 9, tokenizer: piece(PIECES, []) });
  assert.equal(['eos', 'eot'].map((name) => keys.get(`tokenizer.ggml.${name}_token_id`)), [3, 2]);
});

for (const [what, tokenizer] of [
  ['Unigram', { model: { type: 'Unigram', vocab: [] } }],
  ['neither bytes nor fallback', { model: { type: 'BPE', vocab: { a: 0 }, merges: [] } }],
  ['a merge with a space', { ...piece(PIECES, [['a ', 'b']]) }],
] as const) kinds(`refused: ${what}`, () => assert.throws(() => tokenizerFields({ ...NONE, vocabSize: 9, tokenizer }), (error: unknown) => isLorikeetError(error, 'quantize/tokenizer')));
kinds('refused: a merge that is no pair', () => assert.throws(() => tokenizerFields({ ...NONE, vocabSize: 9, tokenizer: piece(PIECES, ['a b c']) }), (error: unknown) => isLorikeetError(error, 'text/tokenizer-invalid')));
kinds.run();
