import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { LorikeetError, ModelOrigin } from '../../src/index.js';
import { readGguf } from '../../src/formats/gguf.js';
import { streamGguf, type GgufField } from '../../src/formats/gguf-write.js';
import { openCheckpoint } from '../../src/models/checkpoint.js';
import { GOLDEN } from './golden.js';

const FILE = `${GOLDEN}gguf/qwen2.gguf`;
const bytes = readFileSync(FILE);
const folder = mkdtempSync(join(tmpdir(), 'lorikeet-'));

/** What came of opening it: the format and how many tensors, or the error's code. */
async function opened(from: ModelOrigin): Promise<string> {
  try {
    const checkpoint = await openCheckpoint(from);
    const { source, info } = [...checkpoint.tensors.values()].at(-1)!;
    assert.is((await source.read(info.begin, info.end)).length, info.end - info.begin);
    await checkpoint.close();
    assert.is((checkpoint.metadata === null) === (checkpoint.folder === null), false);
    return `${checkpoint.metadata ? 'gguf' : 'folder'} ${checkpoint.tensors.size}`;
  } catch (error) {
    return (error as LorikeetError).code;
  }
}

const origins = suite('what a model may come as');
origins('a path, a file: URL, bytes, a Blob, a File', async () => {
  assert.is(await opened(FILE), 'gguf 27');
  assert.is(await opened(pathToFileURL(FILE)), 'gguf 27');
  assert.is(await opened(pathToFileURL(FILE).href), 'gguf 27');
  assert.is(await opened(new Uint8Array(bytes)), 'gguf 27');
  assert.is(await opened(new Uint8Array(bytes).buffer), 'gguf 27');
  assert.is(await opened(new Blob([new Uint8Array(bytes)])), 'gguf 27');
  assert.is(await opened(new File([new Uint8Array(bytes)], 'picked')), 'gguf 27');
});
origins('a file without the ending, as caches have them, and a link to it', async () => {
  copyFileSync(FILE, join(folder, 'b7c1'));
  symlinkSync(join(folder, 'b7c1'), join(folder, 'linked.gguf'));
  assert.is(await opened(join(folder, 'b7c1')), 'gguf 27');
  assert.is(await opened(join(folder, 'linked.gguf')), 'gguf 27');
});
origins('a folder: of Hugging Face; with one GGUF; with two', async () => {
  assert.is(await opened(`${GOLDEN}models/qwen2`), 'folder 27');
  const place = join(folder, 'one');
  mkdirSync(place);
  copyFileSync(FILE, join(place, 'model.Q8_0.gguf'));
  writeFileSync(join(place, 'README.md'), 'x');
  assert.is(await opened(place), 'gguf 27');
  assert.is(await opened({ 'model.gguf': bytes, 'note.txt': 'x' }), 'gguf 27');
  assert.is(await opened([new File([new Uint8Array(bytes)], 'model.gguf')]), 'gguf 27');
  copyFileSync(FILE, join(place, 'other.gguf'));
  assert.is(await opened(place), 'store/not-found');
});
origins('what is no model', async () => {
  assert.is(await opened(join(folder, 'nothing.gguf')), 'store/not-found');
  assert.is(await opened(new Uint8Array(10)), 'gguf/magic');
  writeFileSync(join(folder, 'web.gguf'), '<!doctype html>');
  assert.is(await opened(join(folder, 'web.gguf')), 'gguf/magic');
  assert.is(await opened(`${GOLDEN}models/qwen2/model.safetensors`), 'store/unreadable');
  assert.is(await opened(`${GOLDEN}gguf/adapters/qwen3-all.gguf`), 'model/unsupported');
});
origins('an address, its query no part of its name', async () => {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url} ${String(request.headers['x-token'])}`);
    const begin = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
    response.writeHead(begin > 0 ? 206 : 200, { 'content-length': bytes.length - begin, ...(begin > 0 ? { 'content-range': `bytes ${begin}-${bytes.length - 1}/${bytes.length}` } : {}) }).end(bytes.subarray(begin));
  });
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  try {
    const { port } = server.address() as AddressInfo;
    const checkpoint = await openCheckpoint(`http://127.0.0.1:${port}/models/tiny.gguf?download=true#x`, { headers: { 'x-token': 'secret' } });
    assert.is(checkpoint.tensors.size, 27);
    await checkpoint.close();
    assert.equal(asked, ['GET /models/tiny.gguf?download=true secret']); // one stream: what is before the tensors is read once
  } finally {
    server.close();
    server.closeAllConnections();
  }
});
origins.run();

/** The file in three parts, as llama-gguf-split writes them: the keys in the first, its tensors spread. */
async function parts(place: string, change: (fields: Map<string, GgufField>, part: number) => void = () => {}): Promise<void> {
  mkdirSync(place, { recursive: true });
  const { metadata, tensors } = await readGguf({ size: bytes.length, read: async (begin, end) => bytes.subarray(begin, end) });
  const list = [...tensors.values()];
  for (let part = 0; part < 3; part++) {
    const fields = new Map<string, GgufField>(part === 0 ? [...metadata].map(([key, value]) => [key, { type: typeof value === 'string' ? 'string' : Number.isInteger(value) ? 'u32' : 'f32', value }]) : []);
    fields.set('split.no', { type: 'u16', value: part });
    fields.set('split.count', { type: 'u16', value: 3 });
    fields.set('split.tensors.count', { type: 'i32', value: list.length });
    change(fields, part);
    const chunks: Uint8Array[] = [];
    for await (const chunk of streamGguf(list.filter((_, i) => i % 3 === part).map(({ name, dtype, shape, begin, end }) => ({ name, dtype, shape, bytes: bytes.subarray(begin, end) })), fields)) chunks.push(chunk);
    writeFileSync(join(place, `m-0000${part + 1}-of-00003.gguf`), Buffer.concat(chunks));
  }
}

const split = suite('GGUF in parts');
split('the first one finds the others; so does its folder', async () => {
  const place = join(folder, 'parts');
  await parts(place);
  assert.is(await opened(join(place, 'm-00001-of-00003.gguf')), 'gguf 27');
  assert.is(await opened(place), 'gguf 27');
  const files = Object.fromEntries([1, 2, 3].map((i) => [`m-0000${i}-of-00003.gguf`, readFileSync(join(place, `m-0000${i}-of-00003.gguf`))]));
  assert.is(await opened(files), 'gguf 27');
});
split('not the first, alone, missing, renamed, of others', async () => {
  const place = join(folder, 'parts');
  assert.is(await opened(join(place, 'm-00002-of-00003.gguf')), 'gguf/split');
  assert.is(await opened(readFileSync(join(place, 'm-00001-of-00003.gguf'))), 'gguf/split');
  copyFileSync(join(place, 'm-00001-of-00003.gguf'), join(folder, 'renamed.gguf'));
  assert.is(await opened(join(folder, 'renamed.gguf')), 'gguf/split');
  copyFileSync(join(place, 'm-00001-of-00003.gguf'), join(folder, 'm-00001-of-00003.gguf'));
  assert.is(await opened(join(folder, 'm-00001-of-00003.gguf')), 'store/not-found');
  copyFileSync(join(place, 'm-00003-of-00003.gguf'), join(folder, 'm-00002-of-00003.gguf'));
  assert.is(await opened(join(folder, 'm-00001-of-00003.gguf')), 'gguf/split');
  await parts(join(folder, 'fewer'), (fields, part) => { if (part === 0) fields.set('split.tensors.count', { type: 'i32', value: 30 }); });
  assert.is(await opened(join(folder, 'fewer')), 'gguf/split');
  const twice = join(folder, 'twice');
  await parts(twice);
  writeFileSync(join(twice, 'm-00003-of-00003.gguf'), Buffer.from(readFileSync(join(twice, 'm-00002-of-00003.gguf'))));
  assert.is(await opened(twice), 'gguf/split');
});
split.run();
