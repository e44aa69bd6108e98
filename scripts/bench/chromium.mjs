// A headless Chromium whose pages have one engine each, cross-origin isolated, so that memory may be shared and the clock is fine.
import { createServer } from 'node:http';
import { createReadStream, existsSync, statSync } from 'node:fs';
import { delimiter, extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { modelFile } from './model-files.mjs';

const root = fileURLToPath(new URL('../../', import.meta.url));
const MODULES = join(root, 'scripts/bench/node_modules');
const FOLDERS = ['/build/', '/scripts/bench/'];
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.mjs': 'text/javascript', '.wasm': 'application/wasm', '.json': 'application/json' };
const HEADERS = { 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp', 'cache-control': 'no-store' };

/** @returns `{ version, open(name, options), cold(options), close() }`; @throws where there is no Chromium */
export async function openChromium() {
  const executablePath = findChromium();
  if (executablePath === null) throw new Error('no chromium on PATH, and LORIKEET_CHROMIUM names none');
  const { chromium } = await import('playwright-core');
  const server = await serve();
  const browser = await chromium.launch({ executablePath, headless: true, args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'] });
  const blank = async () => {
    const page = await browser.newPage();
    page.setDefaultTimeout(300_000);
    await page.goto(`${server.origin}/scripts/bench/page/index.html`);
    return page;
  };
  return {
    version: browser.version(),
    /** An engine in a page of its own, by the calls of the others. @throws what the engine says where it can't be opened */
    async open(name, options) {
      const page = await blank();
      const call = (method, ...args) => page.evaluate(([m, a]) => globalThis.engine[m](...a), [method, args]);
      try {
        const facts = await page.evaluate(([n, o]) => globalThis.openEngine(n, o), [name, options]);
        return { facts, prompt: (text) => call('prompt', text), decode: (text, count) => call('decode', text, count), dispose: () => page.close() };
      } catch (error) {
        await page.close();
        throw error;
      }
    },
    /** { ms, build }: from the beginning of a fresh page to the first token. */
    async cold(options) {
      const page = await blank();
      const result = await page.evaluate((o) => globalThis.cold(o), options);
      await page.close();
      return result;
    },
    async close() {
      await browser.close();
      server.close();
    },
  };
}

function findChromium() {
  const onPath = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, 'chromium'));
  return [process.env.LORIKEET_CHROMIUM ?? '', ...onPath, '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) => path !== '' && existsSync(path)) ?? null;
}

/** Where the server has a model file. */
export const modelUrl = (format) => `/models/${format}.gguf`;

function fileOf(path) {
  if (path.startsWith('/models/')) return modelFile(path.slice('/models/'.length, -'.gguf'.length));
  if (path.startsWith('/modules/')) return join(MODULES, path.slice('/modules/'.length));
  return FOLDERS.some((folder) => path.startsWith(folder)) ? join(root, path) : null;
}

async function serve() {
  const server = createServer((request, response) => {
    const file = fileOf(normalize(decodeURIComponent(new URL(request.url, 'http://localhost').pathname)));
    if (file === null || !existsSync(file) || !statSync(file).isFile()) { response.writeHead(404, HEADERS).end(); return; }
    response.writeHead(200, { ...HEADERS, 'content-type': TYPES[extname(file)] ?? 'application/octet-stream', 'content-length': statSync(file).size });
    if (request.method === 'HEAD') response.end();
    else createReadStream(file).pipe(response);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { origin: `http://127.0.0.1:${server.address().port}`, close: () => { server.close(); server.closeAllConnections(); } };
}
