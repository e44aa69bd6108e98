import { spawn, spawnSync } from 'node:child_process';
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createEngine, type Session } from '../../src/index.js';
import { ROOT } from '../models/golden.js';
import { CLI, lorikeet, succeeded, temporaryFolder, type Ran } from './run.js';

const TAVERN = `${ROOT}models/tavern`;
const PIRATE = `${ROOT}adapters/pirate`;
const HERALD = `${ROOT}adapters/herald`;
const folder = temporaryFolder();

interface Told {
  answers: { prompt: string; text: string; tokens: number[]; adapters: Record<string, number>; seed: number; ended: string; promptTokens: number }[];
  messages: { role: string; content: string }[];
  adapters: Record<string, number>;
  seed: number;
}
const chat = (lines: readonly string[], ...args: string[]): Promise<Ran> => lorikeet(['chat', TAVERN, '--max-tokens', '16', ...args], { input: lines.map((line) => `${line}\n`).join('') });
const json = async (lines: readonly string[], ...args: string[]): Promise<Told> => {
  const ran = await chat(lines, ...args, '--json');
  succeeded(ran);
  assert.is(ran.stdout.trimEnd().split('\n').length, 1);
  return JSON.parse(ran.stdout) as Told;
};
const said = async (session: Session, text: string): Promise<string> => {
  let all = '';
  for await (const piece of session.say(text, { maxTokens: 16 })) all += piece;
  return all;
};

const scripted = suite('lorikeet chat, scripted');
scripted('answers stand on stdout, one after the other, as a session of the engine gives them; the rest on stderr', async () => {
  const engine = await createEngine({ model: TAVERN });
  await engine.adapters.load('pirate', PIRATE);
  await engine.adapters.load('herald', HERALD);
  const session = engine.session({ adapters: { pirate: 1, herald: 0.5 } });
  const expected = [await said(session, 'Hello!')];
  session.adapters = { pirate: 0.7 };
  expected.push(await said(session, 'Where is the treasure?'));
  session.adapters = { pirate: 0.7, herald: 0.3 };
  expected.push(await said(session, 'Who are you?'));
  session.adapters = {};
  expected.push(await said(session, 'Who are you?'));
  engine.dispose();
  const { code, stdout, stderr } = await chat(['Hello!', '/adapter pirate=0.7', 'Where is the treasure?', '/adapter pirate=0.7 herald=0.3', 'Who are you?', '/adapter none', 'Who are you?'], '--adapter', PIRATE, '--adapter', `${HERALD}=0.5`);
  assert.is(code, 0, stderr);
  assert.is(stdout, expected.map((text) => `${text}\n`).join(''));
  assert.match(stderr, /Voice: pirate 0\.7\.\n.*Voice: pirate 0\.7 \+ herald 0\.3\.\n.*No adapter/);
});
scripted('--json: one object', async () => {
  const told = await json(['Hello!', '/adapter pirate=0.7', 'Who are you?'], '--adapter', PIRATE, '--system', 'Be brief.', '--seed', '5', '--temperature', '0.8');
  assert.equal(told.answers.map(({ prompt, adapters, seed }) => ({ prompt, adapters, seed })), [{ prompt: 'Hello!', adapters: { pirate: 1 }, seed: 5 }, { prompt: 'Who are you?', adapters: { pirate: 0.7 }, seed: 5 }]);
  assert.equal(told.messages.map(({ role }) => role), ['system', 'user', 'assistant', 'user', 'assistant']);
  assert.equal(told.messages.filter(({ role }) => role === 'assistant').map(({ content }) => content), told.answers.map(({ text }) => text));
  for (const { tokens, ended } of told.answers) assert.ok(tokens.length > 0 && tokens.length <= 16 && (ended === 'end token' || ended === 'length'));
  assert.equal(told.adapters, { pirate: 0.7 });
});
scripted('load, unload, system, seed and reset', async () => {
  const told = await json([`/load ${HERALD} as crier`, 'Hello!', '/adapter crier', 'Hello!', '/unload crier', 'Hello!', '/system Speak.', '/seed 9', '/reset', 'Hello!', '/stats', '/memory', '/help', '/adapter', '/quit', 'never said']);
  assert.equal(told.answers.map(({ adapters, seed }) => [adapters, seed]), [[{}, 0], [{ crier: 1 }, 0], [{}, 0], [{}, 9]]);
  assert.equal(told.messages.map(({ role }) => role), ['system', 'user', 'assistant']);
  assert.is(told.messages[0]!.content, 'Speak.');
});
scripted('a conversation that is saved goes on the same, here and in another process', async () => {
  const file = join(folder, 'saved.json');
  const args = ['--adapter', PIRATE, '--temperature', '0.9', '--seed', '3'];
  const straight = await json(['Hello!', 'Where is the treasure?', 'Who are you?'], ...args);
  const saved = await json(['Hello!', `/save ${file}`, 'Something else.', `/restore ${file}`, 'Where is the treasure?', `/save ${file}`], ...args);
  assert.equal([saved.answers[0]!.text, saved.answers[2]!.text], straight.answers.slice(0, 2).map(({ text }) => text));
  const gone = await json([`/restore ${file}`, 'Who are you?'], '--adapter', PIRATE);
  assert.is(gone.answers[0]!.text, straight.answers[2]!.text);
  assert.equal(gone.messages, straight.messages);
  const lacking = await chat([`/restore ${file}`]);
  assert.is(lacking.code, 1);
  assert.match(lacking.stderr, /\[session\/saved-adapter\]/);
  writeFileSync(file, 'no JSON');
  assert.match((await chat([`/restore ${file}`])).stderr, /\[cli\/chat\]/);
});
scripted('messages: continued lines, a slash at the beginning, empty lines, Windows line ends', async () => {
  const told = await json(['one\\', 'two', '', '   ', '//help', 'last\r']);
  assert.equal(told.answers.map(({ prompt }) => prompt), ['one\ntwo', '/help', 'last']);
});
scripted('nothing said is nothing answered', async () => {
  assert.equal((await json([])).answers, []);
  const ran = await chat([]);
  succeeded(ran);
  assert.is(ran.stdout, '');
});
scripted('the first error ends it, with a hint at what was meant', async () => {
  for (const [line, code, hint] of [
    ['/adaptr pirate', 'cli/chat', /did you mean \/adapter\?/], ['/xyzzy', 'cli/chat', /\/help/], ['/adapter pirat=0.5', 'adapter/unknown', /did you mean pirate\?/], ['/adapter nobody', 'adapter/unknown', /expected one of pirate/],
    ['/adapter pirate=loud', 'adapter/scale', /finite/], ['/adapter pirate=1e999', 'adapter/scale', /finite/], ['/adapter pirate pirate', 'cli/chat', /twice/], ['/load', 'cli/chat', /folder/], [`/load ${join(folder, 'nowhere')}`, 'store/not-found', /nowhere/],
    ['/unload nobody', 'adapter/unknown', /pirate/], ['/seed x', 'sample/seed', /--seed/], ['/seed -1', 'sample/seed', /--seed/], ['/save', 'cli/chat', /path/], [`/save ${folder}`, 'cli/output', /folder/], [`/restore ${join(folder, 'nowhere')}`, 'store/unreadable', /nothing at that path/],
  ] as const) {
    const ran = await chat([line, 'never said'], '--adapter', PIRATE);
    assert.is(ran.code, 1, line);
    assert.is(ran.stdout, '', line);
    assert.ok(ran.stderr.split('\n')[0]!.endsWith(`[${code}]`), `${line}: ${ran.stderr}`);
    assert.match(ran.stderr, hint, line);
  }
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
const ENDLESS = endless();
scripted('Ctrl-C ends it with 130 and no words', async () => {
  let sent = false;
  const ran = await lorikeet(['chat', ENDLESS, '--temperature', '1', '--max-tokens', '480'], { input: 'Hello!\n', onOutput: (_, kill) => { if (!sent) kill('SIGINT'); sent = true; } });
  assert.is(ran.code, 130);
  assert.is(ran.stderr, '');
});
scripted.run();

const terminal = suite('lorikeet chat, on a terminal');
/** Types into a chat on a terminal of its own: each text as soon as what it waits for has come since the last one. */
async function typed(args: readonly string[], steps: readonly (readonly [waitFor: string, type: string])[], env: Readonly<Record<string, string>> = {}): Promise<{ output: string; code: number | null }> {
  const command = [process.execPath, CLI, 'chat', ...args].map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
  const { NO_COLOR: _, FORCE_COLOR: __, ...rest } = process.env;
  // `exec`: a shell that stayed would take Ctrl-C's signal too, and some leave with 130 then.
  const child = spawn('script', ['-qec', `exec ${command}`, '/dev/null'], { env: { ...rest, TERM: 'xterm', ...env } });
  let output = '';
  let mark = 0;
  let step = 0;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    const next = steps[step];
    if (!next || !output.slice(mark).includes(next[0])) return;
    mark = output.length;
    step++;
    setTimeout(() => child.stdin.write(next[1]), next[0] === '› ' ? 60 : 0);
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), 60_000); // a test that hangs says where
  const code = await new Promise<number | null>((resolve) => { child.on('close', resolve); });
  clearTimeout(timer);
  assert.is(step, steps.length, `stopped before ${JSON.stringify(steps[step])}: ${output}`);
  return { output, code };
}
const plain = (text: string): string => text.replace(/\u001b\[[0-9;]*[A-Za-z]/g, '').replaceAll('\r', '');
const BASE = [TAVERN, '--adapter', PIRATE, '--max-tokens', '12'] as const;
if (spawnSync('script', ['--version'], { encoding: 'utf8' }).stdout?.includes('util-linux')) {
  terminal('answers, commands, errors that it survives, Ctrl-D', async () => {
    const { output, code } = await typed(BASE, [['› ', 'Hello!\r'], ['› ', '/adaptr\r'], ['› ', '/adapter pirate=0.5\r'], ['› ', 'Hello!\r'], ['› ', '\u0004']]);
    assert.is(code, 0);
    assert.match(plain(output), /^lorikeet · llama.*\/help\n\n› Hello!\npirate ▸ .+\n(?:.*\n)*\n› \/adaptr\nThere is no command \/adaptr here; did you mean \/adapter\? \[cli\/chat\]\n\n› \/adapter pirate=0\.5\nVoice: pirate 0\.5\.\n\n› Hello!\npirate 0\.5 ▸ .+\n/);
    assert.match(output, /\u001b\[1;32mpirate ▸\u001b\[0m/);
  });
  terminal('colours are off by --no-color, NO_COLOR and TERM=dumb', async () => {
    for (const [args, env] of [[['--no-color'], { FORCE_COLOR: '1' }], [[], { NO_COLOR: '1' }], [[], { TERM: 'dumb' }]] as const) {
      const { output } = await typed([...BASE, ...args], [['› ', 'Hello!\r'], ['› ', '/quit\r']], env);
      assert.not.match(output, /\u001b\[[0-9;]*m/);
    }
  });
  terminal('Ctrl-C stops the answer and the chat goes on; on an empty line it ends it', async () => {
    const { output, code } = await typed([ENDLESS, '--temperature', '1', '--max-tokens', '490'], [['› ', 'Hello!\r'], ['model ▸', '\u0003'], ['› ', 'half a line\u0003'], ['› ', '/stats\r'], ['› ', '\u0003']]);
    assert.is(code, 0);
    assert.match(plain(output), /\(stopped\)\n/);
    assert.match(plain(output), /ended: broken off/);
  });
  terminal('what is pasted as several lines is several messages', async () => {
    const { output } = await typed(BASE, [['› ', 'Hello!\rWho are you?\r/quit\r']]);
    assert.is(plain(output).match(/pirate ▸ /g)!.length, 2);
  });
} else console.log('SKIP: the command "script" of util-linux is not installed');
terminal.run();
