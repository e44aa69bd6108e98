import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isLorikeetError } from '../../src/errors.js';
import { buildTokenizer, createTokenizer, type Tokenizer } from '../../src/text/tokenizer.js';
import { TextStream } from '../../src/text/stream.js';
import { ROOT } from '../models/golden.js';
import { BLOCK, CASES, checksum, describe, descriptionOf, streamed, STRINGS } from './tokens.js';

const golden = suite('tokenizers, against the Rust library');
for (const goldenCase of CASES) {
  golden(goldenCase.name, () => {
    const tokenizer = buildTokenizer(describe(goldenCase));
    const { ids, checksums, framed, skipped } = goldenCase;
    assert.equal(ids.map((_, i) => tokenizer.encode(STRINGS[STRINGS.length - ids.length + i]!, false)), ids);
    assert.equal(tokenizer.encode('ok'), framed);
    checksums.forEach((expected, block) => {
      const texts = STRINGS.slice(block * BLOCK, (block + 1) * BLOCK).filter((_, i) => !skipped.includes(block * BLOCK + i));
      const found = texts.map((text) => {
        const encoded = tokenizer.encode(text, false);
        return JSON.stringify(encoded) + tokenizer.decode(encoded) + tokenizer.decode(encoded, true);
      });
      assert.is(checksum(found), expected, `strings ${block * BLOCK} to ${(block + 1) * BLOCK}, the first ${JSON.stringify(texts[0])}`);
    });
  });
}
golden.run();

const stream = suite('streams of tokens');
for (const goldenCase of CASES) {
  stream(goldenCase.name, () => {
    const tokenizer = buildTokenizer(describe(goldenCase));
    const pieces = (ids: readonly number[]): void => {
      const text = new TextStream(tokenizer);
      const told = streamed(text, ids);
      assert.is(told.join(''), tokenizer.decode(ids));
      // A lone surrogate at an end would be half a character.
      for (const piece of told) assert.ok(!/[\ud800-\udbff]$|^[\udc00-\udfff]/.test(piece), piece);
    };
    for (let i = 0; i < STRINGS.length; i += 5) pieces(tokenizer.encode(STRINGS[i]!));
    // Ids as a model may choose them: bytes of characters that never end, special tokens anywhere, ids of no token.
    let state = 7;
    const next = (below: number): number => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) % below;
    for (let i = 0; i < 200; i++) pieces(Array.from({ length: 1 + next(12) }, () => next(i % 4 === 0 ? 300 : 1300)));
  });
}
stream('tells a character when its last byte has come', () => {
  const tokenizer = buildTokenizer(descriptionOf('byte_level'));
  const ids = [...'🦜'].flatMap((c) => [...new TextEncoder().encode(c)]).map((byte) => tokenizer.idOf({ 0xf0: 'ð', 0x9f: 'Ł', 0xa6: '¦', 0x9c: 'ľ' }[byte]!)!);
  assert.equal(streamed(new TextStream(tokenizer), ids), ['', '', '', '🦜', '']);
});
stream('begins without the space that SentencePiece puts before a text', () => {
  const tokenizer = buildTokenizer(descriptionOf('sentencepiece'));
  const ids = ['▁the', '▁the', '<0xF0>', '<0x9F>', '<0xA6>', '<0x9C>', '▁the'].map((token) => tokenizer.idOf(token)!);
  assert.equal(streamed(new TextStream(tokenizer), ids), ['the', ' the', '', '', '', '', '🦜 the', '']);
});
stream.run();

const test = suite('tokenizer');
const tavern = createTokenizer(readFileSync(`${ROOT}models/tavern/tokenizer.json`, 'utf8'), readFileSync(`${ROOT}models/tavern/tokenizer_config.json`, 'utf8'));

test('reads a lone surrogate as U+FFFD', () => {
  for (const text of ['a\ud800b', '\udc00', 'x\ud83e', '\udd9c\ud83e']) assert.equal(tavern.encode(text), tavern.encode(text.replace(/\p{Surrogate}/gu, '\ufffd')));
  assert.is(tavern.decode(tavern.encode('a\ud800b')), 'a\ufffdb');
});

test('finds tokens by text', () => {
  assert.is(tavern.idOf('<|end|>'), 2);
  assert.is(tavern.idOf('no such token'), undefined);
  assert.is(tavern.idOf('__proto__'), undefined);
  assert.is(tavern.idOf('constructor'), undefined);
});

test('takes a text of a hundred thousand characters without a space', () => {
  for (const name of ['byte_level', 'sentencepiece', 'unigram']) {
    const tokenizer: Tokenizer = buildTokenizer(descriptionOf(name));
    const text = 'abracadabra'.repeat(9091);
    assert.is(tokenizer.decode(tokenizer.encode(text, false)), text);
  }
});

test('adds the tokens that only tokenizer_config.json knows, as transformers does', () => {
  const description = { ...descriptionOf('byte_level'), added_tokens: [] };
  const without = buildTokenizer(description);
  assert.ok(without.encode('<|im_end|>').length > 1);
  const id = without.idOf('<|im_end|>')!;
  for (const config of [{ eos_token: '<|im_end|>' }, { eos_token: { content: '<|im_end|>', lstrip: false } }, { additional_special_tokens: ['<|im_end|>'] }]) {
    const tokenizer = buildTokenizer(description, config);
    assert.equal(tokenizer.encode('<|im_end|>'), [id]);
    assert.is(tokenizer.decode([id]), '');
  }
  const tokenizer = buildTokenizer(description, { added_tokens_decoder: { 1000: { content: '<tool>', special: false } } });
  assert.equal(tokenizer.encode('<tool>'), [1000]);
  assert.is(tokenizer.decode([1000]), '<tool>');
});

const refused = (work: () => unknown): void => {
  try {
    work();
  } catch (error) {
    assert.ok(isLorikeetError(error, 'text/tokenizer-invalid'), String(error));
    return;
  }
  assert.unreachable('expected a refusal');
};

test('a tokenizer.json that is none', () => {
  for (const json of ['', '{', '[]', '{}', 'null', '{"model":{}}', '{"model":{"type":"BPE"}}', '{"model":{"type":"BPE","vocab":{"a":0},"merges":["a b"]}}', '{"model":{"type":"BPE","vocab":{"a":-1},"merges":[]}}', '{"model":{"type":"BPE","vocab":{"a":4e9},"merges":[]}}', '{"model":{"type":"Other"}}']) refused(() => createTokenizer(json, '{}'));
  refused(() => createTokenizer('{"model":{"type":"BPE","vocab":{"a":0},"merges":[]}}', '['));
});

test('a part that is not known or not whole', () => {
  const parts: readonly [string, unknown][] = [
    ['normalizer', { type: 'Other' }], ['normalizer', { type: 'Replace', pattern: {}, content: '' }], ['normalizer', { type: 'Prepend' }], ['normalizer', { type: 'Precompiled', precompiled_charsmap: '!' }], ['normalizer', { type: 'Precompiled', precompiled_charsmap: 'AAAA/w==' }],
    ['pre_tokenizer', { type: 'Other' }], ['pre_tokenizer', { type: 'Split', pattern: { Regex: '(' }, behavior: 'Isolated', invert: false }], ['pre_tokenizer', { type: 'Split', pattern: { Regex: 'a' }, behavior: 'Other', invert: false }], ['pre_tokenizer', { type: 'Metaspace', prepend_scheme: 'sometimes' }], ['pre_tokenizer', 'ByteLevel'],
    ['model', { type: 'WordLevel', vocab: { a: 0 }, unk_token: 'a' }], ['post_processor', { type: 'Other' }], ['post_processor', { type: 'TemplateProcessing', single: [{ SpecialToken: { id: 'x' } }], special_tokens: {} }], ['decoder', { type: 'Other' }], ['added_tokens', [{ content: 'x' }]], ['added_tokens', {}],
  ];
  for (const [key, part] of parts) refused(() => buildTokenizer({ ...descriptionOf('byte_level'), [key]: part }));
});

test.run();
