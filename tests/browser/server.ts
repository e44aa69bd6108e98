import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { readFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';

/** What the server hands out, from the repository's root. */
const FOLDERS = ['/build/', '/models/', '/adapters/', '/tests/'];
/** A .wasm goes out as plain bytes on purpose: many static hosts and webviews know no better. */
const TYPES: Record<string, string> = { '.html': 'text/html', '.js': 'text/javascript', '.json': 'application/json' };
const ISOLATION = { 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp' };

export interface PageServer {
  origin: string;
  /** The first report that a page POSTs. */
  report: Promise<unknown>;
  /** Has `listen` called at each sign that a page gives (a POST to /sign): it is at work. */
  onSign(listen: () => void): void;
  close(): void;
}

/** Serves the repository on a free port of this machine; `isolated`: with the two headers that a page needs for shared memory. */
export async function servePage(root: string, isolated: boolean): Promise<PageServer> {
  let deliver!: (report: unknown) => void;
  const report = new Promise<unknown>((resolve) => { deliver = resolve; });
  let sign = () => {};
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = normalize(decodeURIComponent(new URL(request.url!, 'http://localhost').pathname));
    if (request.method === 'POST') {
      let body = '';
      for await (const chunk of request.setEncoding('utf8')) body += chunk;
      if (path === '/report') deliver(JSON.parse(body));
      else sign();
      response.end();
      return;
    }
    try {
      if (!FOLDERS.some((folder) => path.startsWith(folder))) throw new Error('not served');
      const bytes = await readFile(join(root, path));
      response.writeHead(200, { 'content-type': TYPES[extname(path)] ?? 'application/octet-stream', 'cache-control': 'no-store', ...(isolated ? ISOLATION : {}) });
      response.end(bytes);
    } catch {
      response.writeHead(404).end();
    }
  };
  const server = createServer((request, response) => { void answer(request, response); });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, report, onSign: (listen) => { sign = listen; }, close: () => { server.close(); server.closeAllConnections(); } };
}
