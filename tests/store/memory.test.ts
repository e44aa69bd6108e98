import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isLorikeetError } from '../../src/errors.js';
import type { FileHandle } from '../../src/store/opfs.js';
import { type FolderOrigin, openFile, openFolder } from '../../src/store/index.js';

const code = async (run: () => unknown) => { try { await run(); } catch (e) { if (isLorikeetError(e)) return e.code; throw e; } return 'none'; };
const bytes = Uint8Array.of(1, 2, 3, 4, 5, 6);

const memory = suite('bytes, Blobs and picked files');

memory('bytes are read as views', async () => {
  const source = await openFile(bytes);
  const part = await source.read(2, 5);
  assert.is(part.buffer, bytes.buffer);
  assert.equal([...part], [3, 4, 5]);
  assert.equal([...(await (await openFile(bytes.buffer)).read(0, 2))], [1, 2]);
  assert.is(await code(() => source.read(0, 7)), 'store/out-of-range');
  await source.close();
  assert.is(await code(() => source.read(0, 1)), 'store/closed');
});

memory('a folder of bytes, Blobs and texts', async () => {
  const folder = await openFolder({ 'adapter_config.json': '{"r":8}', 'adapter_model.safetensors': bytes, 'sub/blob': new Blob(['blob']), '__proto__x': 'x' });
  assert.is(await folder.text('adapter_config.json', 100), '{"r":8}');
  assert.is(await folder.text('sub/blob', 100), 'blob');
  assert.is((await folder.open('adapter_model.safetensors')).size, 6);
  assert.is(await folder.has('sub/blob'), true);
  for (const missing of ['sub', 'toString', '__proto__', 'Adapter_config.json']) {
    assert.is(await folder.has(missing), false, missing);
    assert.is(await code(() => folder.open(missing)), 'store/not-found', missing);
  }
  assert.is(await code(() => folder.text('sub/blob', 3)), 'store/too-large');
  assert.is(await openFolder(folder), folder, 'a folder that is open already');
  assert.is(await code(async () => (await openFolder({ a: 5 } as unknown as FolderOrigin)).open('a')), 'store/unreadable');
});

memory('a Blob straight into memory, several slices at once', async () => {
  const source = await openFile(new Blob([bytes]));
  const target = new Uint8Array(8);
  assert.equal(await Promise.all([source.readInto!(3, target.subarray(4, 7)), source.readInto!(0, target.subarray(1, 4))]), [3, 3]);
  assert.equal([...target], [0, 1, 2, 3, 4, 5, 6, 0]);
  assert.is(await code(() => source.readInto!(4, target)), 'store/out-of-range');
  await source.close();
  assert.is(await code(() => source.readInto!(0, target.subarray(0, 1))), 'store/closed');
});

/** A browser's handle of a file; in a worker it has `createSyncAccessHandle`, which one at a time may have. */
function handleOf(taken: { open: number }, where: 'page' | 'worker' | 'taken' | 'gone'): FileHandle {
  return {
    kind: 'file', name: 'model.gguf',
    getFile: async () => { if (where === 'gone') throw new DOMException('', 'NotFoundError'); return new Blob([bytes]); },
    ...(where !== 'page' && {
      createSyncAccessHandle: async () => {
        if (where !== 'worker') throw new DOMException('', 'NoModificationAllowedError');
        taken.open++;
        return {
          // As few bytes as a file system may give.
          read: (target, { at }) => { const part = bytes.subarray(at, at + Math.min(2, target.length)); target.set(part); return part.length; },
          getSize: () => bytes.length,
          close: () => { taken.open--; },
        };
      },
    }),
  };
}

memory('a handle of a browser\'s file system: straight from it in a worker, else as a File', async () => {
  for (const where of ['page', 'worker', 'taken'] as const) {
    const taken = { open: 0 };
    const source = await openFile(handleOf(taken, where));
    assert.is(taken.open, where === 'worker' ? 1 : 0);
    assert.equal([source.name, source.size], ['model.gguf', 6]);
    assert.equal([...(await source.read(1, 6))], [2, 3, 4, 5, 6]);
    const target = new Uint8Array(new SharedArrayBuffer(5));
    assert.is(await source.readInto!(2, target.subarray(1)), 4);
    assert.equal([...target], [0, 3, 4, 5, 6]);
    for (const read of [() => source.read(5, 7), () => source.readInto!(5, target), () => source.read(-1, 2)]) assert.is(await code(read), 'store/out-of-range');
    await source.close();
    await source.close();
    assert.is(taken.open, 0);
    assert.is(await code(() => source.read(0, 1)), 'store/closed');
    assert.is(await code(() => source.readInto!(0, target)), 'store/closed');
  }
  assert.is(await code(() => openFile(handleOf({ open: 0 }, 'gone'))), 'store/unreadable');
  assert.is(await code(() => openFile(handleOf({ open: 0 }, 'worker'), { signal: AbortSignal.abort() })), 'store/aborted');
});

memory('a Blob gives the slice that is asked for', async () => {
  const source = await openFile(new File([bytes], 'picked.safetensors'));
  assert.is(source.name, 'picked.safetensors');
  assert.equal([...(await source.read(1, 4))], [2, 3, 4]);
  assert.equal([...(await source.read(0, 0))], []);
  assert.is(await code(() => source.read(3, 2)), 'store/out-of-range');
  await source.close();
  assert.is(await code(() => source.read(0, 1)), 'store/closed');
});

memory('picked files lose the folder that all of them share', async () => {
  const pick = (path: string, text: string) => Object.defineProperty(new File([text], path.split('/').at(-1)!), 'webkitRelativePath', { value: path.includes('/') ? path : '' });
  const shared = await openFolder([pick('tavern/config.json', 'c'), pick('tavern/sub/x', 'x')]);
  assert.is(shared.name, 'tavern');
  assert.is(await shared.text('config.json', 10), 'c');
  assert.is(await shared.text('sub/x', 10), 'x');
  const loose = await openFolder([pick('config.json', 'c'), pick('model.safetensors', 'm')]);
  assert.is(await loose.text('model.safetensors', 10), 'm');
});

memory('a signal aborts', async () => {
  const signal = AbortSignal.abort();
  const folder = await openFolder({ a: 'a', b: new Blob(['b']) });
  for (const name of ['a', 'b']) assert.is(await code(() => folder.open(name, signal)), 'store/aborted');
  assert.is(await code(async () => (await openFile(bytes, { signal })).read(0, 1)), 'store/aborted');
});
memory.run();
