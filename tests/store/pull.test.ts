import { existsSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { findPulled } from '../../src/store/cache.js';
import { pull } from '../../src/store/hub.js';
import { openFolder } from '../../src/store/index.js';
import { A, B, MODEL, after, at, before, bytesOf, cache, code, error, files, gguf, hub, noLitter, onFile, options, reset, root, sha256, text, weights } from './pulling.js';

const repositories = suite('pulling from a hub');
repositories.before(before);
repositories.before.each(reset);
repositories.after(after);

repositories('a model: configuration, tokenizer, template and safetensors, nothing else', async () => {
  const progress: [string, number, number | null][] = [];
  const pulled = await pull('someone/small', options({ onProgress: (...told) => { progress.push(told); } }));
  assert.is(pulled.kind, 'model');
  assert.is(pulled.commit, A);
  assert.is(pulled.path, at('hub', 'someone', 'small', A));
  assert.equal(files(pulled.path), ['.pulled.json', 'chat_template.jinja', 'config.json', 'generation_config.json', 'model.safetensors', 'tokenizer.json', 'tokenizer_config.json']);
  for (const [name, bytes] of Object.entries(MODEL)) if (existsSync(join(pulled.path, name))) assert.ok(readFileSync(join(pulled.path, name)).equals(bytes), name);
  assert.ok(pulled.files.every(({ verified }) => verified));
  assert.is(pulled.files.find(({ name }) => name === 'model.safetensors')!.sha256, sha256(weights));
  assert.is(pulled.bytes, pulled.files.reduce((sum, { downloaded }) => sum + downloaded, 0));
  assert.equal(progress.findLast(([name]) => name === 'model.safetensors'), ['model.safetensors', weights.length, weights.length]);
  noLitter();
  assert.is(await findPulled('someone/small', options()), pulled.path);
  assert.is(await findPulled('hf:someone/small@main', options()), pulled.path);
  assert.is(await findPulled(`someone/small@${A}`, options()), pulled.path);
  assert.is(await findPulled('someone/small@other', options()), null);
  assert.is(await findPulled('someone/smaller', options()), null);
});

repositories("what Hugging Face's own programs brought is found, too, and opens through its links", async () => {
  const place = join(cache, 'hf', 'models--someone--else');
  const snapshot = join(place, 'snapshots', A);
  for (const part of [join(place, 'refs'), join(place, 'blobs'), snapshot]) mkdirSync(part, { recursive: true });
  writeFileSync(join(place, 'refs', 'main'), A);
  writeFileSync(join(place, 'blobs', '1'), '{}');
  symlinkSync('../../blobs/1', join(snapshot, 'config.json'));
  const { env } = process;
  process.env = { ...env, HF_HUB_CACHE: join(cache, 'hf') };
  try {
    assert.is(await findPulled('someone/else', options()), null, 'no weights');
    symlinkSync('../../blobs/1', join(snapshot, 'model.safetensors'));
    assert.is(await findPulled('someone/else', options()), snapshot);
    assert.is(await (await openFolder(snapshot)).text('config.json', 10), '{}');
    assert.is(await findPulled(`someone/else/model.safetensors@${A}`, options()), join(snapshot, 'model.safetensors'));
    assert.is(await findPulled('someone/else@other', options()), null);
  } finally {
    process.env = env;
  }
});

repositories('again: one question, nothing downloaded', async () => {
  await pull('someone/small', options());
  hub.seen = [];
  const again = await pull('someone/small', options());
  assert.equal(again.files.map(({ downloaded }) => downloaded), again.files.map(() => 0));
  assert.is(hub.seen.length, 1);
});

repositories('an adapter; shards and their index', async () => {
  const adapter = await pull('someone/voice', options());
  assert.is(adapter.kind, 'adapter');
  assert.equal(adapter.files.map(({ name }) => name), ['adapter_config.json', 'adapter_model.safetensors']);
  hub.repositories['someone/shards'] = { commit: A, files: { 'config.json': text({}), 'model.safetensors.index.json': text({}), 'model-00001-of-00002.safetensors': weights, 'model-00002-of-00002.safetensors': gguf } };
  assert.is((await pull('someone/shards', options())).files.length, 4);
});

repositories('a GGUF: the only one, by its path, by a part of its name; several are listed', async () => {
  const only = await pull('someone/one-gguf', options());
  assert.is(only.path, at('hub', 'someone', 'one-gguf', A, 'model-Q4_1.gguf'));
  assert.is(await findPulled('someone/one-gguf', options()), only.path);
  const several = await error(() => pull('someone/many-gguf', options()));
  assert.is(several.code, 'pull/ambiguous');
  assert.match(several.message, /m-Q4_0\.gguf.*m-Q8_0\.gguf.*sub\/m-Q8_0-x\.gguf/);
  const named = await pull('someone/many-gguf/sub/m-Q8_0-x.gguf', options());
  assert.is(await findPulled('someone/many-gguf/sub/m-Q8_0-x.gguf', options()), named.path);
  assert.is(await findPulled('someone/many-gguf', options()), named.path);
  const part = await pull('someone/many-gguf', options({ file: 'q4_0' }));
  assert.ok(part.path.endsWith('m-Q4_0.gguf'));
  assert.is(await code(() => findPulled('someone/many-gguf', options())), 'pull/ambiguous');
  assert.is(await code(() => pull('someone/many-gguf', options({ file: 'Q8_0' }))), 'pull/ambiguous');
  assert.is(await code(() => pull('someone/many-gguf', options({ file: 'Q2_K' }))), 'pull/not-found');
  const address = await pull(`${hub.endpoint}/someone/many-gguf/blob/main/m-Q4_0.gguf`, options());
  assert.is(address.path, part.path);
});

repositories('never a pickle', async () => {
  hub.repositories['someone/old'] = { commit: A, files: { 'config.json': text({}), 'pytorch_model.bin': weights } };
  const { code: found, message } = await error(() => pull('someone/old', options()));
  assert.is(found, 'pull/no-weights');
  assert.match(message, /pytorch_model\.bin/);
  assert.is(await code(() => pull('someone/old', options({ file: 'pytorch_model.bin' }))), 'pull/no-weights');
  assert.ok(!hub.seen.some(({ path }) => path.includes('/resolve/')));
});

repositories('the token goes to the hub and not to its storage', async () => {
  hub.repositories['someone/small']!.token = 'secret';
  assert.is(await code(() => pull('someone/small', options())), 'pull/unauthorized');
  hub.seen = [];
  await pull('someone/small', options({ token: 'secret' }));
  assert.ok(hub.seen.some(({ server }) => server === 'storage'));
  for (const { server, authorization } of hub.seen) assert.is(authorization, server === 'hub' ? 'Bearer secret' : undefined);
});

repositories('broken connections: goes on where they broke', async () => {
  onFile('model.safetensors', { kind: 'cut', after: 200_000 }, { kind: 'status', status: 503 }, { kind: 'cut', after: 100_000 }, { kind: 'cut', after: 1 });
  const pulled = await pull('someone/small', options());
  assert.ok(readFileSync(join(pulled.path, 'model.safetensors')).equals(weights));
  const ranges = hub.seen.filter(({ server }) => server === 'storage').map(({ range }) => range);
  assert.is(ranges[0], undefined);
  assert.is(ranges.length, 5);
  const starts = ranges.slice(1).map((range) => Number(/^bytes=(\d+)-$/.exec(range!)![1]));
  assert.ok(starts[0]! > 0 && starts[0]! <= 200_000 && starts.every((start, i) => i === 0 || start >= starts[i - 1]!), String(starts));
  noLitter();
});

repositories('a connection that is never any good: an error, the part is kept, the next pull goes on', async () => {
  hub.fault = (path, attempt) => (path.endsWith('model.safetensors') ? { kind: 'cut', after: attempt === 0 ? 300_000 : 0 } : null);
  const failed = await error(() => pull('someone/small', options()));
  assert.is(failed.code, 'pull/cut');
  const part = at('hub', 'someone', 'small', A, 'model.safetensors.part');
  const kept = statSync(part).size;
  assert.ok(kept > 0 && kept <= 300_000);
  for (const name of ['someone/small', `someone/small@${A}`]) assert.is(await findPulled(name, options()), null, 'half a model is none');
  hub.calm();
  const pulled = await pull('someone/small', options());
  assert.is(hub.seen.find(({ server }) => server === 'storage')!.range, `bytes=${kept}-`);
  const file = pulled.files.find(({ name }) => name === 'model.safetensors')!;
  assert.is(file.downloaded, weights.length - kept);
  assert.is(file.sha256, sha256(weights));
  noLitter();
});

repositories('a part with wrong bytes is found out and fetched anew; so is one that is too long', async () => {
  const part = at('hub', 'someone', 'small', A, 'model.safetensors.part');
  for (const wrong of [bytesOf(1000, 77), bytesOf(weights.length, 77), bytesOf(weights.length + 5, 77)]) {
    rmSync(cache, { recursive: true, force: true });
    mkdirSync(join(part, '..'), { recursive: true });
    writeFileSync(part, wrong);
    const pulled = await pull('someone/small', options());
    assert.ok(readFileSync(join(pulled.path, 'model.safetensors')).equals(weights));
    noLitter();
  }
});

repositories('a part that is whole already needs no byte', async () => {
  const part = at('hub', 'someone', 'small', A, 'model.safetensors.part');
  mkdirSync(join(part, '..'), { recursive: true });
  writeFileSync(part, weights);
  const pulled = await pull('someone/small', options());
  assert.is(pulled.files.find(({ name }) => name === 'model.safetensors')!.downloaded, 0);
  assert.ok(!hub.seen.some(({ server }) => server === 'storage'));
});

repositories('servers that take ranges wrongly', async () => {
  for (const fault of [{ kind: 'ignores ranges' }, { kind: 'wrong range' }] as const) {
    reset();
    onFile('model.safetensors', { kind: 'cut', after: 200_000 }, fault);
    const pulled = await pull('someone/small', options());
    assert.ok(readFileSync(join(pulled.path, 'model.safetensors')).equals(weights), fault.kind);
  }
});

repositories('wrong bytes are refused: by SHA-256, by the id of a git blob, by what a redirect tells, by length', async () => {
  hub.fault = (path) => (path.endsWith('model.safetensors') ? { kind: 'damage' } : null);
  const damaged = await error(() => pull('someone/small', options()));
  assert.is(damaged.code, 'pull/hash');
  assert.is(damaged.expected, sha256(weights));
  assert.ok(!existsSync(at('hub', 'someone', 'small', A, 'model.safetensors')));
  assert.ok(!existsSync(at('hub', 'someone', 'small', A, 'model.safetensors.part')), 'wrong bytes are not kept');
  hub.repositories['someone/small']!.bare = true;
  assert.is(await code(() => pull('someone/small', options())), 'pull/hash', 'X-Linked-Etag');
  reset();
  hub.fault = (path) => (path.endsWith('/tokenizer.json') ? { kind: 'damage' } : null);
  assert.is(await code(() => pull('someone/small', options())), 'pull/hash', 'git');
  hub.fault = (path) => (path.endsWith('model.safetensors') ? { kind: 'other length' } : null);
  assert.is(await code(() => pull('someone/small', options())), 'pull/size');
});

repositories('a mirror that tells nothing: taken, and said to be unverified', async () => {
  Object.assign(hub.repositories['someone/small']!, { bare: true, unlinked: true });
  const pulled = await pull('someone/small', options());
  assert.ok(pulled.files.every(({ verified }) => !verified));
  assert.is(await code(() => pull('someone/one-gguf', options({ sha256: '0'.repeat(64) }))), 'pull/hash');
  const good = await pull('someone/one-gguf', options({ sha256: sha256(gguf).toUpperCase() }));
  assert.is(good.files[0]!.verified, true);
});

repositories('statuses', async () => {
  assert.is(await code(() => pull('someone/nothing', options())), 'pull/not-found');
  assert.is(await code(() => pull('someone/small@v2', options())), 'pull/not-found');
  for (const [status, expected] of [[401, 'pull/unauthorized'], [403, 'pull/unauthorized'], [404, 'pull/not-found'], [418, 'pull/server'], [429, 'pull/rate-limited'], [500, 'pull/server'], [503, 'pull/server']] as const) {
    for (const name of ['main', 'model.safetensors']) {
      hub.calm();
      hub.fault = (path) => (path.endsWith(`/${name}`) ? { kind: 'status', status } : null);
      assert.is(await code(() => pull('someone/small', options())), expected, `${status} of ${name}`);
      const attempts = hub.seen.filter(({ server, path }) => (name === 'main' ? path.includes('/api/') : server === 'storage')).length;
      assert.is(attempts, [429, 500, 503].includes(status) ? 4 : 1, `${status} of ${name}: attempts`);
    }
  }
  hub.calm();
  hub.fault = (path, attempt) => (path.endsWith('/main') && attempt < 2 ? { kind: 'status', status: 429, headers: { 'retry-after': '0' } } : null);
  await pull('someone/small', options());
});

repositories('answers that are no hub\'s', async () => {
  for (const body of ['<html>', '[]', 'null', '5', '{}', `{"sha":"../../x","siblings":[]}`, `{"sha":"${A}"}`, `{"sha":"${A}","siblings":5}`]) {
    hub.fault = (path) => (path.includes('/api/') ? { kind: 'body', body } : null);
    assert.is(await code(() => pull('someone/small', options())), 'pull/answer', body);
  }
  hub.fault = (path) => (path.includes('/api/') ? { kind: 'body', body: JSON.stringify({ sha: A, siblings: [null, 5, {}, { rfilename: '../../evil.gguf', size: 5 }, { rfilename: '/etc/passwd.gguf' }, { rfilename: 'C:\\x.gguf' }] }) } : null);
  assert.is(await code(() => pull('someone/small', options())), 'pull/no-weights', 'names that lead out are none');
  hub.fault = (path) => (path.includes('/api/') ? { kind: 'body', body: JSON.stringify({ sha: A, siblings: [{ rfilename: 'x.gguf', size: 2 ** 53 - 1, lfs: { sha256: '0'.repeat(64), size: 2 ** 53 - 1 } }] }) } : null);
  assert.is(await code(() => pull('someone/small', options())), 'pull/disk-full', 'said before anything is fetched');
});

repositories('a server that falls silent, and one that isn\'t there', async () => {
  onFile('model.safetensors', { kind: 'silence' });
  const pulled = await pull('someone/small', options({ patience: { firstWaitMs: 1, idleMs: 100, retries: 2 } }));
  assert.ok(readFileSync(join(pulled.path, 'model.safetensors')).equals(weights));
  assert.is(await code(() => pull('someone/small', options({ endpoint: 'http://127.0.0.1:9' }))), 'pull/network');
});

repositories('a signal interrupts: before, while waiting for another attempt, in the middle; what came is kept', async () => {
  assert.is(await code(() => pull('someone/small', options({ signal: AbortSignal.abort() }))), 'pull/interrupted');
  hub.fault = () => ({ kind: 'status', status: 503, headers: { 'retry-after': '30' } });
  assert.is(await code(() => pull('someone/small', options({ signal: AbortSignal.timeout(50) }))), 'pull/interrupted');
  hub.calm();
  onFile('model.safetensors', { kind: 'slow', ms: 5000 });
  const controller = new AbortController();
  assert.is(await code(() => pull('someone/small', options({ signal: controller.signal, onProgress: (file) => { if (file === 'model.safetensors') controller.abort(); } }))), 'pull/interrupted');
  assert.ok(statSync(at('hub', 'someone', 'small', A, 'model.safetensors.part')).size > 0);
  assert.equal(files().filter((name) => name.endsWith('.lock')), []);
  hub.calm();
  await pull('someone/small', options());
  assert.match(hub.seen.find(({ server }) => server === 'storage')!.range!, /^bytes=\d+-$/);
});

repositories('a new commit: what is the same is linked, the former stays', async () => {
  const first = await pull('someone/small', options());
  hub.repositories['someone/small'] = { commit: B, files: { ...MODEL, 'config.json': text({ model_type: 'llama', changed: true }) } };
  hub.seen = [];
  const second = await pull('someone/small', options());
  assert.is(second.files.find(({ name }) => name === 'model.safetensors')!.downloaded, 0);
  assert.ok(!hub.seen.some(({ server }) => server === 'storage'));
  assert.ok(readFileSync(join(second.path, 'model.safetensors')).equals(weights));
  assert.match(readFileSync(join(second.path, 'config.json'), 'utf8'), /changed/);
  assert.is(await findPulled('someone/small', options()), second.path);
  assert.is(await findPulled(`someone/small@${A}`, options()), first.path);
  noLitter();
});

repositories('two pulls at once: one works, the other waits and finds it done', async () => {
  onFile('model.safetensors', { kind: 'slow', ms: 300 });
  const waited: string[] = [];
  const both = await Promise.all([0, 1].map(() => pull('someone/small', options({ onWait: (file) => { waited.push(file); } }))));
  assert.is(hub.seen.filter(({ server }) => server === 'storage').length, 1);
  assert.ok(waited.includes('model.safetensors'));
  assert.equal(both.map(({ files: list }) => list.find(({ name }) => name === 'model.safetensors')!.downloaded).sort(), [0, weights.length]);
  noLitter();
});

repositories('a lock that was left behind is taken over; one that is held is waited for', async () => {
  const lock = at('hub', 'someone', 'one-gguf', A, 'model-Q4_1.gguf.lock');
  mkdirSync(join(lock, '..'), { recursive: true });
  writeFileSync(lock, JSON.stringify({ pid: 2 ** 30, host: hostname(), nonce: 'x' }));
  await pull('someone/one-gguf', options());
  reset();
  const old = at('hub', 'someone', 'one-gguf', A, 'model-Q4_1.gguf.lock');
  mkdirSync(join(old, '..'), { recursive: true });
  writeFileSync(old, JSON.stringify({ pid: 1, host: 'another machine', nonce: 'x' }));
  assert.is(await code(() => pull('someone/one-gguf', options({ signal: AbortSignal.timeout(400) }))), 'pull/interrupted');
  utimesSync(old, new Date(Date.now() - 120_000), new Date(Date.now() - 120_000));
  await pull('someone/one-gguf', options());
  noLitter();
});

repositories('a cache that can\'t be written', async () => {
  writeFileSync(join(root, 'file'), '');
  assert.is(await code(() => pull('someone/small', options({ cache: join(root, 'file', 'below') }))), 'pull/unwritable');
});
repositories.run();
