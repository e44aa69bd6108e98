/** A server that imitates what `pull` uses of Hugging Face's hub, with the faults of real networks on demand. Everything stays on this machine. */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface SeenRequest {
  readonly server: 'hub' | 'storage';
  readonly path: string;
  readonly range: string | undefined;
  readonly ifRange: string | undefined;
  readonly authorization: string | undefined;
}

/** What goes wrong with a request; null: nothing. */
export type Fault =
  | { readonly kind: 'status'; readonly status: number; readonly headers?: Readonly<Record<string, string>> }
  /** The connection breaks after so many bytes of the body. */
  | { readonly kind: 'cut'; readonly after: number }
  /** Headers come, then nothing. */
  | { readonly kind: 'silence' }
  | { readonly kind: 'damage' }
  | { readonly kind: 'ignores ranges' }
  | { readonly kind: 'wrong range' }
  | { readonly kind: 'other length' }
  | { readonly kind: 'slow'; readonly ms: number }
  | { readonly kind: 'body'; readonly body: string; readonly type?: string };

export interface Repository {
  commit: string;
  /** Large files go through the storage, by a redirect. */
  files: Record<string, Uint8Array>;
  /** Files that are listed as large ones whatever their size. */
  large?: RegExp;
  /** Needs this token. */
  token?: string;
  /** The listing tells no digests, as some mirrors do. */
  bare?: boolean;
  /** Redirects of large files tell no digest either. */
  unlinked?: boolean;
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const blobId = (bytes: Uint8Array): string => createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');

export class HubServer {
  readonly repositories: Record<string, Repository> = {};
  /** Files at plain addresses: `/files/plain/<name>`. */
  readonly plain: Record<string, { bytes: Uint8Array; etag?: string; modified?: string; unsized?: boolean }> = {};
  seen: SeenRequest[] = [];
  /** Asked for each request to a file, in order; the first fault that applies is taken. */
  fault: (path: string, attempt: number) => Fault | null = () => null;
  readonly #attempts = new Map<string, number>();
  readonly #hub = createServer((request, response) => this.#answerHub(request, response));
  /** Another host, as the hub's storage is. */
  readonly #storage = createServer((request, response) => this.#answerStorage(request, response));
  endpoint = '';
  #storageAddress = '';

  async start(): Promise<void> {
    for (const server of [this.#hub, this.#storage]) await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve); });
    this.endpoint = `http://127.0.0.1:${(this.#hub.address() as AddressInfo).port}`;
    this.#storageAddress = `http://localhost:${(this.#storage.address() as AddressInfo).port}`;
  }

  stop(): void {
    for (const server of [this.#hub, this.#storage]) {
      server.closeAllConnections();
      server.close();
    }
  }

  /** No faults, nothing seen. */
  calm(): void {
    this.seen = [];
    this.fault = () => null;
    this.#attempts.clear();
  }

  #note(server: 'hub' | 'storage', request: IncomingMessage): void {
    const { range, authorization, 'if-range': ifRange } = request.headers;
    this.seen.push({ server, path: request.url!, range, ifRange: ifRange as string | undefined, authorization });
  }

  #faultOf(path: string): Fault | null {
    const attempt = this.#attempts.get(path) ?? 0;
    this.#attempts.set(path, attempt + 1);
    return this.fault(path, attempt);
  }

  #answerHub(request: IncomingMessage, response: ServerResponse): void {
    this.#note('hub', request);
    const url = new URL(request.url!, this.endpoint);
    const api = /^\/api\/models\/(.+)\/revision\/(.+)$/.exec(url.pathname);
    const resolve = /^\/((?:[^/]+\/)?[^/]+)\/resolve\/([^/]+)\/(.+)$/.exec(url.pathname);
    const plain = /^\/files\/plain\/(.+)$/.exec(url.pathname);
    const fault = api || plain ? this.#faultOf(url.pathname) : null;
    if (fault?.kind === 'status') response.writeHead(fault.status, fault.headers).end();
    else if (fault?.kind === 'body') response.writeHead(200, { 'content-type': fault.type ?? 'application/json' }).end(fault.body);
    else if (api) this.#list(api[1]!, decodeURIComponent(api[2]!), request, response);
    else if (resolve) this.#resolve(resolve[1]!, resolve[2]!, decodeURIComponent(resolve[3]!), request, response);
    else if (plain) this.#plainFile(plain[1]!, request, response, fault);
    else response.writeHead(404).end();
  }

  #allowed(repository: Repository | undefined, request: IncomingMessage, response: ServerResponse): repository is Repository {
    if (!repository) response.writeHead(404, { 'x-error-code': 'RepoNotFound' }).end();
    else if (repository.token !== undefined && request.headers.authorization !== `Bearer ${repository.token}`) response.writeHead(401, { 'x-error-code': 'GatedRepo' }).end();
    else return true;
    return false;
  }

  #list(id: string, revision: string, request: IncomingMessage, response: ServerResponse): void {
    const repository = this.repositories[id];
    if (!this.#allowed(repository, request, response)) return;
    if (!['main', repository.commit].includes(revision)) {
      response.writeHead(404, { 'x-error-code': 'RevisionNotFound' }).end();
      return;
    }
    const siblings = Object.entries(repository.files).map(([rfilename, bytes]) => {
      if (repository.bare) return { rfilename };
      return { rfilename, size: bytes.length, blobId: blobId(bytes), ...(isLarge(repository, rfilename) ? { lfs: { sha256: sha256(bytes), size: bytes.length, pointerSize: 130 } } : {}) };
    });
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ id, sha: repository.commit, siblings }));
  }

  #resolve(id: string, revision: string, path: string, request: IncomingMessage, response: ServerResponse): void {
    const repository = this.repositories[id];
    if (!this.#allowed(repository, request, response)) return;
    const bytes = revision === repository.commit ? repository.files[path] : undefined;
    if (!bytes) response.writeHead(404, { 'x-error-code': 'EntryNotFound' }).end();
    else if (isLarge(repository, path)) {
      const linked = repository.unlinked ? {} : { 'x-linked-etag': `"${sha256(bytes)}"`, 'x-linked-size': bytes.length };
      response.writeHead(302, { location: `${this.#storageAddress}/${id}/${path}?signature=secret`, ...linked }).end();
    } else this.#send(bytes, request, response, `"${blobId(bytes)}"`, this.#faultOf(`/${id}/${path}`));
  }

  #answerStorage(request: IncomingMessage, response: ServerResponse): void {
    this.#note('storage', request);
    const { pathname } = new URL(request.url!, 'http://x');
    const [owner, name, ...path] = pathname.slice(1).split('/');
    const bytes = this.repositories[`${owner}/${name}`]?.files[path.join('/')];
    if (request.headers.authorization !== undefined || !bytes) response.writeHead(400).end(); // as signed storage does with a second authorization
    else this.#send(bytes, request, response, `"${sha256(bytes).slice(0, 32)}"`, this.#faultOf(pathname));
  }

  #plainFile(name: string, request: IncomingMessage, response: ServerResponse, fault: Fault | null): void {
    const file = this.plain[name];
    if (!file) response.writeHead(404).end();
    else if (file.etag !== undefined && request.headers['if-none-match'] === file.etag) response.writeHead(304).end();
    else if (file.modified !== undefined && request.headers['if-modified-since'] === file.modified) response.writeHead(304).end();
    else this.#send(file.bytes, request, response, file.etag, fault, file);
  }

  #send(bytes: Uint8Array, request: IncomingMessage, response: ServerResponse, etag: string | undefined, fault: Fault | null, { modified, unsized = false }: { modified?: string; unsized?: boolean } = {}): void {
    if (fault?.kind === 'status') {
      response.writeHead(fault.status, fault.headers).end();
      return;
    }
    const sent = fault?.kind === 'damage' ? bytes.map((byte, i) => (i === bytes.length >> 1 ? byte ^ 1 : byte)) : fault?.kind === 'other length' ? bytes.subarray(0, bytes.length - 1) : bytes;
    const asked = /^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1];
    const ifRange = request.headers['if-range'];
    const same = ifRange === undefined || ifRange === etag || ifRange === modified;
    const begin = asked === undefined || !same || fault?.kind === 'ignores ranges' ? 0 : Number(asked);
    const headers: Record<string, string | number> = { 'content-type': 'application/octet-stream', ...(etag === undefined ? {} : { etag }), ...(modified === undefined ? {} : { 'last-modified': modified }), ...(unsized ? {} : { 'content-length': sent.length - begin }) };
    if (begin > sent.length || (begin === sent.length && begin > 0)) {
      response.writeHead(416, { 'content-range': `bytes */${sent.length}` }).end();
      return;
    }
    if (begin > 0) response.writeHead(206, { ...headers, 'content-range': `bytes ${fault?.kind === 'wrong range' ? begin + 1 : begin}-${sent.length - 1}/${sent.length}` });
    else response.writeHead(200, headers);
    const body = sent.subarray(begin);
    if (fault?.kind === 'silence') response.write(body.subarray(0, 10));
    else if (fault?.kind === 'cut') response.write(body.subarray(0, fault.after), () => setTimeout(() => response.destroy(), 20));
    else if (fault?.kind === 'slow') {
      response.write(body.subarray(0, body.length >> 1));
      setTimeout(() => response.end(body.subarray(body.length >> 1)), fault.ms).unref();
    } else response.end(body);
  }
}

const isLarge = ({ large = /\.(?:safetensors|gguf)$/ }: Repository, path: string): boolean => large.test(path);
