import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { GOLDEN, ROOT } from '../models/golden.js';
import { failedPlainly, lorikeet, succeeded, temporaryFolder } from './run.js';

const folder = temporaryFolder();
const TAVERN = `${ROOT}models/tavern`;
const TALK = [{ role: 'user', content: 'Hello!' }];
const file = (name: string, value: unknown): string => {
  const path = join(folder, name);
  writeFileSync(path, typeof value === 'string' ? value : JSON.stringify(value));
  return path;
};

const test = suite('lorikeet template');

test('prints the prompt and nothing else', async () => {
  const messages = file('talk.json', TALK);
  const ran = await lorikeet(['template', TAVERN, '--messages', messages]);
  succeeded(ran);
  assert.is(ran.stdout, '<|begin|><|user|>Hello!<|end|><|assistant|>');
  const without = await lorikeet(['template', TAVERN, '--messages', messages, '--no-generation-prompt']);
  succeeded(without);
  assert.is(without.stdout, '<|begin|><|user|>Hello!<|end|>');
});

test('takes messages from stdin; with --json gives the ids, too', async () => {
  const ran = await lorikeet(['template', TAVERN, '--messages', '-', '--json'], { input: JSON.stringify({ messages: TALK }) });
  succeeded(ran);
  const { prompt, tokens } = JSON.parse(ran.stdout) as { prompt: string; tokens: number[] };
  assert.is(prompt, '<|begin|><|user|>Hello!<|end|><|assistant|>');
  assert.equal([tokens[0], tokens[1], tokens.at(-1)], [1, 4, 5]);
});

test('hands further variables to the template, and takes it from chat_template.jinja', async () => {
  const bare = join(folder, 'qwen3');
  mkdirSync(bare);
  writeFileSync(join(bare, 'chat_template.jinja'), readFileSync(`${GOLDEN}templates/qwen3.jinja`));
  const ran = await lorikeet(['template', bare, '--messages', file('a.json', TALK), '--variables', file('b.json', { enable_thinking: false })]);
  succeeded(ran);
  assert.is(ran.stdout, '<|im_start|>user\nHello!<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n');
});

test('messages that are none', async () => {
  for (const [value, code, says] of [
    ['[{"role": "user"},\n', 'cli/not-json', /"[^"]*bad.json" is no JSON/], ['', 'cli/not-json', /empty/], ['3', 'cli/messages-invalid', /list of messages/], ['{}', 'cli/messages-invalid', /"messages" must be a list/], ['[3]', 'cli/messages-invalid', /message 1/],
    ['[{"role": "user", "content": "a"}, {"content": "x"}]', 'cli/messages-invalid', /message 2 must have a "role"/],
  ] as const) {
    const ran = await lorikeet(['template', TAVERN, '--messages', file('bad.json', value)]);
    failedPlainly(ran, code);
    assert.match(ran.stderr, says);
  }
  failedPlainly(await lorikeet(['template', TAVERN, '--messages', join(folder, 'nothing.json')]), 'store/unreadable');
  failedPlainly(await lorikeet(['template', TAVERN]), 'cli/usage');
});

test('what the template says when it refuses', async () => {
  const bare = join(folder, 'gemma');
  mkdirSync(bare);
  writeFileSync(join(bare, 'tokenizer_config.json'), JSON.stringify({ chat_template: readFileSync(`${GOLDEN}templates/gemma2.jinja`, 'utf8'), bos_token: '<bos>' }));
  const ran = await lorikeet(['template', bare, '--messages', file('system.json', [{ role: 'system', content: 'x' }, ...TALK])]);
  failedPlainly(ran, 'text/template-failed');
  assert.match(ran.stderr, /System role not supported/);
});

test('of a model without a template', async () => failedPlainly(await lorikeet(['template', `${GOLDEN}models/llama`, '--messages', file('c.json', TALK)]), 'text/no-template'));

test.run();
