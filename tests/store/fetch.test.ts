import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isLorikeetError } from '../../src/errors.js';
import { openUrl } from '../../src/store/fetch.js';
import { openFile, openFolder } from '../../src/store/index.js';

const code = async (run: () => unknown) => { try { await run(); } catch (e) { if (isLorikeetError(e)) return e.code; throw e; } return 'none'; };
const bytes = Uint8Array.from({ length: 3_000_000 }, (_, i) => (i * 2654435761) >>> 24);

interface Seen { method: string; path: string; range: string | undefined; token: string | undefined }
let seen: Seen[] = [];
let version = 1;

/** One path for each manner of server. */
const manners: Record<string, (request: IncomingMessage, response: ServerResponse, body: Uint8Array) => void> = {
  ranges(request, response, body) {
    const begin = /^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1];
    if (begin === undefined) response.writeHead(200, { 'content-length': body.length, 'accept-ranges': 'bytes', etag: '"1"' }).end(body);
    else response.writeHead(206, { 'content-length': body.length - Number(begin), 'content-range': `bytes ${begin}-${body.length - 1}/${body.length}`, etag: '"1"' }).end(body.subarray(Number(begin)));
  },
  plain: (_, response, body) => response.writeHead(200, { 'content-length': body.length }).end(body),
  chunked: (_, response, body) => { response.writeHead(200); response.write(body.subarray(0, 1000)); response.end(body.subarray(1000)); },
  gzip: (_, response, body) => response.writeHead(200, { 'content-encoding': 'gzip', 'content-length': gzipSync(body).length }).end(gzipSync(body)),
  cut: (_, response, body) => { response.writeHead(200, { 'content-length': body.length }); response.write(body.subarray(0, 200_000), () => response.destroy()); },
  changes(request, response, body) {
    const now = version++ === 1 ? body : body.subarray(0, body.length - 1);
    if (request.headers.range) response.writeHead(206, { 'content-length': now.length, 'content-range': `bytes 0-${now.length - 1}/${now.length}` }).end(now);
    else response.writeHead(200, { 'content-length': now.length, 'accept-ranges': 'bytes' }).end(now);
  },
  retagged: (_, response, body) => response.writeHead(200, { 'content-length': body.length, etag: `"${version++}"` }).end(body),
  hangs: (_, response, body) => { response.writeHead(200, { 'content-length': body.length }); response.write(body.subarray(0, 10)); },
  silent: () => undefined,
  webpage: (_, response) => response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end('<!doctype html>'),
  nohead: (request, response, body) => (request.method === 'HEAD' ? response.writeHead(405).end() : response.writeHead(200, { 'content-length': body.length }).end(body)),
  forbidden: (_, response) => response.writeHead(403).end('no'),
  broken: (_, response) => response.writeHead(500).end('oops'),
  gone: (_, response) => response.writeHead(410).end(),
};
const server = createServer((request, response) => {
  const url = new URL(request.url!, 'http://x');
  seen.push({ method: request.method!, path: request.url!, range: request.headers.range, token: request.headers['x-token'] as string | undefined });
  const manner = manners[url.pathname.split('/')[1]!];
  if (manner) manner(request, response, url.pathname.endsWith('text') ? Buffer.from('héllo') : bytes);
  else response.writeHead(404).end();
});
let base = '';

const http = suite('files by URL');
http.before(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
http.before.each(() => { seen = []; version = 1; });
http.after(() => { server.closeAllConnections(); server.close(); });

for (const manner of ['ranges', 'plain', 'chunked', 'gzip']) {
  http(`${manner}: read in order in one request`, async () => {
    const source = await openFile(`${base}/${manner}/data`);
    assert.is(source.size, bytes.length);
    for (let at = 0; at < bytes.length;) {
      const end = Math.min(bytes.length, at + 1 + ((at * 7919) % 300_000));
      assert.ok(Buffer.from(await source.read(at, end)).equals(bytes.subarray(at, end)), `${at} to ${end}`);
      at = end;
    }
    await source.close();
    assert.is(seen.length, 1);
  });

  http(`${manner}: read in any order`, async () => {
    const source = await openFile(new URL(`${base}/${manner}/data`));
    for (const [begin, end] of [[0, 8], [8, 100], [50, 60], [2_900_000, 3_000_000], [0, 1000], [5, 5], [1_500_000, 2_500_000], [1_499_999, 1_500_001], [2_999_999, 3_000_000]] as const) {
      assert.ok(Buffer.from(await source.read(begin, end)).equals(bytes.subarray(begin, end)), `${begin} to ${end}`);
    }
    await source.close();
    assert.is(await code(() => source.read(0, 1)), 'store/closed');
  });
}

http('straight into memory: asked for at once, read one after another from one stream', async () => {
  const source = await openFile(`${base}/ranges/data`);
  const memory = new Uint8Array(new SharedArrayBuffer(bytes.length));
  const parts = [[0, 700_000], [700_000, 700_001], [700_001, 700_001], [700_064, 2_000_000], [2_000_000, 3_000_000]] as const;
  const lengths = await Promise.all([...parts.map(([begin, end]) => source.readInto!(begin, memory.subarray(begin, end))), source.read(2_999_990, 3_000_000).then((part) => part.length)]);
  assert.equal(lengths, [...parts.map(([begin, end]) => end - begin), 10]);
  for (const [begin, end] of parts) assert.ok(Buffer.from(memory.slice(begin, end)).equals(bytes.subarray(begin, end)), `${begin} to ${end}`);
  assert.is(seen.length, 1);
  assert.is(await code(() => source.readInto!(2_999_999, memory.subarray(0, 2))), 'store/out-of-range');
  await source.close();
  assert.is(await code(() => source.readInto!(0, memory.subarray(0, 2))), 'store/closed');
});

http('what waits behind a read that fails fails with it; what is asked for later begins anew', async () => {
  const source = await openFile(`${base}/cut/data`);
  const memory = new Uint8Array(bytes.length);
  const codes = await Promise.all([code(() => source.readInto!(0, memory.subarray(0, 300_000))), code(() => source.readInto!(300_000, memory.subarray(0, 10))), code(() => source.read(5, 10))]);
  assert.equal(codes, ['store/truncated', 'store/truncated', 'store/truncated']);
  assert.is(seen.length, 1);
  assert.equal([...(await source.read(5, 10))], [...bytes.subarray(5, 10)]);
  await source.close();
});

http('a jump ahead asks for a range, a short gap is read over', async () => {
  const source = await openFile(`${base}/ranges/data`);
  await source.read(0, 10);
  await source.read(100_000, 100_010);
  assert.is(seen.length, 1);
  await source.read(2_900_000, 2_900_010);
  assert.equal(seen.map(({ range }) => range), [undefined, 'bytes=2900000-']);
  await source.close();
});

http('a folder: below its URL, query and headers kept, encoded', async () => {
  for (const from of [`${base}/plain/tavern`, `${base}/plain/tavern/`, new URL(`${base}/plain/tavern`)]) {
    const folder = await openFolder(from, { headers: { 'x-token': 'secret' } });
    assert.is(await folder.text('sub/text', 100), 'héllo');
    assert.is(await folder.has('sub/text'), true);
  }
  assert.equal([...new Set(seen.map(({ path }) => path))], ['/plain/tavern/sub/text']);
  assert.ok(seen.every(({ token }) => token === 'secret'));
  seen = [];
  const signed = await openFolder(`${base}/plain/tavern?token=1`);
  await signed.text('a?b#c%2e/text', 100);
  assert.is(seen[0]!.path, '/plain/tavern/a%3Fb%23c%252e/text?token=1');
});

http('has', async () => {
  const folder = await openFolder(base);
  for (const [path, there] of [['plain/text', true], ['nohead/text', true], ['nothing/text', false], ['gone/text', false], ['webpage/config.json', false], ['forbidden/text', false]] as const) assert.is(await folder.has(path), there, path);
  assert.is(await code(() => folder.has('broken/text')), 'store/unreadable');
  assert.is(seen.filter(({ path }) => path === '/nohead/text').length, 2);
});

http('refusals', async () => {
  assert.is(await code(() => openFile(`${base}/nothing`)), 'store/not-found');
  assert.is(await code(() => openFile(`${base}/gone/data`)), 'store/not-found');
  assert.is(await code(() => openFile(`${base}/webpage/model.safetensors`)), 'store/not-found');
  assert.is(await code(() => openFile(`${base}/forbidden/data`)), 'store/unreadable');
  assert.is(await code(() => openFile(`${base}/broken/data`)), 'store/unreadable');
  assert.is(await code(() => openFile('http://127.0.0.1:9/data')), 'store/unreadable');
  assert.is(await code(() => openFile('http://')), 'store/unreadable');
  const folder = await openFolder(`${base}/chunked`);
  assert.is(await code(() => folder.text('data', 1000)), 'store/too-large');
  assert.is(await folder.text('text', 1000), 'héllo');
  assert.is(await code(() => openUrl(new URL(`${base}/chunked/data`), {}, 2_000_000)), 'store/too-large');
});

http('a response that ends early', async () => {
  const source = await openFile(`${base}/cut/data`);
  assert.ok(Buffer.from(await source.read(0, 1000)).equals(bytes.subarray(0, 1000)));
  assert.is(await code(() => source.read(1000, 3_000_000)), 'store/truncated');
  await source.close();
});

http('a file that changes between two requests', async () => {
  for (const manner of ['changes', 'retagged']) {
    version = 1;
    const source = await openFile(`${base}/${manner}/data`);
    await source.read(500_000, 500_010);
    assert.is(await code(() => source.read(0, 10)), 'store/unreadable', manner);
    await source.close();
  }
});

http('a signal aborts: before, while waiting, in the middle, between reads', async () => {
  assert.is(await code(() => openFile(`${base}/plain/data`, { signal: AbortSignal.abort() })), 'store/aborted');
  assert.is(await code(() => openFile(`${base}/silent/data`, { signal: AbortSignal.timeout(20) })), 'store/aborted');
  const controller = new AbortController();
  const source = await openFile(`${base}/hangs/data`, { signal: controller.signal });
  const reading = code(() => source.read(0, 1000));
  setTimeout(() => controller.abort(), 20);
  assert.is(await reading, 'store/aborted');
  assert.is(await code(() => source.read(0, 5)), 'store/aborted');
  await source.close();
  const folder = await openFolder(base);
  assert.is(await code(() => folder.text('silent/text', 10, AbortSignal.timeout(20))), 'store/aborted');
});

http('closing in the middle of a response is quiet', async () => {
  const source = await openFile(`${base}/hangs/data`);
  await source.read(0, 5);
  await source.close();
  await source.close();
  assert.is(await code(() => source.read(0, 5)), 'store/closed');
});

http('data and blob URLs', async () => {
  const data = await openFile('data:text/plain,hello');
  assert.is(Buffer.from(await data.read(0, data.size)).toString(), 'hello');
  const url = URL.createObjectURL(new Blob(['0123456789']));
  const blob = await openFile(url);
  assert.is(Buffer.from(await blob.read(3, 6)).toString(), '345');
  assert.is(Buffer.from(await blob.read(0, 2)).toString(), '01');
  await blob.close();
  URL.revokeObjectURL(url);
});

http('addresses in messages hold no query', async () => {
  try { await openFile(`${base}/nothing?token=secret`); assert.unreachable(); } catch (e) { assert.ok(isLorikeetError(e) && !e.message.includes('secret') && e.message.includes('/nothing')); }
});
http.run();
