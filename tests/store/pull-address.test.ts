import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { cacheSettings, findPulled } from '../../src/store/cache.js';
import { pull } from '../../src/store/hub.js';
import { after, before, bytesOf, code, error, gguf, hub, noLitter, onFile, options, reset, root, sha256 } from './pulling.js';

const addresses = suite('pulling from an address');
addresses.before(before);
addresses.before.each(reset);
addresses.after(after);

addresses('a file, and again: only asked whether it changed', async () => {
  const url = `${hub.endpoint}/files/plain/file.gguf?key=secret`;
  const pulled = await pull(url, options());
  assert.ok(pulled.path.endsWith('file.gguf'));
  assert.ok(readFileSync(pulled.path).equals(gguf));
  assert.is(pulled.files[0]!.verified, false);
  assert.is(pulled.files[0]!.sha256, sha256(gguf));
  assert.is(await findPulled(url, options()), pulled.path);
  assert.is(await findPulled(`${hub.endpoint}/files/plain/other.gguf`, options()), null);
  assert.is((await pull(url, options())).files[0]!.downloaded, 0);
  const newer = bytesOf(200_000, 9);
  hub.plain['file.gguf'] = { bytes: newer, etag: '"2"' };
  assert.is((await pull(url, options())).files[0]!.downloaded, newer.length);
  assert.ok(readFileSync(pulled.path).equals(newer));
  noLitter();
});

addresses('resumes only the version that it began', async () => {
  const url = `${hub.endpoint}/files/plain/file.gguf`;
  onFile('file.gguf', { kind: 'cut', after: 100_000 });
  const pulled = await pull(url, options());
  assert.ok(readFileSync(pulled.path).equals(gguf));
  assert.is(hub.seen.at(-1)!.ifRange, '"1"');
  reset();
  let changed = false;
  hub.fault = (_, attempt) => {
    if (attempt > 0 && !changed) hub.plain['file.gguf'] = { bytes: bytesOf(gguf.length + 7, 5), etag: '"2"' };
    changed ||= attempt > 0;
    return attempt === 0 ? { kind: 'cut', after: 100_000 } : null;
  };
  const other = await pull(url, options());
  assert.ok(readFileSync(other.path).equals(bytesOf(gguf.length + 7, 5)), 'the new version, whole');
  for (const file of [{ bytes: gguf }, { bytes: gguf, etag: 'W/"weak"' }]) {
    reset();
    hub.plain['file.gguf'] = file;
    hub.fault = (_, attempt) => (attempt < 4 ? { kind: 'cut', after: 100_000 } : null);
    assert.is(await code(() => pull(url, options({ patience: { firstWaitMs: 1, idleMs: 5000, retries: 2 } }))), 'pull/cut');
    hub.calm();
    assert.ok(readFileSync((await pull(url, options())).path).equals(gguf));
    assert.is(hub.seen.at(-1)!.range, undefined, 'a new process begins anew where versions can\'t be told apart');
  }
});

addresses('sizes unknown, dates for versions, a digest that is given', async () => {
  const url = `${hub.endpoint}/files/plain/file.gguf`;
  hub.plain['file.gguf'] = { bytes: gguf, unsized: true, modified: 'Wed, 21 Oct 2015 07:28:00 GMT' };
  const pulled = await pull(url, options({ sha256: sha256(gguf) }));
  assert.is(pulled.files[0]!.verified, true);
  assert.is((await pull(url, options())).files[0]!.downloaded, 0, 'If-Modified-Since');
  reset();
  assert.is(await code(() => pull(url, options({ sha256: '1'.repeat(64) }))), 'pull/hash');
  assert.is(await findPulled(url, options()), null);
});

addresses('refusals', async () => {
  assert.is(await code(() => pull(`${hub.endpoint}/files/plain/nothing.gguf`, options())), 'pull/not-found');
  hub.fault = () => ({ kind: 'body', body: '<!doctype html>', type: 'text/html; charset=utf-8' });
  assert.is(await code(() => pull(`${hub.endpoint}/files/plain/file.gguf`, options())), 'pull/not-found');
  hub.fault = () => ({ kind: 'status', status: 302, headers: { location: 'ftp://example.invalid/x' } });
  assert.is(await code(() => pull(`${hub.endpoint}/files/plain/file.gguf`, options())), 'pull/redirect');
  hub.fault = () => ({ kind: 'status', status: 302, headers: { location: '/files/plain/file.gguf' } });
  assert.is(await code(() => pull(`${hub.endpoint}/files/plain/file.gguf`, options())), 'pull/redirect');
  hub.calm();
  assert.is(await code(() => pull(`${hub.endpoint}/files/plain/file.gguf`, options({ file: 'x' }))), 'pull/reference');
  assert.is(await code(() => pull(`${hub.endpoint}/files/plain/file.gguf`, options({ sha256: 'abc' }))), 'pull/sha256');
  assert.is(await code(() => pull('someone/small', options({ sha256: '1'.repeat(64) }))), 'pull/sha256');
  for (const wrong of ['', '.', '..', '../x', 'a/..', 'a b/c', 'a/b@', 'a/b@c@d', '/abs', 'a//b', 'x/y@..', '-a/b', 'hf:', 'C:\\x', 'a/b@../c']) assert.is(await code(() => pull(wrong, options())), 'pull/reference', wrong);
  assert.is(await code(() => pull('a/b/../c', options())), 'store/escape');
  assert.is(await code(() => pull('a/b', options({ endpoint: 'nonsense' }))), 'pull/endpoint');
  const { message } = await error(() => pull(`${hub.endpoint}/files/plain/nothing.gguf?key=secret`, options()));
  assert.not.match(message, /secret/);
});

addresses('where the cache is', async () => {
  const { env } = process;
  process.env = { ...env, LORIKEET_CACHE: join(root, 'mine'), HF_ENDPOINT: 'https://mirror.invalid/', HF_TOKEN: 't' };
  assert.equal(await cacheSettings(), { cache: join(root, 'mine'), endpoint: 'https://mirror.invalid', token: 't' });
  process.env = { ...env, LORIKEET_CACHE: '', XDG_CACHE_HOME: join(root, 'xdg'), HF_ENDPOINT: '', HF_TOKEN: '' };
  assert.equal(await cacheSettings(), { cache: join(root, 'xdg', 'lorikeet'), endpoint: 'https://huggingface.co', token: null });
  process.env = env;
});
addresses.run();
