import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { streamGguf } from '../../src/formats/gguf-write.js';
import { buildTokenizer } from '../../src/text/tokenizer.js';
import { createGgufTokenizer } from '../../src/text/gguf-tokenizer.js';
import { GOLDEN, ROOT } from '../models/golden.js';
import { ggufFields } from '../text/gguf-keys.js';
import { CASES, checksum, descriptionOf, STRINGS } from '../text/tokens.js';
import { failedPlainly, lorikeet, succeeded, temporaryFolder } from './run.js';

const folder = temporaryFolder();
const TAVERN = `${ROOT}models/tavern`;
const lines = (stdout: string): number[][] => stdout.split('\n').slice(0, -1).map((line) => JSON.parse(line) as number[]);
const input = (texts: readonly string[]): string => texts.map((text) => `${JSON.stringify(text)}\n`).join('');

const test = suite('lorikeet tokenize');

test('gives the ids of each line, as Hugging Face does without special tokens', async () => {
  const ran = await lorikeet(['tokenize', TAVERN], { input: input(STRINGS) });
  succeeded(ran);
  const { ids } = CASES.find(({ name }) => name === 'tavern')!;
  const found = lines(ran.stdout);
  assert.is(found.length, STRINGS.length);
  assert.equal(found.slice(-ids.length), ids);
  const tokenizer = buildTokenizer(descriptionOf('tavern'));
  assert.is(checksum(ran.stdout.split('\n')), checksum([...STRINGS.map((text) => JSON.stringify(tokenizer.encode(text, false))), '']));
});

test('reads a tokenizer alone: no weights, no config.json', async () => {
  const bare = join(folder, 'bare');
  mkdirSync(bare);
  writeFileSync(join(bare, 'tokenizer.json'), readFileSync(`${GOLDEN}tokens/sentencepiece.json`));
  const plain = await lorikeet(['tokenize', bare], { input: '"ok"' }); // the last line needs no end
  succeeded(plain);
  const special = await lorikeet(['tokenize', bare, '--special'], { input: '"ok"\n' });
  succeeded(special);
  assert.equal(lines(special.stdout)[0], [1, ...lines(plain.stdout)[0]!]);
});

test('reads that of a GGUF', async () => {
  const fields = ggufFields('smollm');
  const chunks: Uint8Array[] = [];
  for await (const chunk of streamGguf([], fields)) chunks.push(chunk);
  const path = join(folder, 'tokenizer.gguf');
  writeFileSync(path, Buffer.concat(chunks));
  const texts = ['a1²', '<|im_end|>', ''];
  const ran = await lorikeet(['tokenize', path], { input: input(texts) });
  succeeded(ran);
  const { tokenizer } = createGgufTokenizer(new Map([...fields].map(([key, { value }]) => [key, value])))!;
  assert.equal(lines(ran.stdout), texts.map((text) => tokenizer.encode(text, false)));
});

test('takes line ends only where \\n is one, and escapes as JSON has them', async () => {
  const texts = ['a\u2028b', 'a\u0085b', 'a\\nb', 'a\nb', '\ud83e\udd9c'];
  const raw = ['"a\u2028b"', '"a\u0085b"', '"a\\\\nb"', '"a\\nb"', '"\\ud83e\\udd9c"'].join('\n');
  const ran = await lorikeet(['tokenize', TAVERN], { input: raw });
  succeeded(ran);
  const tokenizer = buildTokenizer(descriptionOf('tavern'));
  assert.equal(lines(ran.stdout), texts.map((text) => tokenizer.encode(text, false)));
});

test('of nothing is nothing', async () => {
  const ran = await lorikeet(['tokenize', TAVERN]);
  succeeded(ran);
  assert.is(ran.stdout, '');
});

test('names the line that is none, and answers those before it', async () => {
  for (const [line, code] of [['{bad', 'cli/not-json'], ['', 'cli/not-json'], ['3', 'cli/not-a-string'], ['["a"]', 'cli/not-a-string'], ['null', 'cli/not-a-string']] as const) {
    const ran = await lorikeet(['tokenize', TAVERN], { input: `"a"\n"b"\n${line}\n"c"\n` });
    assert.is(lines(ran.stdout).length, 2);
    failedPlainly({ ...ran, stdout: '' }, code);
    assert.match(ran.stderr, /Line 3 of stdin/);
  }
});

test('of a model without a tokenizer', async () => {
  failedPlainly(await lorikeet(['tokenize', `${GOLDEN}models/llama`], { input: '"a"\n' }), 'text/no-tokenizer');
  failedPlainly(await lorikeet(['tokenize', join(folder, 'nothing')], { input: '"a"\n' }), 'store/not-found');
});

test.run();
