import { spawn, spawnSync } from 'node:child_process';
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createEngine } from '../../src/index.js';
import { GOLDEN, ROOT } from '../models/golden.js';
import { CLI, failedPlainly, lorikeet, succeeded, temporaryFolder } from './run.js';

const TAVERN = `${ROOT}models/tavern`;
const PIRATE = `${ROOT}adapters/pirate`;
const folder = temporaryFolder();

interface Answer {
  text: string;
  tokens: number[];
  promptTokens: number;
  ended: string;
  adapters: Record<string, number>;
}
const json = async (...args: string[]): Promise<Answer> => {
  const ran = await lorikeet(['generate', ...args, '--json']);
  succeeded(ran);
  assert.is(ran.stdout.trimEnd().split('\n').length, 1);
  return JSON.parse(ran.stdout) as Answer;
};

const test = suite('lorikeet generate');
test('streams the text that the engine makes, and nothing else', async () => {
  const engine = await createEngine({ model: TAVERN });
  await engine.adapters.load('pirate', PIRATE);
  const text = async (stream: AsyncIterable<string>): Promise<string> => { let all = ''; for await (const piece of stream) all += piece; return all; };
  const plain = await text(engine.complete('The door', { maxTokens: 24 }));
  const said = await text(engine.chat('Where is the treasure?', { adapters: { pirate: 0.8 }, maxTokens: 24, temperature: 0.9, topK: 40, topP: 0.9, minP: 0.01, repetitionPenalty: 1.1, seed: 7 }));
  engine.dispose();
  const first = await lorikeet(['generate', TAVERN, '--prompt', 'The door', '--max-tokens', '24']);
  succeeded(first);
  assert.is(first.stdout, plain);
  const second = await lorikeet(['generate', TAVERN, '--chat', '--prompt', 'Where is the treasure?', '--adapter', `${PIRATE}=0.8`, '--max-tokens', '24',
    '--temperature', '0.9', '--top-k', '40', '--top-p', '0.9', '--min-p', '0.01', '--repetition-penalty', '1.1', '--seed', '7']);
  succeeded(second);
  assert.is(second.stdout, said);
});
test('--json: one object; --tokens gives what --prompt gives; --stop and --system', async () => {
  const byText = await json(TAVERN, '--prompt', 'The door', '--max-tokens', '8');
  assert.ok(byText.tokens.length > 0 && byText.tokens.length <= 8);
  assert.ok(byText.promptTokens > 0);
  const engine = await createEngine({ model: TAVERN });
  const ids = engine.tokenizer.encode('The door');
  assert.is(engine.tokenizer.decode(byText.tokens), byText.text);
  engine.dispose();
  const byIds = await json(TAVERN, '--tokens', ids.join(','), '--max-tokens', '8');
  assert.equal([byIds.text, byIds.tokens, byIds.promptTokens], [byText.text, byText.tokens, ids.length]);
  const word = byText.text.trim().split(' ').at(-1)!;
  const stopped = await json(TAVERN, '--prompt', 'The door', '--max-tokens', '8', '--stop', 'qqq', '--stop', word);
  assert.is(stopped.ended, 'stop');
  assert.is(stopped.text, byText.text.slice(0, byText.text.indexOf(word)));
  const alone = await json(TAVERN, '--chat', '--prompt', 'Hello', '--max-tokens', '1');
  const told = await json(TAVERN, '--chat', '--system', 'You are Mara.', '--prompt', 'Hello', '--max-tokens', '1', '--adapter', PIRATE, '--adapter', `${PIRATE}=0`);
  assert.ok(told.promptTokens > alone.promptTokens);
  assert.equal(told.adapters, { pirate: 1, 'pirate#2': 0 });
});
test('"tokens" hold the end token that ended the answer, the text does not', async () => {
  const engine = await createEngine({ model: TAVERN });
  await engine.adapters.load('pirate', PIRATE);
  const session = engine.session({ adapters: { pirate: 1 } });
  for await (const _ of session.say('Hello!'));
  const ids = session.tokens.slice(session.tokens.length - session.stats.tokens);
  engine.dispose();
  const told = await json(TAVERN, '--chat', '--prompt', 'Hello!', '--adapter', PIRATE);
  assert.is(told.ended, 'end token');
  assert.equal(told.tokens, ids);
  const { eos_token_id: end } = JSON.parse(readFileSync(`${TAVERN}/generation_config.json`, 'utf8')) as { eos_token_id: number };
  assert.is(told.tokens.at(-1), end);
});
test('--speculate changes nothing but the time; --kv-dtype and --dtype reach the engine; --when-full', async () => {
  const plain = await json(TAVERN, '--prompt', 'The door', '--max-tokens', '24');
  const drafted = await json(TAVERN, '--prompt', 'The door', '--max-tokens', '24', '--speculate');
  assert.equal([drafted.text, drafted.tokens], [plain.text, plain.tokens]);
  for (const option of [['--kv-dtype', 'f16'], ['--kv-dtype', 'Q8'], ['--dtype', 'q8_0']] as const) assert.ok((await json(TAVERN, '--prompt', 'The door', '--max-tokens', '4', ...option)).tokens.length > 0);
  for (const [option, code, hint] of [[['--kv-dtype', 'f8'], 'kv/dtype', /--kv-dtype expected one of f32/], [['--dtype', 'q3'], 'model/dtype', /--dtype expected one of/], [['--when-full', 'burst'], 'session/when-full', /--when-full expected 'stop'/]] as const) {
    const ran = await lorikeet(['generate', TAVERN, '--prompt', 'The door', ...option]);
    failedPlainly(ran, code);
    assert.match(ran.stderr, hint);
  }
  const long = ['--tokens', Array.from({ length: 520 }, (_, i) => 40 + (i % 50)).join(','), '--max-tokens', '4'];
  const full = await lorikeet(['generate', TAVERN, ...long]);
  failedPlainly(full, 'context/full');
  assert.match(full.stderr, /--when-full shift/);
  assert.ok((await json(TAVERN, ...long, '--when-full', 'shift')).tokens.length > 0);
});
test('a model without a tokenizer answers with ids', async () => {
  const ran = await lorikeet(['generate', `${GOLDEN}models/llama`, '--tokens', '3,4,5', '--max-tokens', '4']);
  succeeded(ran);
  assert.match(ran.stdout, /^\d+(,\d+)*\n$/);
});
test('warnings go to stderr', async () => {
  const adapter = join(folder, 'warned');
  cpSync(PIRATE, adapter, { recursive: true });
  const config = JSON.parse(readFileSync(join(adapter, 'adapter_config.json'), 'utf8')) as Record<string, unknown>;
  writeFileSync(join(adapter, 'adapter_config.json'), JSON.stringify({ ...config, 'new\u001b[31mkey': 1 }));
  const ran = await lorikeet(['generate', TAVERN, '--prompt', 'The', '--max-tokens', '1', '--adapter', adapter]);
  assert.is(ran.code, 0);
  assert.match(ran.stderr, /^lorikeet: adapter warned: .*new.*key.*\n$/);
  assert.not.ok(ran.stderr.includes('\u001b'));
});
/** The tavern model, but its answers never end by themselves. */
function endless(): string {
  const model = join(folder, 'endless');
  cpSync(TAVERN, model, { recursive: true });
  rmSync(join(model, 'generation_config.json'));
  const config = JSON.parse(readFileSync(join(model, 'config.json'), 'utf8')) as Record<string, unknown>;
  writeFileSync(join(model, 'config.json'), JSON.stringify({ ...config, eos_token_id: null }));
  return model;
}
test('Ctrl-C ends it with 130 and no words', async () => {
  let sent = false;
  const ran = await lorikeet(['generate', endless(), '--prompt', 'The', '--max-tokens', '500', '--temperature', '1'], {
    onOutput: (_, kill) => { if (!sent) kill('SIGINT'); sent = true; },
  });
  assert.is(ran.code, 130);
  assert.is(ran.stderr, '');
  assert.ok(ran.stdout.length > 0);
});
test('a reader that goes away ends it quietly', async () => {
  const child = spawn(process.execPath, [CLI, 'generate', endless(), '--prompt', 'The', '--max-tokens', '500', '--temperature', '1'], { stdio: ['ignore', 'pipe', 'pipe'] });
  let stderr = '';
  child.stderr.on('data', (d) => { stderr += d; });
  child.stdout.once('data', () => child.stdout.destroy());
  const code = await new Promise((resolve) => { child.on('close', resolve); });
  assert.is(stderr, '');
  assert.is(code, 0);
});
test.run();

const terminal = suite('lorikeet on a terminal');
/** A command's output as a terminal gets it: stdout and stderr in one, through util-linux's script. */
const onTerminal = (args: readonly string[]): string => {
  const command = [process.execPath, CLI, ...args].map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
  return spawnSync('script', ['-qec', command, '/dev/null'], { encoding: 'utf8' }).stdout;
};
if (spawnSync('script', ['--version'], { encoding: 'utf8' }).stdout?.includes('util-linux')) {
  terminal('a line ends where the text does, and nothing but text is written for short work', () => {
    assert.match(onTerminal(['generate', TAVERN, '--prompt', 'The door', '--max-tokens', '4']).replace(/\r\u001b\[K[^\r]*(?=\r\u001b\[K)|\r\u001b\[K/g, ''), /^[ -~]+\r\n$/);
  });
  terminal('what a model says is shown, not obeyed', async () => {
    const { text, tokens } = await json(TAVERN, '--prompt', 'The door', '--max-tokens', '1');
    const model = join(folder, 'evil');
    cpSync(TAVERN, model, { recursive: true });
    const tokenizer = JSON.parse(readFileSync(join(model, 'tokenizer.json'), 'utf8')) as { model: { vocab: Record<string, number>; merges: unknown[] }; added_tokens: unknown[] };
    // The token that comes gets another text: in the byte-level alphabet U+0100 + n stands for byte n below 0x21, so this is ESC ] 0 ; x BEL.
    const [old] = Object.entries(tokenizer.model.vocab).find(([, id]) => id === tokens[0])!;
    const merges = tokenizer.model.merges.filter((merge) => (Array.isArray(merge) ? merge.join('') : String(merge).replace(' ', '')) !== old);
    delete tokenizer.model.vocab[old];
    tokenizer.model.vocab['\u011b]0;x\u0107'] = tokens[0]!;
    writeFileSync(join(model, 'tokenizer.json'), JSON.stringify({ ...tokenizer, model: { ...tokenizer.model, merges } }));
    const plain = await lorikeet(['generate', model, '--prompt', 'The door', '--max-tokens', '1']);
    assert.is(plain.stdout, '\u001b]0;x\u0007', `instead of ${text}`);
    assert.ok(onTerminal(['generate', model, '--prompt', 'The door', '--max-tokens', '1']).includes('\\u{1b}]0;x\\u{7}\r\n'));
  });
} else console.log('SKIP: the command "script" of util-linux is not installed');
terminal.run();
