/** One file by address onto the disk: resumed, checked, and under its name only when it is whole. */
import type { FileHandle } from 'node:fs/promises';
import { LorikeetError } from '../errors.js';
import { hasCode, interrupted } from './cache-lock.js';
import { Passing, patiently, refusal, request, shown, type Patience } from './cache-request.js';

/** What a file's bytes have to add up to. `git` is the id of a git blob, SHA-1 over `blob <size>\0` and the bytes. */
export interface Digest {
  readonly algorithm: 'sha256' | 'git';
  readonly hex: string;
}

export interface Download {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** Where the file goes; it comes as `<target>.part`, with `<target>.part.json` beside it. */
  readonly target: string;
  /** What it is called in messages. */
  readonly name: string;
  readonly size: number | null;
  readonly digest: Digest | null;
  /** The address names these very bytes, whatever happens (a commit): a part goes on without asking which version it is of. */
  readonly immutable: boolean;
  readonly patience: Patience;
  readonly signal?: AbortSignal | undefined;
  /** Called with the bytes that are on the disk and those in all, null while unknown. */
  readonly onProgress?: ((done: number, total: number | null) => void) | undefined;
}

export interface Downloaded {
  readonly bytes: number;
  readonly sha256: string;
  readonly etag: string | null;
  /** Bytes that were there from an earlier attempt. */
  readonly resumed: number;
  /** True if there was a digest to hold it against. */
  readonly verified: boolean;
}

/** What is known of a part on the disk. */
interface Part {
  readonly url: string;
  readonly etag: string | null;
}

const READ = 1 << 20;

/**
 * Downloads a file. What a broken connection, an interrupt or a full disk leaves is gone on with by the next call.
 *
 * @throws LorikeetError `pull/network`, `pull/server`, `pull/unauthorized`, `pull/not-found`, `pull/rate-limited`, `pull/redirect`, `pull/cut`, `pull/size`, `pull/hash`, `pull/disk-full`, `pull/unwritable`, `pull/interrupted`
 */
export async function download(job: Download): Promise<Downloaded> {
  const { mkdir, rename, rm } = await import('node:fs/promises');
  const paths = await import('node:path');
  const part = `${job.target}.part`;
  try {
    await mkdir(paths.dirname(job.target), { recursive: true });
    for (let again = false; ; again = true) {
      const transfer = await Transfer.open(job, part, again);
      const done = await transfer.run();
      if (done !== null) {
        await rename(part, job.target);
        await rm(`${part}.json`, { force: true });
        return done;
      }
      // The bytes are wrong. If some lay there from an earlier time, those may be the wrong ones: once more from the start.
      await rm(part, { force: true });
      if (transfer.resumed === 0 || again) throw new LorikeetError('pull/hash', `${JSON.stringify(job.name)} came whole, but isn't what was expected: expected ${transfer.expected}, found ${transfer.found}; it was thrown away.`, { expected: transfer.expected, found: transfer.found });
    }
  } catch (error) {
    throw diskError(job.target, error);
  }
}

/** The way of one file into its part. */
class Transfer {
  /** Bytes on the disk, all of them in `sha256` (and in `git`). */
  #have = 0;
  #etag: string | null = null;
  #size: number | null;
  #digest: Digest | null;
  /** What the bytes should have added up to, and did. */
  expected = '';
  found = '';
  resumed = 0;

  private constructor(private readonly job: Download, private readonly part: string, private readonly handle: FileHandle, private readonly hashes: Hashes) {
    this.#size = job.size;
    this.#digest = job.digest;
  }

  static async open(job: Download, part: string, fresh: boolean): Promise<Transfer> {
    const { open, readFile } = await import('node:fs/promises');
    const known = await readFile(`${part}.json`, 'utf8').then((text) => JSON.parse(text) as Part, () => null).catch(() => null);
    const handle = await open(part, fresh ? 'w+' : 'a+').then(async (appending) => {
      await appending.close();
      return open(part, 'r+');
    });
    const transfer = new Transfer(job, part, handle, await Hashes.make(job));
    try {
      const { size } = await handle.stat();
      const usable = job.immutable || (known?.url === job.url.href && known.etag !== null);
      if (!usable || (job.size !== null && size > job.size)) await handle.truncate(0);
      else {
        transfer.#etag = known?.etag ?? null;
        await transfer.#reread(size);
      }
      return transfer;
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** Takes what lies there already into the hashes. */
  async #reread(size: number): Promise<void> {
    const buffer = new Uint8Array(READ);
    while (this.#have < size) {
      const { bytesRead } = await this.handle.read(buffer, 0, Math.min(READ, size - this.#have), this.#have);
      if (bytesRead === 0) break;
      this.hashes.update(buffer.subarray(0, bytesRead));
      this.#have += bytesRead;
      if (this.job.signal?.aborted) throw interrupted(this.job.name, this.job.signal.reason);
    }
    this.resumed = this.#have;
  }

  /** @returns null where the bytes aren't those that were expected */
  async run(): Promise<Downloaded | null> {
    const { job, handle } = this;
    try {
      await this.#checkRoom();
      await patiently(job.name, job.patience, job.signal, () => this.#have, () => this.#attempt());
      await handle.sync();
      const { sha256, git } = this.hashes.digest(this.#have);
      const wanted = this.#digest;
      this.expected = wanted?.hex ?? '';
      this.found = wanted?.algorithm === 'git' ? String(git) : sha256;
      if (wanted !== null && this.expected !== this.found) return null;
      return { bytes: this.#have, sha256, etag: this.#etag, resumed: this.resumed, verified: wanted !== null };
    } finally {
      await handle.close();
    }
  }

  async #attempt(): Promise<void> {
    const { job } = this;
    if (this.#size !== null && this.#have === this.#size && this.#have > 0) return;
    // Nothing would tell whether what comes next is of the same version.
    if (!job.immutable && this.#etag === null && this.#digest === null) await this.#restart();
    const controller = new AbortController();
    const stop = (): void => controller.abort(job.signal?.reason);
    job.signal?.addEventListener('abort', stop, { once: true });
    let idle = setTimeout(() => controller.abort(), job.patience.idleMs);
    const silent = (cause: unknown): Passing => new Passing(new LorikeetError('pull/network', `${shown(job.url)} fell silent for ${job.patience.idleMs / 1000} s, again and again; check the connection and pull again.`, { expected: 'an answer', cause }));
    try {
      const range: Record<string, string> = this.#have === 0 ? {} : { range: `bytes=${this.#have}-`, ...(this.#etag === null || job.immutable ? {} : { 'if-range': this.#etag }) };
      const { response, linkedSha256 } = await request(job.url, { ...job.headers, ...range }, controller.signal);
      await this.#begin(response, linkedSha256);
      for await (const chunk of response.body!) {
        clearTimeout(idle);
        idle = setTimeout(() => controller.abort(), job.patience.idleMs);
        await this.#take(chunk);
      }
    } catch (error) {
      if (error instanceof LorikeetError || error instanceof Passing || job.signal?.aborted || isDisk(error)) throw error;
      throw controller.signal.aborted ? silent(error) : this.#cut(error);
    } finally {
      clearTimeout(idle);
      job.signal?.removeEventListener('abort', stop);
      controller.abort(); // lets go of a body that is not read to its end
    }
    if (this.#size !== null && this.#have < this.#size) throw this.#cut();
  }

  /** Reads the head of a response: where it goes on, how long the whole is, which version it is of. */
  async #begin(response: Response, linkedSha256: string | null): Promise<void> {
    const { job } = this;
    if (response.status === 416) {
      await this.#restart();
      throw new Passing(new LorikeetError('pull/size', `${JSON.stringify(job.name)} is shorter at its server than what came before; it was begun anew, and that failed too.`, {}), 0);
    }
    if (response.status !== 200 && response.status !== 206) throw refusal(job.url, response);
    if (/^text\/html\b/i.test(response.headers.get('content-type') ?? '') && !/\.html?$/i.test(job.target)) throw new LorikeetError('pull/not-found', `${shown(job.url)} answered with a web page: expected a file; check the address.`, { expected: 'a file', found: 'text/html' });
    const encoded = (response.headers.get('content-encoding') ?? 'identity') !== 'identity';
    const length = response.headers.get('content-length');
    let total = length === null || encoded ? null : Number(length);
    if (response.status === 206) {
      const [, from, whole] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(response.headers.get('content-range') ?? '') ?? [];
      if (Number(from) !== this.#have || encoded) {
        await this.#restart();
        throw new Passing(new LorikeetError('pull/server', `${shown(job.url)}: expected the bytes from ${this.#have} on, found others; try later.`, { expected: this.#have, found: from }), 0);
      }
      total = whole === '*' ? null : Number(whole);
    } else if (this.#have > 0) await this.#restart();
    const expected = response.status === 206 ? this.#size : job.size; // from its start on it may be another version
    if (total !== null && expected !== null && total !== expected) throw new LorikeetError('pull/size', `${JSON.stringify(job.name)} has ${total} bytes at its server: expected ${expected}.`, { expected, found: total });
    this.#size = expected ?? total;
    await this.#checkRoom();
    if (this.#digest === null && linkedSha256 !== null) this.#digest = { algorithm: 'sha256', hex: linkedSha256 };
    const etag = response.headers.get('etag') ?? response.headers.get('last-modified');
    if (!job.immutable && (etag !== this.#etag || this.#have === 0)) {
      this.#etag = etag?.startsWith('W/') ? null : etag; // a weak one says nothing about bytes
      const { writeFile } = await import('node:fs/promises');
      await writeFile(`${this.part}.json`, JSON.stringify({ url: job.url.href, etag: this.#etag } satisfies Part));
    } else if (job.immutable) this.#etag = etag;
  }

  async #take(chunk: Uint8Array): Promise<void> {
    if (this.#size !== null && this.#have + chunk.length > this.#size) throw new LorikeetError('pull/size', `${JSON.stringify(this.job.name)} goes on after its end: expected ${this.#size} bytes, found more.`, { expected: this.#size });
    for (let at = 0; at < chunk.length;) at += (await this.handle.write(chunk, at, chunk.length - at, this.#have + at)).bytesWritten;
    this.hashes.update(chunk);
    this.#have += chunk.length;
    this.job.onProgress?.(this.#have, this.#size);
  }

  async #restart(): Promise<void> {
    await this.handle.truncate(0);
    this.hashes.reset();
    this.#have = 0;
    this.resumed = 0;
  }

  #cut(cause?: unknown): Passing {
    return new Passing(new LorikeetError('pull/cut', `The connection for ${JSON.stringify(this.job.name)} broke after ${this.#have} bytes, again and again: expected ${this.#size ?? 'more'}; what has come is kept, pull again to go on.`, { expected: this.#size, found: this.#have, cause }));
  }

  /** Better to say so before than after a gigabyte. */
  async #checkRoom(): Promise<void> {
    if (this.#size === null) return;
    const { statfs } = await import('node:fs/promises');
    const paths = await import('node:path');
    const disk = await statfs(paths.dirname(this.part)).catch(() => null); // not every system tells
    const free = disk === null ? Infinity : disk.bavail * disk.bsize;
    if (this.#size - this.#have > free) throw new LorikeetError('pull/disk-full', `${JSON.stringify(this.job.name)} doesn't fit on the disk of ${JSON.stringify(paths.dirname(this.part))}: expected room for ${this.#size - this.#have} bytes, found ${free}; make room, or put the cache elsewhere (LORIKEET_CACHE).`, { expected: this.#size - this.#have, found: free });
  }
}

/** The sums over a file's bytes, taken as they come. */
class Hashes {
  #sha256;
  #git;

  private constructor(private readonly create: (algorithm: string) => import('node:crypto').Hash, private readonly gitSize: number | null) {
    this.#sha256 = create('sha256');
    this.#git = this.#startGit();
  }

  static async make({ size, digest }: Download): Promise<Hashes> {
    const { createHash } = await import('node:crypto');
    return new Hashes(createHash, digest?.algorithm === 'git' ? size : null);
  }

  #startGit(): import('node:crypto').Hash | null {
    return this.gitSize === null ? null : this.create('sha1').update(`blob ${this.gitSize}\0`);
  }

  update(bytes: Uint8Array): void {
    this.#sha256.update(bytes);
    this.#git?.update(bytes);
  }

  reset(): void {
    this.#sha256 = this.create('sha256');
    this.#git = this.#startGit();
  }

  digest(size: number): { sha256: string; git: string | null } {
    return { sha256: this.#sha256.digest('hex'), git: size === this.gitSize ? this.#git!.digest('hex') : null };
  }
}

const isDisk = (error: unknown): boolean => error instanceof Error && 'syscall' in error && ['write', 'open', 'ftruncate', 'fsync', 'mkdir', 'rename', 'unlink', 'link'].includes(String(error.syscall));

/** An error of the file system in the words of a pull; others as they are. */
export function diskError(path: string, error: unknown): unknown {
  if (error instanceof LorikeetError || !(error instanceof Error) || !('syscall' in error)) return error;
  if (hasCode(error, 'ENOSPC', 'EDQUOT')) return new LorikeetError('pull/disk-full', `The disk is full: expected more room for ${JSON.stringify(path)}; what has come is kept. Make room, or put the cache elsewhere (LORIKEET_CACHE), and pull again.`, { expected: 'room', cause: error });
  return new LorikeetError('pull/unwritable', `${JSON.stringify(path)} can't be written: expected a cache with permission, found ${'code' in error ? String(error.code) : 'an error'}; LORIKEET_CACHE names another place.`, { expected: 'a folder that can be written', found: 'code' in error ? error.code : undefined, cause: error });
}
