// Ours and wllama in one page of a headless Chromium, on the same bytes, without the headers that shared memory needs: one thread each.
import { createServer } from 'node:http';
import { createReadStream, existsSync, statSync } from 'node:fs';
import { delimiter, extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));
const FOLDERS = ['/build/', '/scripts/bench/'];
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.mjs': 'text/javascript', '.wasm': 'application/wasm' };

/** Why there are no figures of Chromium, or null. */
export const missingChromium = () => (findChromium() === null ? 'no chromium on PATH, and LORIKEET_CHROMIUM names none' : null);

/** A page with the model loaded by both, or null where there is no Chromium. */
export async function openChromium(path) {
  const executablePath = findChromium();
  if (executablePath === null) return null;
  const { chromium } = await import('playwright-core');
  const server = await serve(path);
  const browser = await chromium.launch({ executablePath, headless: true, args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'] });
  const page = await browser.newPage();
  page.setDefaultTimeout(300_000);
  await page.goto(`${server.origin}/scripts/bench/page.html`);
  const call = (name, method, ...args) => page.evaluate(([n, m, a]) => globalThis.engines[n][m](...a), [name, method, args]);
  await page.evaluate(() => globalThis.ready);
  return {
    engine: (name) => ({ prompt: (text) => call(name, 'prompt', text), decode: (text, count) => call(name, 'decode', text, count), dispose: () => {} }),
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

async function serve(model) {
  const server = createServer((request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url, 'http://localhost').pathname));
    const file = path === '/model.gguf' ? model : join(root, path);
    if (file !== model && !(FOLDERS.some((folder) => path.startsWith(folder)) && existsSync(file) && statSync(file).isFile())) { response.writeHead(404).end(); return; }
    response.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream', 'content-length': statSync(file).size, 'cache-control': 'no-store' });
    createReadStream(file).pipe(response);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { origin: `http://127.0.0.1:${server.address().port}`, close: () => { server.close(); server.closeAllConnections(); } };
}
