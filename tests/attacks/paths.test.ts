import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isLorikeetError } from '../../src/errors.js';
import { shardedIndex } from '../../src/formats/safetensors.js';
import { type Folder, openFolder } from '../../src/store/index.js';

/** Names that a file could give for another file, each leading out of the folder for some system. */
const ATTACKS = [
  '', '.', '..', './a', '../a', '../../etc/passwd', 'a/../../b', 'a/..', 'a/.', 'a//b', 'a/', '/', '//', '/etc/passwd', '//host/share/a',
  '\\', '..\\a', 'a\\..\\..\\b', '\\\\host\\share\\a', 'C:\\a', 'C:/a', 'C:a', 'c:', 'a:stream', 'a.txt::$DATA',
  'file:///etc/passwd', 'http://host/a', 'https:a', 'data:,a', 'blob:x', 'javascript:1', '//host/a',
  '.. ', '..  /a', ' ..', '. .', '...', '.../a', 'a/...', '. ', ' ',
  'a\0b', 'a\0', '\0', 'a\nb', 'a\tb', '\t../a', '.\t./a', 'a\rb', '\u007f', '..\u0000/a', 'x'.repeat(1025),
];
/** Names that are odd, but stay inside. */
const HARMLESS = ['model.safetensors', 'sub/model.safetensors', 'a/b/c', '.hidden', '..a', 'a..', 'a..b', '-rf', '~', '~root', '$HOME', '%2e%2e', '%2e%2e%2fa', '%00', 'a?b', 'a#b', 'a b', 'é/😀', 'con', '__proto__', 'constructor', 'toString'];

const code = async (run: () => unknown) => { try { await run(); } catch (e) { if (isLorikeetError(e)) return e.code; throw e; } return 'none'; };

const paths = suite('attacks by path');
let root = '';
let folder = '';
const requested: string[] = [];
const server = createServer((request, response) => {
  requested.push(request.url!);
  response.writeHead(404).end();
});
let base = '';

paths.before(async () => {
  root = await mkdtemp(join(tmpdir(), 'lorikeet-'));
  folder = join(root, 'folder');
  await mkdir(join(folder, 'sub'), { recursive: true });
  await mkdir(join(root, 'folder-beside'));
  for (const file of ['secret', 'folder-beside/secret', 'folder/inside', 'folder/sub/deep']) await writeFile(join(root, file), file);
  await symlink('../secret', join(folder, 'link-out'));
  await symlink(join(root, 'secret'), join(folder, 'link-out-absolute'));
  await symlink('../folder-beside/secret', join(folder, 'link-beside')); // its real path starts with the folder's own name
  await symlink('..', join(folder, 'link-up'));
  await symlink('../inside', join(folder, 'sub/link-in'));
  await symlink('loop', join(folder, 'loop'));
  await symlink('nowhere', join(folder, 'dangling'));
  await symlink('folder', join(root, 'alias'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/models/tavern`;
});
paths.after(async () => {
  server.close();
  await rm(root, { recursive: true, force: true });
});

paths('every kind of folder and the index of shards refuse them', async () => {
  const folders: Folder[] = [await openFolder(folder), await openFolder({ a: 'text' }), await openFolder(base)];
  for (const name of ATTACKS) {
    for (const f of folders) {
      for (const verb of [() => f.open(name), () => f.has(name), () => f.text(name, 10)]) assert.is(await code(verb), 'store/escape', `${f.name}: ${JSON.stringify(name)}`);
    }
    assert.is(await code(() => shardedIndex(JSON.stringify({ weight_map: { t: name } }))), 'store/escape', JSON.stringify(name));
    if (name !== '') assert.is(await code(() => openFolder({ [name]: 'x' })), 'store/escape', JSON.stringify(name));
  }
  assert.equal(requested, [], 'nothing was asked of the server');
});

paths('odd names stay inside', async () => {
  const folders: Folder[] = [await openFolder(folder), await openFolder({ a: 'text' }), await openFolder(base)];
  for (const name of HARMLESS) {
    for (const f of folders) {
      assert.is(await code(() => f.open(name)), 'store/not-found', `${f.name}: ${name}`);
      assert.is(await f.has(name), false);
    }
    shardedIndex(JSON.stringify({ weight_map: { t: name } }));
  }
  for (const url of requested) assert.ok(url.startsWith('/models/tavern/') && !url.includes('?') && !url.includes('#') && !/\/\.\.?(\/|$)/.test(new URL(url, base).pathname), url);
});

paths('links lead to other places in the folder, not out of it', async () => {
  for (const f of [await openFolder(folder), await openFolder(join(root, 'alias'))]) {
    assert.is(await f.text('inside', 100), 'folder/inside');
    assert.is(await f.text('sub/link-in', 100), 'folder/inside');
    for (const link of ['link-out', 'link-out-absolute', 'link-beside', 'link-up', 'link-up/secret', 'link-up/folder/inside/../secret']) {
      assert.is(await code(() => f.open(link)), 'store/escape', link);
      assert.is(await code(() => f.has(link)), 'store/escape', link);
    }
    assert.is(await f.text('link-up/folder/inside', 100), 'folder/inside', 'out and in again is inside');
    assert.is(await code(() => f.open('loop')), 'store/unreadable');
    assert.is(await code(() => f.open('dangling')), 'store/not-found');
    assert.is(await code(() => f.open('inside/x')), 'store/not-found');
    assert.is(await code(() => f.open('sub')), 'store/unreadable');
    assert.is(await f.has('sub'), false);
  }
});
paths.run();
