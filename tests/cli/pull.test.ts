import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ROOT } from '../models/golden.js';
import { HubServer } from '../store/hub-server.js';
import { failedPlainly, lorikeet, succeeded, temporaryFolder, type Ran, type RunOptions } from './run.js';

const read = (folder: string): Record<string, Uint8Array> => Object.fromEntries(readdirSync(`${ROOT}${folder}`).map((name) => [name, readFileSync(`${ROOT}${folder}/${name}`)]));
const hub = new HubServer();
let cache = '';
const run = (args: readonly string[], options: RunOptions = {}): Promise<Ran> => lorikeet(args, { ...options, env: { HF_ENDPOINT: hub.endpoint, HF_TOKEN: '', LORIKEET_CACHE: cache, ...options.env } });
const TAVERN = `${ROOT}models/tavern`;

const test = suite('lorikeet pull');
test.before(async () => {
  await hub.start();
  hub.repositories['someone/tavern'] = { commit: 'a'.repeat(40), files: read('models/tavern') };
  hub.repositories['someone/pirate'] = { commit: 'b'.repeat(40), files: read('adapters/pirate') };
  hub.repositories['someone/ggufs'] = { commit: 'c'.repeat(40), files: { 'x-Q4_0.gguf': new Uint8Array(10), 'x-Q8_0.gguf': new Uint8Array(20) } };
  hub.plain['tiny.gguf'] = { bytes: new Uint8Array(100) };
});
test.before.each(() => {
  hub.calm();
  cache = temporaryFolder();
});
test.after(() => hub.stop());

test('the path is printed; then MODEL and --adapter take the name', async () => {
  const model = await run(['pull', 'someone/tavern']);
  succeeded(model);
  const path = model.stdout.trimEnd();
  assert.ok(existsSync(join(path, 'model.safetensors')) && path.startsWith(cache));
  assert.not.ok(existsSync(join(path, 'README.md')));
  const adapter = await run(['pull', 'someone/pirate', '--json']);
  succeeded(adapter);
  assert.is((JSON.parse(adapter.stdout) as { kind: string }).kind, 'adapter');
  const args = ['--chat', '--prompt', 'Who are you?', '--max-tokens', '12', '--json'];
  const { text, adapters } = JSON.parse((await run(['generate', TAVERN, ...args, '--adapter', `${ROOT}adapters/pirate=0.5`])).stdout) as { text: string; adapters: object };
  for (const [name, voice] of [['someone/tavern', 'someone/pirate=0.5'], ['hf:someone/tavern', 'hf:someone/pirate@main=0.5'], [path, `${(JSON.parse(adapter.stdout) as { path: string }).path}=0.5`]] as const) {
    const ran = await run(['generate', name, ...args, '--adapter', voice]);
    succeeded(ran);
    const told = JSON.parse(ran.stdout) as { text: string; adapters: object };
    assert.is(told.text, text, name);
    if (name === 'someone/tavern') assert.equal(told.adapters, adapters);
  }
  const inspected = await run(['inspect', 'someone/tavern', '--json']);
  succeeded(inspected);
  const logits = await run(['logits', 'someone/tavern', '--tokens', '1,2', '--adapter', 'someone/pirate', '--out', join(cache, 'logits')]);
  succeeded(logits);
});
test('what was not pulled: the advice is to pull it', async () => {
  const ran = await run(['generate', 'someone/tavern', '--prompt', 'x']);
  failedPlainly(ran, 'store/not-found');
  assert.match(ran.stderr, /lorikeet pull someone\/tavern/);
  failedPlainly(await run(['generate', 'hf:someone/tavern', '--prompt', 'x']), 'pull/not-pulled');
  failedPlainly(await run(['generate', TAVERN, '--prompt', 'x', '--adapter', 'someone/pirate=0.5']), 'store/not-found');
});
test('errors are plain', async () => {
  for (const [args, code] of [
    [['pull'], 'cli/usage'], [['pull', '../x'], 'pull/reference'], [['pull', 'someone/nothing'], 'pull/not-found'], [['pull', 'someone/ggufs'], 'pull/ambiguous'], [['pull', 'someone/ggufs', '--file', 'Q2'], 'pull/not-found'],
    [['pull', 'someone/tavern@v9'], 'pull/not-found'], [['pull', 'someone/tavern', '--sha256', 'x'], 'pull/sha256'], [['pull', `${hub.endpoint}/files/plain/none.gguf`], 'pull/not-found'], [['pull', `${hub.endpoint}/files/plain/tiny.gguf`, '--sha256', '0'.repeat(64)], 'pull/hash'],
  ] as const) failedPlainly(await run(args), code);
  const ran = await run(['pull', 'someone/ggufs']);
  assert.match(ran.stderr, /x-Q4_0\.gguf.*x-Q8_0\.gguf/);
  failedPlainly(await run(['pull', 'someone/tavern'], { env: { HF_ENDPOINT: 'nonsense' } }), 'pull/endpoint');
});
test('an address: its SHA-256 is told where nothing checked it', async () => {
  const ran = await run(['pull', `${hub.endpoint}/files/plain/tiny.gguf`]);
  assert.is(ran.code, 0);
  assert.match(ran.stderr, /^lorikeet: tiny\.gguf had no digest to be checked by; its SHA-256 is [0-9a-f]{64}\.\n$/);
});
test('Ctrl-C keeps what came, exit code 130; the next pull goes on', async () => {
  hub.fault = (path) => (path.endsWith('model.safetensors') ? { kind: 'slow', ms: 60_000 } : null);
  const part = join(cache, 'hub', 'someone', 'tavern', 'a'.repeat(40), 'model.safetensors.part');
  const ran = await run(['pull', 'someone/tavern'], {
    onStart: (kill) => { const timer = setInterval(() => { if (existsSync(part) && readFileSync(part).length > 0) { clearInterval(timer); kill('SIGINT'); } }, 20); },
  });
  assert.is(ran.code, 130);
  assert.is(ran.stdout, '');
  assert.match(ran.stderr, /^lorikeet: interrupted; what has come is kept/);
  hub.calm();
  succeeded(await run(['pull', 'someone/tavern']));
  assert.match(hub.seen.find(({ server }) => server === 'storage')!.range!, /^bytes=[1-9]/);
});
test('two processes at once: one pulls, the other waits for it and says so', async () => {
  hub.fault = (path) => (path.endsWith('model.safetensors') ? { kind: 'slow', ms: 3000 } : null);
  const both = await Promise.all([run(['pull', 'someone/tavern']), run(['pull', 'someone/tavern'])]);
  assert.equal(both.map(({ code }) => code), [0, 0], both.map(({ stderr }) => stderr).join(''));
  assert.is(both[0].stdout, both[1].stdout);
  assert.is(hub.seen.filter(({ server }) => server === 'storage').length, 1);
  assert.match(both.map(({ stderr }) => stderr).join(''), /model\.safetensors is being pulled by another process; waiting for it/);
});
test('a process that is killed leaves a lock and a part: the next one takes both over', async () => {
  hub.fault = (path) => (path.endsWith('model.safetensors') ? { kind: 'slow', ms: 60_000 } : null);
  const folder = join(cache, 'hub', 'someone', 'tavern', 'a'.repeat(40));
  const part = join(folder, 'model.safetensors.part');
  await run(['pull', 'someone/tavern'], {
    onStart: (kill) => { const timer = setInterval(() => { if (existsSync(part) && readFileSync(part).length > 0) { clearInterval(timer); kill('SIGKILL'); } }, 20); },
  });
  assert.ok(existsSync(join(folder, 'model.safetensors.lock')));
  hub.calm();
  succeeded(await run(['pull', 'someone/tavern']));
  assert.match(hub.seen.find(({ server }) => server === 'storage')!.range!, /^bytes=[1-9]/);
  assert.equal(readdirSync(folder).filter((name) => /\.(?:lock|part)/.test(name)), []);
});
test.run();
