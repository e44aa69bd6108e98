/**
 * The cache of pulled files, on the disk of Node, Deno and Bun:
 *
 *   hub/<owner>/<repo>/refs/<revision>        the commit that a revision named when it was last pulled
 *   hub/<owner>/<repo>/<commit>/…             files, named as in the repository
 *   hub/<owner>/<repo>/<commit>/.pulled.json  a Pulls: what was pulled whole
 *   url/<host>/<16 hex digits of the address's SHA-256>/<name>, .pulled.json
 *
 * A file under its own name is whole and was checked; one that is still coming is called `.part`. Nothing is ever changed in place.
 */
import { LorikeetError } from '../errors.js';
import { findInHubCache } from './cache-hub.js';
import { parseReference, type HubReference, type Reference } from './hub-reference.js';

/** A file that was pulled. */
export interface PulledFile {
  readonly bytes: number;
  readonly sha256: string;
  /** For addresses: what the server called this version. */
  readonly etag?: string | null;
}

/** What `.pulled.json` says of its folder. */
export interface Pulls {
  /** The folder holds all of a model or an adapter; null: only single files. */
  readonly whole: 'model' | 'adapter' | null;
  readonly files: Readonly<Record<string, PulledFile>>;
}

export const PULLS = '.pulled.json';
const COMMIT = /^[0-9a-f]{40}$/;

/** Where files are pulled from and to. What isn't given comes from the environment. */
export interface CacheOptions {
  /** The cache's folder; default: LORIKEET_CACHE, else the system's place for caches. */
  cache?: string | undefined;
  /** The hub's address; default: HF_ENDPOINT, else https://huggingface.co. */
  endpoint?: string | undefined;
  /** Sent to the hub, and to nobody else; default: HF_TOKEN. */
  token?: string | undefined;
}

/** The options, complete. */
export interface CacheSettings {
  readonly cache: string;
  readonly endpoint: string;
  readonly token: string | null;
}

/**
 * Fills the options in from the environment: LORIKEET_CACHE (else XDG_CACHE_HOME/lorikeet, %LOCALAPPDATA%\lorikeet, ~/Library/Caches/lorikeet or ~/.cache/lorikeet), HF_ENDPOINT, HF_TOKEN.
 *
 * @throws LorikeetError `pull/no-disk` where there is no file system; `pull/endpoint`
 */
export async function cacheSettings({ cache, endpoint, token }: CacheOptions = {}): Promise<CacheSettings> {
  const host = (globalThis as { process?: NodeJS.Process }).process;
  if (host?.versions?.node === undefined) throw new LorikeetError('pull/no-disk', 'Pulling writes to a disk: expected Node, Deno or Bun; in a browser, give createEngine the address itself.', { expected: 'a file system' });
  const [{ homedir }, paths] = await Promise.all([import('node:os'), import('node:path')]);
  const env = (name: string): string | undefined => host.env[name] || undefined; // set to nothing is not set
  const place = (): string => {
    const xdg = env('XDG_CACHE_HOME');
    if (xdg !== undefined) return paths.join(xdg, 'lorikeet');
    if (host.platform === 'win32') return paths.join(env('LOCALAPPDATA') ?? paths.join(homedir(), 'AppData', 'Local'), 'lorikeet');
    return host.platform === 'darwin' ? paths.join(homedir(), 'Library', 'Caches', 'lorikeet') : paths.join(homedir(), '.cache', 'lorikeet');
  };
  const address = endpoint ?? env('HF_ENDPOINT') ?? 'https://huggingface.co';
  if (!/^https?:\/\/[^/]/i.test(address) || !URL.canParse(address)) throw new LorikeetError('pull/endpoint', `The hub's address expected an http(s) URL, got ${JSON.stringify(address)}; set HF_ENDPOINT or leave it out.`, { expected: 'an http(s) URL', found: address });
  return { cache: paths.resolve(cache ?? env('LORIKEET_CACHE') ?? place()), endpoint: address.replace(/\/+$/, ''), token: token ?? env('HF_TOKEN') ?? null };
}

/** The folder of a repository, or of an address. */
export async function folderOf(reference: Reference, cache: string): Promise<string> {
  const paths = await import('node:path');
  if (reference.kind === 'hub') return paths.join(cache, 'hub', ...reference.id.split('/'));
  const { createHash } = await import('node:crypto');
  const { url } = reference;
  return paths.join(cache, 'url', url.host.replaceAll(/[^A-Za-z0-9.-]/g, '_'), createHash('sha256').update(url.href).digest('hex').slice(0, 16));
}

/** Reads what a folder's `.pulled.json` says; a folder without one holds nothing. */
export async function readPulls(folder: string): Promise<Pulls> {
  const [{ readFile }, paths] = await Promise.all([import('node:fs/promises'), import('node:path')]);
  try {
    const { whole, files } = JSON.parse(await readFile(paths.join(folder, PULLS), 'utf8')) as Partial<Pulls>;
    return { whole: whole === 'model' || whole === 'adapter' ? whole : null, files: typeof files === 'object' && files !== null ? files : {} };
  } catch {
    return { whole: null, files: {} }; // not there yet, or of another program: what it would tell is asked of the server again
  }
}

/** Writes a small file so that it is there whole or not at all. */
export async function writeWhole(path: string, text: string): Promise<void> {
  const [{ mkdir, rename, writeFile }, paths, { randomBytes }] = await Promise.all([import('node:fs/promises'), import('node:path'), import('node:crypto')]);
  await mkdir(paths.dirname(path), { recursive: true });
  const part = `${path}.${randomBytes(6).toString('hex')}.part`;
  await writeFile(part, text);
  await rename(part, path);
}

/**
 * Finds what was pulled before, without asking any server; what Hugging Face's own programs brought to their cache counts, too.
 *
 * @param reference as pull takes it
 * @returns the path of a folder or file to open, or null
 * @throws LorikeetError `pull/reference`, `pull/ambiguous` where only single files of the repository are there, and several
 */
export async function findPulled(reference: string, options: CacheOptions = {}): Promise<string | null> {
  const { cache, endpoint } = await cacheSettings(options);
  const wanted = parseReference(reference, endpoint);
  return (await findOwn(reference, wanted, cache)) ?? (wanted.kind === 'hub' ? findInHubCache(wanted) : null);
}

async function findOwn(reference: string, wanted: Reference, cache: string): Promise<string | null> {
  const [{ access }, paths] = await Promise.all([import('node:fs/promises'), import('node:path')]);
  const there = (path: string): Promise<boolean> => access(path).then(() => true, () => false);
  let folder = await folderOf(wanted, cache);
  if (wanted.kind === 'hub') {
    const commit = await commitOf(folder, wanted);
    if (commit === null) return null;
    folder = paths.join(folder, commit);
    if (wanted.file !== null) return (await there(paths.join(folder, wanted.file))) ? paths.join(folder, wanted.file) : null;
  }
  const { whole, files } = await readPulls(folder);
  if (whole !== null) return folder;
  const single: string[] = [];
  // What else lies there is a model that didn't come to its end.
  for (const name of Object.keys(files)) if ((wanted.kind === 'url' || /\.gguf$/i.test(name)) && (await there(paths.join(folder, name)))) single.push(name);
  if (single.length > 1) throw new LorikeetError('pull/ambiguous', `${JSON.stringify(reference)} was pulled as several files: expected one of them by name, ${single.map((name) => `${reference}/${name}`).join(', ')}.`, { expected: single, found: reference });
  return single.length === 1 ? paths.join(folder, single[0]!) : null;
}

/** The commit that a revision named when it was last pulled. */
async function commitOf(repository: string, { revision }: HubReference): Promise<string | null> {
  if (COMMIT.test(revision)) return revision;
  const [{ readFile }, paths] = await Promise.all([import('node:fs/promises'), import('node:path')]);
  const commit = await readFile(paths.join(repository, 'refs', encodeURIComponent(revision)), 'utf8').catch(() => '');
  return COMMIT.test(commit.trim()) ? commit.trim() : null;
}
