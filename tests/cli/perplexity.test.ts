import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createEngine } from '../../src/index.js';
import { GOLDEN, ROOT } from '../models/golden.js';
import { failedPlainly, lorikeet, succeeded, temporaryFolder } from './run.js';

const TAVERN = `${ROOT}models/tavern`;
const PIRATE = `${ROOT}adapters/pirate`;
const folder = temporaryFolder();
const file = (name: string, content: string | Uint8Array): string => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};
const TEXT = 'Good evening, traveller. The stew is hot and the beer is cold. Where is the treasure? Ask the ghost in the cellar, but mind the third step.\n'.repeat(4);

interface Told { perplexity: number; tokens: number; chunks: number; chunk: number; fileTokens: number }
const json = async (...args: string[]): Promise<Told> => {
  const ran = await lorikeet(['perplexity', TAVERN, ...args, '--json']);
  succeeded(ran);
  return JSON.parse(ran.stdout) as Told;
};

const test = suite('lorikeet perplexity');
test('every chunk alone, each position after its first scored, the rest of at least two tokens too', async () => {
  const engine = await createEngine({ model: TAVERN });
  await engine.adapters.load('pirate', PIRATE);
  const ids = engine.tokenizer.encode(TEXT, false);
  const path = file('text', TEXT);
  const expected = (chunk: number, adapters: Record<string, number>): { perplexity: number; tokens: number } => {
    let sum = 0;
    let tokens = 0;
    for (let from = 0; from < ids.length; from += chunk) {
      const logits = engine.logits(ids.slice(from, from + chunk), { adapters });
      for (let i = from + 1; i < Math.min(ids.length, from + chunk); i++, tokens++) {
        const row = logits.subarray((i - 1 - from) * engine.model.outputSize, (i - from) * engine.model.outputSize);
        const most = Math.max(...row);
        sum += row[ids[i]!]! - most - Math.log(row.reduce((all, logit) => all + Math.exp(logit - most), 0));
      }
    }
    return { perplexity: Math.exp(-sum / tokens), tokens };
  };
  const rest = ids.length - 2; // the last chunk has two tokens
  for (const chunk of [16, 50, rest, ids.length - 1, ids.length]) {
    const { perplexity, tokens } = await json('--file', path, '--chunk', String(chunk));
    const want = expected(chunk, {});
    assert.is(tokens, want.tokens, `chunk ${chunk}`);
    assert.ok(Math.abs(perplexity / want.perplexity - 1) < 1e-6, `chunk ${chunk}: ${perplexity}, ${want.perplexity}`);
  }
  const voiced = await json('--file', path, '--chunk', '64', '--adapter', `${PIRATE}=0.5`);
  assert.ok(Math.abs(voiced.perplexity / expected(64, { pirate: 0.5 }).perplexity - 1) < 1e-6);
  const whole = await json('--file', path);
  assert.equal([whole.chunk, whole.fileTokens], [512, ids.length]);
  engine.dispose();
});
test('for people', async () => {
  const ran = await lorikeet(['perplexity', TAVERN, '--file', file('short', 'Where is the treasure?')]);
  succeeded(ran);
  assert.match(ran.stdout, /^perplexity \d+\.\d{4} over \d+ tokens in 1 chunk of 512, \d+ tokens\/s\n$/);
});
test('refusals', async () => {
  const path = file('text2', TEXT);
  failedPlainly(await lorikeet(['perplexity', TAVERN]), 'cli/usage');
  failedPlainly(await lorikeet(['perplexity', TAVERN, '--file', path, '--chunk', '1']), 'cli/usage');
  failedPlainly(await lorikeet(['perplexity', TAVERN, '--file', path, '--chunk', '4096']), 'cli/usage');
  failedPlainly(await lorikeet(['perplexity', TAVERN, '--file', join(folder, 'nowhere')]), 'store/unreadable');
  failedPlainly(await lorikeet(['perplexity', TAVERN, '--file', file('empty', '')]), 'tokens/empty');
  failedPlainly(await lorikeet(['perplexity', TAVERN, '--file', file('latin1', Uint8Array.of(0x68, 0xe9, 0x6c))]), 'store/not-utf8');
  failedPlainly(await lorikeet(['perplexity', `${GOLDEN}models/llama`, '--file', path]), 'text/no-tokenizer');
});
test('Ctrl-C ends it with 130', async () => {
  const path = file('long', TEXT.repeat(400));
  const ran = await lorikeet(['perplexity', TAVERN, '--file', path], { onStart: (kill) => { setTimeout(() => kill('SIGINT'), 1500); } });
  assert.is(ran.code, 130, ran.stderr);
  assert.is(ran.stdout, '');
});
test.run();
