import { existsSync, readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isLorikeetError } from '../../src/errors.js';
import { readGguf } from '../../src/formats/gguf.js';
import { createChatTemplate } from '../../src/text/chat-template.js';
import { createGgufTokenizer, type GgufTokenizer } from '../../src/text/gguf-tokenizer.js';
import { GOLDEN, ROOT } from '../models/golden.js';
import { GGUF_CASES, ggufFields } from './gguf-keys.js';
import { BLOCK, checksum, STRINGS } from './tokens.js';

const LLAMA = JSON.parse(readFileSync(`${GOLDEN}tokens/llama.json`, 'utf8')) as Readonly<Record<string, readonly number[]>>;
type Keys = Map<string, unknown>;
const keysOf = (name: string): Keys => new Map([...ggufFields(name)].map(([key, { value }]) => [key, value]));
const tokenizerOf = (keys: Keys): GgufTokenizer => createGgufTokenizer(keys)!;

function checkIds({ tokenizer }: GgufTokenizer, sums: readonly number[]): void {
  sums.forEach((expected, block) => {
    const texts = STRINGS.slice(block * BLOCK, (block + 1) * BLOCK);
    assert.is(checksum(texts.map((text) => JSON.stringify(tokenizer.encode(text, false)))), expected, `strings ${block * BLOCK} to ${(block + 1) * BLOCK}, the first ${JSON.stringify(texts[0])}`);
  });
}

const golden = suite('tokenizers of GGUF files, against llama.cpp');
for (const name of Object.keys(GGUF_CASES)) golden(name, () => checkIds(tokenizerOf(keysOf(name)), LLAMA[name]!));
golden.run();

const smollm2 = process.env['LORIKEET_SMOLLM2'] ?? `${ROOT}build/models/SmolLM2-135M-Instruct-Q4_1.gguf`;
if (!existsSync(smollm2)) console.log('SKIP: SmolLM2-135M-Instruct, Q4_1, is not there: npm run models gets it');
else {
  const real = suite('SmolLM2');
  real('ids, end tokens, prompts', async () => {
    const file = await open(smollm2);
    const { size } = await file.stat();
    const { metadata } = await readGguf({ size, read: async (begin, end) => (await file.read(new Uint8Array(end - begin), 0, end - begin, begin)).buffer });
    await file.close();
    const text = tokenizerOf(metadata as Keys);
    checkIds(text, LLAMA['SmolLM2']!);
    // <|endoftext|>, <|im_end|>, and <reponame>, which llama.cpp counts among them.
    assert.equal(text.endTokens, [0, 2, 4]);
    const prompt = createChatTemplate(metadata.get('tokenizer.chat_template') as string, text.specialTokens)([{ role: 'user', content: 'Hello!' }], true);
    assert.is(prompt, '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n<|im_start|>user\nHello!<|im_end|>\n<|im_start|>assistant\n');
    assert.is(text.tokenizer.decode(text.tokenizer.encode(prompt), true), prompt);
  });
  real.run();
}

const test = suite('the tokenizer of a GGUF');
const refused = (work: () => unknown, code: string, says: RegExp): void => assert.throws(work, (error: unknown) => isLorikeetError(error, code) && says.test(error.message));

test('frames a text as the file says, or as llama.cpp does where it says nothing', () => {
  const plain = tokenizerOf(keysOf('sentencepiece')).tokenizer;
  assert.equal(plain.encode('ok'), [1, ...plain.encode('ok', false)]);
  const framed = tokenizerOf(keysOf('sentencepiece').set('tokenizer.ggml.add_bos_token', false).set('tokenizer.ggml.add_eos_token', true)).tokenizer;
  assert.equal(framed.encode('ok'), [...plain.encode('ok', false), 2]);
  const gpt2 = tokenizerOf(keysOf('gpt-2')).tokenizer;
  assert.equal(gpt2.encode('ok'), gpt2.encode('ok', false));
  const llama3 = tokenizerOf(keysOf('llama-bpe')).tokenizer;
  assert.equal(llama3.encode('ok'), [0, ...llama3.encode('ok', false)]);
});

test('ends where the keys say and where the texts of tokens do', () => {
  assert.equal(tokenizerOf(keysOf('gpt-2')).endTokens, [0, 2]); // <|endoftext|>, <|im_end|>
  assert.equal(tokenizerOf(keysOf('gpt-2').set('tokenizer.ggml.eot_token_id', 1)).endTokens, [0, 1, 2]);
  assert.equal(tokenizerOf(keysOf('gpt-2').set('tokenizer.ggml.eom_token_id', 300).set('tokenizer.ggml.eot_token_id', 1e6)).endTokens, [0, 2, 300]);
});

test('names its special tokens for the template', () => {
  assert.equal(tokenizerOf(keysOf('sentencepiece')).specialTokens, { bos_token: '<s>', eos_token: '</s>', unk_token: '<unk>' });
});

test('shows user-defined tokens, hides control tokens', () => {
  const { tokenizer } = tokenizerOf(keysOf('sentencepiece'));
  const ids = tokenizer.encode('[INST]a</s>', false);
  assert.is(ids[0], tokenizer.idOf('[INST]'));
  assert.is(ids.at(-1), 2);
  assert.is(tokenizer.decode(ids), '[INST] a');
});

test('of a file without one is null', () => {
  assert.is(createGgufTokenizer(new Map()), null);
  assert.is(createGgufTokenizer(new Map([['tokenizer.ggml.model', 'none']])), null);
});

test('of a kind that is not known, and keys that are not whole', () => {
  refused(() => tokenizerOf(keysOf('gpt-2').set('tokenizer.ggml.pre', 'nonsense')), 'text/tokenizer-unsupported', /"nonsense".*expected one of .*smollm/);
  refused(() => tokenizerOf(keysOf('gpt-2').set('tokenizer.ggml.pre', 'constructor')), 'text/tokenizer-unsupported', /"constructor"/);
  for (const model of ['bert', 'gemma4', 't5']) refused(() => tokenizerOf(keysOf('gpt-2').set('tokenizer.ggml.model', model)), 'text/tokenizer-unsupported', new RegExp(`"${model}".*expected gpt2`));
  for (const [key, value] of [['tokens', undefined], ['tokens', [1]], ['tokens', 'x'], ['merges', undefined], ['merges', 7], ['model', 7], ['pre', 7], ['add_bos_token', 1], ['token_type', new Int32Array(3)], ['token_type', ['x']]] as const) {
    refused(() => tokenizerOf(keysOf('gpt-2').set(`tokenizer.ggml.${key}`, value)), 'text/tokenizer-invalid', new RegExp(`tokenizer.ggml.${key}`));
  }
  refused(() => tokenizerOf(keysOf('sentencepiece').set('tokenizer.ggml.scores', new Float32Array(3))), 'text/tokenizer-invalid', /scores/);
});

test.run();
