import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isLorikeetError } from '../../src/errors.js';
import { openFile, openFolder, writeFolder } from '../../src/store/index.js';

const code = async (run: () => unknown) => { try { await run(); } catch (e) { if (isLorikeetError(e)) return e.code; throw e; } return 'none'; };
const bytes = Uint8Array.from({ length: 100_000 }, (_, i) => (i * 31) >> 3);
let root = '';

const node = suite('files of Node');
node.before(async () => {
  root = await mkdtemp(join(tmpdir(), 'lorikeet-'));
  await writeFile(join(root, 'data'), bytes);
  await writeFile(join(root, 'text'), 'héllo 😀');
  await writeFile(join(root, 'latin1'), Uint8Array.of(0x68, 0xe9, 0x6c));
  await writeFile(join(root, 'empty'), '');
});
node.after(() => rm(root, { recursive: true, force: true }));

node('ranges in any order, through one buffer', async () => {
  const source = await openFile(join(root, 'data'));
  assert.is(source.size, bytes.length);
  const buffers = new Set<ArrayBufferLike>();
  await source.read(0, 50_000);
  for (const [begin, end] of [[0, 8], [8, 5000], [4000, 4001], [99_990, 100_000], [7, 7], [0, 50_000]] as const) {
    const part = await source.read(begin, end);
    assert.ok(Buffer.from(part).equals(bytes.subarray(begin, end)), `${begin} to ${end}`);
    buffers.add(part.buffer);
  }
  assert.is(buffers.size, 1);
  await source.close();
  await source.close();
  assert.is(await code(() => source.read(0, 1)), 'store/closed');
});

node('straight into linear memory, shared or not, several at once beside a read', async () => {
  for (const shared of [false, true]) {
    const memory = new WebAssembly.Memory({ initial: 4, maximum: 4, shared });
    const source = await openFile(join(root, 'data'));
    const place = (begin: number, end: number): Promise<number> => source.readInto!(begin, new Uint8Array(memory.buffer, 64 + begin, end - begin));
    const [a, b, c, part] = await Promise.all([place(0, 40_000), place(40_000, 99_999), place(7, 7), source.read(10, 20)]);
    assert.equal([a, b, c], [40_000, 59_999, 0]);
    assert.ok(Buffer.from(part).equals(bytes.subarray(10, 20)));
    assert.ok(Buffer.from(new Uint8Array(memory.buffer).slice(64, 64 + 99_999)).equals(bytes.subarray(0, 99_999)));
    assert.is(await code(() => place(99_999, 100_001)), 'store/out-of-range');
    await source.close();
    assert.is(await code(() => place(0, 1)), 'store/closed');
  }
});

node('a folder by path and by file URL', async () => {
  for (const from of [root, `${root}/`, pathToFileURL(root), pathToFileURL(root).href]) {
    const folder = await openFolder(from);
    assert.is(await folder.has('data'), true);
    assert.is(await folder.has('nothing'), false);
    assert.is(await folder.text('text', 100), 'héllo 😀');
    assert.is(await folder.text('empty', 0), '');
    const source = await folder.open('data');
    assert.ok(Buffer.from(await source.read(10, 20)).equals(bytes.subarray(10, 20)));
    await source.close();
  }
  const file = await openFile(pathToFileURL(join(root, 'data')));
  assert.is(file.size, bytes.length);
  await file.close();
});

node('refusals', async () => {
  const source = await openFile(join(root, 'data'));
  for (const [begin, end] of [[-1, 4], [5, 4], [0, 100_001], [0.5, 4], [0, NaN]] as const) assert.is(await code(() => source.read(begin, end)), 'store/out-of-range', `${begin} to ${end}`);
  await source.close();
  assert.is(await code(() => openFile(join(root, 'nothing'))), 'store/not-found');
  assert.is(await code(() => openFile(join(root, 'data/x'))), 'store/not-found');
  assert.is(await code(() => openFile(root)), 'store/unreadable');
  assert.is(await code(() => openFile('/dev/zero')), 'store/unreadable');
  assert.is(await code(() => openFolder(join(root, 'nothing'))), 'store/not-found');
  assert.is(await code(() => openFolder(join(root, 'data'))), 'store/unreadable');
  assert.is(await code(() => openFolder('data:,x')), 'store/unreadable');
  const folder = await openFolder(root);
  assert.is(await code(() => folder.open('nothing')), 'store/not-found');
  assert.is(await code(() => folder.text('text', 4)), 'store/too-large');
  assert.is(await code(() => folder.text('latin1', 100)), 'store/not-utf8');
});

node('a file that shrinks while it is read', async () => {
  const path = join(root, 'shrinks');
  await writeFile(path, bytes);
  const source = await openFile(path);
  await truncate(path, 10);
  assert.is(await code(() => source.read(5, 20)), 'store/truncated');
  assert.equal([...(await source.read(0, 10))], [...bytes.subarray(0, 10)]);
  await source.close();
});

node('a named pipe is refused, not waited for', async () => {
  execFileSync('mkfifo', [join(root, 'pipe')]);
  assert.is(await code(async () => (await openFolder(root)).open('pipe')), 'store/unreadable');
});

node('a signal aborts', async () => {
  const controller = new AbortController();
  const folder = await openFolder(root);
  const source = await folder.open('data', controller.signal);
  const reading = code(() => source.read(0, 100));
  controller.abort(new Error('enough'));
  assert.ok(['none', 'store/aborted'].includes(await reading));
  assert.is(await code(() => source.read(0, 100)), 'store/aborted');
  assert.is(await code(() => folder.open('data', controller.signal)), 'store/aborted');
  assert.is(await code(() => openFolder(root, { signal: controller.signal })), 'store/aborted');
  const later = new AbortController();
  const whole = await openFolder(root, { signal: later.signal });
  later.abort();
  assert.is(await code(() => whole.open('data')), 'store/aborted', "the folder's signal");
  await source.close();
});
node("the links of the hub's cache lead to its blobs, and nowhere else", async () => {
  const model = join(root, 'models--someone--small');
  const snapshot = join(model, 'snapshots', '0123abcd');
  await mkdir(snapshot, { recursive: true });
  await mkdir(join(model, 'blobs'));
  await writeFile(join(model, 'blobs', 'ffff'), 'content');
  await writeFile(join(model, 'secret'), 'secret');
  await symlink('../../blobs/ffff', join(snapshot, 'config.json'));
  await symlink('../../secret', join(snapshot, 'tokenizer.json'));
  const folder = await openFolder(snapshot);
  assert.is(await folder.text('config.json', 100), 'content');
  assert.is(await code(() => folder.text('tokenizer.json', 100)), 'store/escape');
});

node('a folder is written whole, and not at all where a name leads out or a place is taken', async () => {
  const folder = join(root, 'new', 'folder');
  await writeFolder(folder, { 'a.json': '{}', 'b.bin': bytes });
  const written = await openFolder(folder);
  assert.is(await written.text('a.json', 10), '{}');
  assert.is((await written.open('b.bin')).size, bytes.length);
  assert.is(await code(() => writeFolder(folder, { '../c': 'x' })), 'store/escape');
  assert.is(await code(() => writeFolder(join(root, 'data'), { a: 'x' })), 'store/unwritable');
  assert.equal((await readdir(folder)).sort(), ['a.json', 'b.bin']);
});

node.run();
