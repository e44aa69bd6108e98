/** Pulling: from Hugging Face's hub, or any address, into the cache. */
import { LorikeetError } from '../errors.js';
import { cacheSettings, folderOf, PULLS, readPulls, writeWhole, type CacheOptions, type CacheSettings, type PulledFile, type Pulls } from './cache.js';
import { diskError, download, type Digest, type Download } from './cache-download.js';
import { interrupted, takeLock } from './cache-lock.js';
import { Passing, PATIENCE, patiently, refusal, request, shown, type Patience } from './cache-request.js';
import { readFiles, selectFiles, type HubFile } from './hub-files.js';
import { parseReference, type HubReference, type UrlReference } from './hub-reference.js';

/** Options of {@link pull}. */
export interface PullOptions extends CacheOptions {
  /** One file of a repository: its path there, or a part of the name of just one GGUF (`Q4_K_M`). */
  file?: string | undefined;
  /** A branch, tag or commit (default main). */
  revision?: string | undefined;
  /** For an address: what the file's SHA-256 has to be. The hub tells its own. */
  sha256?: string | undefined;
  signal?: AbortSignal | undefined;
  /** Called with what is being pulled, and its bytes on the disk and in all (null while unknown). */
  onProgress?: ((file: string, done: number, total: number | null) => void) | undefined;
  /** Told where another process pulls the same file, and this one waits for it. */
  onWait?: ((file: string) => void) | undefined;
  patience?: Partial<Patience> | undefined;
}

/** A file of a {@link Pull}. */
export interface PullFile {
  readonly name: string;
  readonly bytes: number;
  readonly sha256: string;
  /** True if it was held against a digest that its server, or the caller, told. */
  readonly verified: boolean;
  /** Bytes that came over the network now; 0: it was there. */
  readonly downloaded: number;
}

/** What a pull brought. */
export interface Pull {
  readonly reference: string;
  /** What createEngine, or adapters.load, takes: a folder or a file. */
  readonly path: string;
  readonly kind: 'model' | 'adapter' | 'file';
  /** The commit, for a repository. */
  readonly commit: string | null;
  readonly bytes: number;
  readonly files: readonly PullFile[];
}

/** The longest answer of the hub that is read: repositories of thousands of files have some hundred KB. */
const ANSWER_BYTES = 64 * 2 ** 20;

/**
 * Pulls a model or an adapter into the cache: `owner/repo`, `owner/repo@revision`, `owner/repo/file.gguf` of the hub, or an http(s) address. Large files go on where an earlier pull ended, each is checked by
 * its SHA-256 (small ones of the hub by their git id) and stands under its name only when it is whole.
 *
 * @throws LorikeetError `pull/…`: what came so far is kept for the next call, except where it is wrong (`pull/hash`)
 * @example
 * const { path } = await pull('HuggingFaceTB/SmolLM2-135M-Instruct');
 * const engine = await createEngine({ model: path });
 */
export async function pull(reference: string, options: PullOptions = {}): Promise<Pull> {
  const settings = await cacheSettings(options);
  const sha256 = options.sha256?.toLowerCase();
  if (sha256 !== undefined && !/^[0-9a-f]{64}$/.test(sha256)) throw new LorikeetError('pull/sha256', `A SHA-256 has 64 hexadecimal digits, got ${JSON.stringify(options.sha256!.slice(0, 80))}.`, { expected: '64 hexadecimal digits', found: options.sha256 });
  const wanted = parseReference(reference, settings.endpoint);
  try {
    if (wanted.kind === 'url') {
      if (options.file !== undefined || options.revision !== undefined) throw new LorikeetError('pull/reference', `"file" and "revision" belong to a repository: expected owner/repo, found the address ${shown(wanted.url)}.`, { expected: 'owner/repo', found: reference });
      return await pullUrl(reference, wanted, settings, options, sha256 ?? null);
    }
    return await pullRepository(reference, { ...wanted, file: options.file ?? wanted.file, revision: options.revision ?? wanted.revision }, settings, options, sha256 ?? null);
  } catch (error) {
    if (options.signal?.aborted && !(error instanceof LorikeetError)) throw interrupted(reference, options.signal.reason);
    throw diskError(settings.cache, error);
  }
}

async function pullRepository(reference: string, wanted: HubReference, settings: CacheSettings, options: PullOptions, sha256: string | null): Promise<Pull> {
  const paths = await import('node:path');
  const { id, revision } = wanted;
  const patience = { ...PATIENCE, ...options.patience };
  const headers: Readonly<Record<string, string>> = settings.token === null ? {} : { authorization: `Bearer ${settings.token}` };
  const api = new URL(`${settings.endpoint}/api/models/${id}/revision/${encodeURIComponent(revision)}?blobs=true`);
  const { sha, siblings } = await patiently(id, patience, options.signal, () => 0, () => getJson(api, headers, options.signal, patience.idleMs)) as { sha?: unknown; siblings?: unknown };
  if (typeof sha !== 'string' || !/^[0-9a-f]{40}$/.test(sha)) throw new LorikeetError('pull/answer', `The hub's answer on ${JSON.stringify(id)} names no commit: expected "sha"; is ${settings.endpoint} the address of a hub (HF_ENDPOINT)?`, { expected: '40 hexadecimal digits', found: sha });
  const { kind, files } = selectFiles(id, readFiles(siblings, id), wanted.file);
  if (sha256 !== null && files.length > 1) throw new LorikeetError('pull/sha256', `One SHA-256 is for one file: expected a file of ${JSON.stringify(id)} by name, found ${files.length} files to pull.`, { expected: 1, found: files.length });

  const repository = await folderOf(wanted, settings.cache);
  const folder = paths.join(repository, sha);
  const done: PullFile[] = [];
  for (const file of files) {
    const digest: Digest | null = sha256 === null ? file.digest : { algorithm: 'sha256', hex: sha256 };
    const url = new URL(`${settings.endpoint}/${id}/resolve/${sha}/${file.path.split('/').map(encodeURIComponent).join('/')}`);
    done.push(await place(folder, file.path, { url, headers, digest, size: file.size, immutable: true, patience }, options, (pulls) => reuse(repository, folder, file, pulls)));
  }
  if (kind !== 'file') await remember(folder, options, (pulls) => ({ ...pulls, whole: kind }));
  await writeWhole(paths.join(repository, 'refs', encodeURIComponent(revision)), `${sha}\n`);
  return { reference, path: kind === 'file' ? paths.join(folder, files[0]!.path) : folder, kind, commit: sha, bytes: done.reduce((sum, { bytes }) => sum + bytes, 0), files: done };
}

async function pullUrl(reference: string, wanted: UrlReference, settings: CacheSettings, options: PullOptions, sha256: string | null): Promise<Pull> {
  const paths = await import('node:path');
  const { url } = wanted;
  const name = nameOf(url);
  const folder = await folderOf(wanted, settings.cache);
  const patience = { ...PATIENCE, ...options.patience };
  const known = (await readPulls(folder)).files[name];
  if (known && (sha256 === null ? !(await isUnchanged(url, known, options, patience)) : known.sha256 !== sha256)) {
    // Another version: the old one stays until the new one is whole, but counts as missing.
    await remember(folder, options, ({ files: { [name]: _, ...files } }) => ({ whole: null, files }));
  }
  const file = await place(folder, name, { url, headers: {}, digest: sha256 === null ? null : { algorithm: 'sha256', hex: sha256 }, size: null, immutable: false, patience }, options);
  return { reference, path: paths.join(folder, name), kind: 'file', commit: null, bytes: file.bytes, files: [file] };
}

/** The last part of an address, as the name of a file. */
function nameOf(url: URL): string {
  const last = decodeURIComponent(url.pathname.split('/').findLast((part) => part !== '') ?? '').replaceAll(/[^A-Za-z0-9._-]/g, '_').replace(/^\.+/, '').slice(-150);
  return last === '' ? 'file' : last;
}

/** Asks the server whether a file is still the one that was pulled. Where that can't be found out, it is taken to have changed. */
async function isUnchanged(url: URL, { etag }: PulledFile, options: PullOptions, patience: Patience): Promise<boolean> {
  if (!etag) return false;
  return patiently(shown(url), patience, options.signal, () => 0, () =>
    timed(url, { [etag.startsWith('"') ? 'if-none-match' : 'if-modified-since']: etag }, options.signal, patience.idleMs, async (response) => {
      if (response.status !== 304 && !response.ok) throw refusal(url, response);
      return response.status === 304;
    }));
}

type Source = Pick<Download, 'url' | 'headers' | 'digest' | 'size' | 'immutable' | 'patience'>;

/** Brings one file into its folder, unless it is there: under a lock, so that of several pulls one works and the others find it done. */
async function place(folder: string, name: string, source: Source, options: PullOptions, reuseOther?: (pulls: Pulls) => Promise<PulledFile | null>): Promise<PullFile> {
  const [{ stat }, paths] = await Promise.all([import('node:fs/promises'), import('node:path')]);
  const target = paths.join(folder, name);
  const release = await takeLock(`${target}.lock`, { signal: options.signal, onWait: () => options.onWait?.(name) });
  try {
    const pulls = await readPulls(folder);
    const known = pulls.files[name] ?? (await reuseOther?.(pulls)) ?? null;
    const there = known === null ? null : await stat(target).catch(() => null);
    const { digest } = source;
    if (known && there?.size === known.bytes && (digest?.algorithm !== 'sha256' || digest.hex === known.sha256)) {
      if (!(name in pulls.files)) await remember(folder, options, (now) => ({ ...now, files: { ...now.files, [name]: known } }));
      return { name, bytes: known.bytes, sha256: known.sha256, verified: digest !== null, downloaded: 0 };
    }
    const { bytes, sha256, etag, resumed, verified } = await download({ ...source, target, name, signal: options.signal, onProgress: (done, total) => options.onProgress?.(name, done, total) });
    await remember(folder, options, (now) => ({ ...now, files: { ...now.files, [name]: { bytes, sha256, etag } } }));
    return { name, bytes, sha256, verified, downloaded: bytes - resumed };
  } finally {
    await release();
  }
}

/** Changes what `.pulled.json` says, one process at a time. */
async function remember(folder: string, { signal }: PullOptions, change: (pulls: Pulls) => Pulls): Promise<void> {
  const paths = await import('node:path');
  const path = paths.join(folder, PULLS);
  const release = await takeLock(`${path}.lock`, { signal, everyMs: 20 });
  try {
    await writeWhole(path, JSON.stringify(change(await readPulls(folder)), null, 1));
  } finally {
    await release();
  }
}

/** Another commit of the repository may have the same large file: then it is linked (or copied), not downloaded. */
async function reuse(repository: string, folder: string, { path, digest }: HubFile, here: Pulls): Promise<PulledFile | null> {
  if (digest?.algorithm !== 'sha256' || path in here.files) return null;
  const [{ copyFile, link, mkdir, readdir, rename, rm, stat }, paths] = await Promise.all([import('node:fs/promises'), import('node:path')]);
  for (const commit of await readdir(repository).catch(() => [] as string[])) {
    if (commit === paths.basename(folder) || !/^[0-9a-f]{40}$/.test(commit)) continue;
    const known = (await readPulls(paths.join(repository, commit))).files[path];
    const from = paths.join(repository, commit, path);
    if (known?.sha256 !== digest.hex || (await stat(from).catch(() => null))?.size !== known.bytes) continue;
    const target = paths.join(folder, path);
    const beside = `${target}.linked`;
    try {
      await mkdir(paths.dirname(target), { recursive: true });
      await rm(beside, { force: true });
      await link(from, beside).catch(() => copyFile(from, beside));
      await rename(beside, target);
      return known;
    } catch {
      await rm(beside, { force: true });
      return null; // then it is downloaded
    }
  }
  return null;
}

async function getJson(url: URL, headers: Readonly<Record<string, string>>, signal: AbortSignal | undefined, idleMs: number): Promise<unknown> {
  const text = await timed(url, headers, signal, idleMs, async (response) => {
    if (!response.ok) throw refusal(url, response);
    return response.text();
  });
  try {
    if (text.length > ANSWER_BYTES) throw new RangeError('too long');
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value;
    throw new TypeError('no object');
  } catch (cause) {
    throw new LorikeetError('pull/answer', `${shown(url)} answered with something else: expected JSON of the hub's interface; is this the address of a hub (HF_ENDPOINT)?`, { expected: 'JSON', cause });
  }
}

/** A short exchange, given up where the server says nothing for long. */
async function timed<T>(url: URL, headers: Readonly<Record<string, string>>, signal: AbortSignal | undefined, idleMs: number, read: (response: Response) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const stop = (): void => controller.abort(signal?.reason);
  const timer = setTimeout(() => controller.abort(), idleMs);
  signal?.addEventListener('abort', stop, { once: true });
  try {
    return await read((await request(url, headers, controller.signal)).response);
  } catch (cause) {
    if (cause instanceof LorikeetError || cause instanceof Passing || signal?.aborted) throw cause;
    const what = controller.signal.aborted ? `fell silent for ${idleMs / 1000} s` : 'broke off its answer';
    throw new Passing(new LorikeetError('pull/network', `${shown(url)} ${what}, again and again; check the connection and pull again.`, { expected: 'an answer', cause }));
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', stop);
    controller.abort(); // lets go of a body that is not read
  }
}
