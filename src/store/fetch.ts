/**
 * Files by URL (http, https, blob, data). One response is streamed through; a read behind it or far ahead asks for a range, and where the server
 * has no ranges the file is fetched again from its start.
 */
import { LorikeetError } from '../errors.js';
import { safeRelativePath } from '../formats/relative-path.js';
import { aborted, checkAborted, checkRange, closed, readText, truncated, unreadable } from './checks.js';
import { openBytes } from './bytes.js';
import type { ByteSource, Folder, OpenOptions } from './source.js';

/** Where the server doesn't say how long a file is, it is held in memory; no more than this. */
const MAX_UNSIZED = 2 ** 30;
/** Shorter gaps are read over, longer ones are jumped by a new request. */
const LONGEST_SKIP = 1 << 20;

/**
 * Opens one file by URL.
 *
 * @param limit the most bytes that are held where the server doesn't say how long the file is
 * @throws LorikeetError `store/not-found`, `store/unreadable`, `store/too-large`, `store/aborted`
 */
export async function openUrl(url: URL, { signal, headers }: OpenOptions = {}, limit = MAX_UNSIZED): Promise<ByteSource> {
  const response = await request(url, { signal, headers });
  const size = sizeOf(response);
  if (size === undefined) return openBytes(shown(url), await readAll(response, url, limit, signal), signal);
  return new UrlFile(url, size, response, { signal, headers });
}

class UrlFile implements ByteSource {
  readonly name: string;
  private reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  private position = 0; // of the next byte that isn't in `chunk`
  private chunk: Uint8Array = new Uint8Array(0); // what the stream gave last, its end at `position`
  private buffer = new Uint8Array(0);
  private ranges = true; // until the server shows that it has none
  private open = true;
  private turn: Promise<unknown> = Promise.resolve();
  private readonly tag: string | null;

  constructor(private readonly url: URL, readonly size: number, response: Response, private readonly options: OpenOptions) {
    this.name = shown(url);
    this.tag = response.headers.get('etag');
    this.reader = response.body?.getReader();
  }

  async read(begin: number, end: number): Promise<Uint8Array> {
    this.check(begin, end);
    return this.inTurn(async () => {
      if (begin === end) return this.buffer.subarray(0, 0);
      await this.seek(begin);
      if (end <= this.position) return this.take(begin, end);
      const length = end - begin;
      if (this.buffer.length < length) this.buffer = new Uint8Array(length);
      const part = this.buffer.subarray(0, length);
      await this.fill(begin, part);
      return part;
    });
  }

  async readInto(begin: number, target: Uint8Array): Promise<number> {
    this.check(begin, begin + target.length);
    return this.inTurn(async () => {
      await this.fill(begin, target);
      return target.length;
    });
  }

  private check(begin: number, end: number): void {
    if (!this.open) throw closed(this.name);
    checkAborted(this.options.signal, this.name);
    checkRange(this, begin, end);
  }

  /** There is one stream: reads that were asked for at once come one after another; those behind one that fails fail with it. */
  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.turn.then(work);
    this.turn = mine;
    mine.catch(() => { if (this.turn === mine) this.turn = Promise.resolve(); });
    return mine;
  }

  private async fill(begin: number, target: Uint8Array): Promise<void> {
    const end = begin + target.length;
    if (begin < end) await this.seek(begin);
    for (let at = begin; at < end;) {
      if (at === this.position) await this.advance();
      const part = this.take(at, Math.min(end, this.position));
      target.set(part, at - begin);
      at += part.length;
    }
  }

  async close(): Promise<void> {
    this.open = false;
    this.chunk = this.buffer = new Uint8Array(0);
    await this.stop();
  }

  /** A view of the last chunk; its bytes are ours alone. */
  private take(begin: number, end: number): Uint8Array {
    const start = this.position - this.chunk.length;
    return this.chunk.subarray(begin - start, end - start);
  }

  /** Brings `begin` into the chunk or next behind it. */
  private async seek(begin: number): Promise<void> {
    const start = this.position - this.chunk.length;
    if (begin < start || (begin - this.position > LONGEST_SKIP && this.ranges)) await this.restart(begin);
    while (begin > this.position) await this.advance();
  }

  /** The next chunk of the stream that isn't empty. */
  private async advance(): Promise<void> {
    if (!this.reader) await this.restart(this.position);
    for (;;) {
      let step: ReadableStreamReadResult<Uint8Array>;
      try {
        step = await this.reader!.read();
      } catch (cause) {
        if (!this.open) throw closed(this.name);
        throw this.options.signal?.aborted ? aborted(this.name, this.options.signal.reason) : truncated(this.name, this.size, this.position, cause);
      }
      if (!this.open) throw closed(this.name);
      checkAborted(this.options.signal, this.name);
      if (step.done) throw truncated(this.name, this.size, this.position);
      if (step.value.length === 0) continue;
      this.chunk = step.value;
      this.position += step.value.length;
      if (this.position > this.size) throw unreadable(this.name, `more than the ${this.size} bytes that the server promised came`);
      return;
    }
  }

  /** A new stream from `begin` on, or from the start where the server has no ranges. */
  private async restart(begin: number): Promise<void> {
    await this.stop();
    const range = begin > 0 && this.ranges;
    const response = await request(this.url, this.options, range ? { Range: `bytes=${begin}-`, ...(this.tag ? { 'If-Range': this.tag } : {}) } : {});
    const partial = response.status === 206;
    if (range && !partial) this.ranges = false;
    const total = partial ? totalOf(response) : sizeOf(response);
    const tag = response.headers.get('etag');
    if ((total !== undefined && total !== this.size) || (tag !== null && this.tag !== null && tag !== this.tag)) {
      await response.body?.cancel();
      throw unreadable(this.name, `it changed while it was being read (${this.size} bytes at first, ${total ?? 'another version'} now)`);
    }
    this.reader = response.body?.getReader();
    if (!this.reader) throw truncated(this.name, this.size, 0);
    this.position = partial ? begin : 0;
    this.chunk = new Uint8Array(0);
  }

  private async stop(): Promise<void> {
    const { reader } = this;
    this.reader = undefined;
    await reader?.cancel().catch(() => undefined); // a stream that failed already has nothing left to cancel
  }
}

/**
 * A folder by URL: files are below it, whether or not it ends with a slash. Its query (a token, say) goes with every request.
 * A web page in place of a file counts as not found: servers of single-page apps answer every unknown path with their index.html.
 */
export function openUrlFolder(base: URL, options: OpenOptions = {}): Folder {
  const name = shown(base);
  const resolve = (path: string): URL => {
    const folder = new URL(base);
    if (!folder.pathname.endsWith('/')) folder.pathname += '/';
    // Encoded part by part: "%2e%2e" would be ".." to a URL, "?" a query.
    const url = new URL(safeRelativePath(path, name).split('/').map(encodeURIComponent).join('/'), folder);
    url.search = base.search;
    return url;
  };
  const merged = (signal: AbortSignal | undefined): OpenOptions => ({ ...options, signal: signal ?? options.signal });
  return {
    name,
    async has(path, signal) {
      const url = resolve(path);
      for (const method of ['HEAD', 'GET']) {
        const response = await send(url, merged(signal), {}, method);
        await response.body?.cancel();
        if (method === 'HEAD' && (response.status === 405 || response.status === 501)) continue; // no HEAD here
        // Stores of objects say 403 for what isn't there unless listing is allowed.
        if (isMissing(response, url) || response.status === 403) return false;
        if (!response.ok) throw refusedBy(url, response);
        return true;
      }
      return false;
    },
    open: async (path, signal) => openUrl(resolve(path), merged(signal)),
    text: async (path, maxBytes, signal) => readText(await openUrl(resolve(path), merged(signal), maxBytes), maxBytes),
  };
}

async function request(url: URL, options: OpenOptions, extra: Readonly<Record<string, string>> = {}): Promise<Response> {
  const response = await send(url, options, extra, 'GET');
  if (response.ok && !isMissing(response, url)) return response;
  await response.body?.cancel();
  throw isMissing(response, url)
    ? new LorikeetError('store/not-found', `There is nothing at ${JSON.stringify(shown(url))}; check the address.`, { expected: shown(url), found: response.status })
    : refusedBy(url, response);
}

async function send(url: URL, { signal, headers }: OpenOptions, extra: Readonly<Record<string, string>>, method: string): Promise<Response> {
  checkAborted(signal, shown(url));
  try {
    return await fetch(url, { method, headers: { ...headers, ...extra }, signal: signal ?? null });
  } catch (cause) {
    throw failure(shown(url), signal, cause);
  }
}

function failure(name: string, signal: AbortSignal | undefined, cause: unknown): LorikeetError {
  return signal?.aborted ? aborted(name, signal.reason) : unreadable(name, 'the request failed (no network, no such server, or the server allows no access from this page)', cause);
}

function refusedBy(url: URL, { status }: Response): LorikeetError {
  return unreadable(shown(url), `the server answered with status ${status}`);
}

function isMissing(response: Response, url: URL): boolean {
  if (response.status === 404 || response.status === 410) return true;
  return response.ok && /^text\/html\b/i.test(response.headers.get('content-type') ?? '') && !/\.html?$/i.test(url.pathname);
}

/** The file's length; undefined where the server doesn't say, or says how long it is compressed. */
function sizeOf(response: Response): number | undefined {
  const length = response.headers.get('content-length');
  const encoding = response.headers.get('content-encoding') ?? 'identity';
  return length !== null && /^[0-9]+$/.test(length) && encoding === 'identity' && response.body ? Number(length) : undefined;
}

/** The whole length that a partial response tells; undefined where it isn't visible (another origin's header). */
function totalOf(response: Response): number | undefined {
  const total = /\/([0-9]+)$/.exec(response.headers.get('content-range') ?? '')?.[1];
  return total === undefined ? undefined : Number(total);
}

async function readAll(response: Response, url: URL, limit: number, signal: AbortSignal | undefined): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  const reader = response.body?.getReader();
  try {
    for (let step = await reader?.read(); step && !step.done; step = await reader?.read()) {
      size += step.value.length;
      if (size > limit) {
        await reader?.cancel();
        throw new LorikeetError('store/too-large', `${JSON.stringify(shown(url))} is longer than ${limit} bytes, and its server doesn't say how long.`, { expected: limit, found: size });
      }
      chunks.push(step.value);
    }
  } catch (error) {
    if (error instanceof LorikeetError) throw error;
    throw failure(shown(url), signal, error);
  }
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) { bytes.set(chunk, at); at += chunk.length; }
  return bytes;
}

/** An address for messages: without its query, which may hold a token, and a data URL without its data. */
function shown(url: URL): string {
  return url.protocol === 'data:' ? 'data:…' : `${url.origin === 'null' ? url.protocol : url.origin}${url.pathname}`;
}
