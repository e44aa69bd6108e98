/** Chooses where bytes come from by what the caller gave. */
import { LorikeetError } from '../errors.js';
import { isGguf } from '../formats/gguf.js';
import { openUrl, openUrlFolder } from './fetch.js';
import { openFiles, openMemory, openPicked } from './memory.js';
import { isNodeFile, openNodeFile, openNodeFolder } from './node.js';
import { isFileHandle, openHandle, type FileHandle } from './opfs.js';
import type { ByteSource, Folder, FolderFiles, OpenOptions } from './source.js';

/** A folder: a path or URL, files by relative path, picked files, or a folder that is open already. */
export type FolderOrigin = string | URL | FolderFiles | readonly File[] | FileList | Folder;
/** A file: a path or URL, a Blob or File, a browser's handle of a file, or its bytes. */
export type FileOrigin = string | URL | Blob | FileHandle | Uint8Array | ArrayBuffer;

/**
 * Opens a folder. A string with one of the schemes http, https, file, blob, data is a URL; any other is a path, which a browser resolves against the page.
 *
 * @throws LorikeetError `store/not-found`, `store/unreadable`, `store/escape`, `store/aborted`
 * @example await openFolder('adapters/pirate')
 * @example await openFolder({ 'adapter_config.json': text, 'adapter_model.safetensors': bytes })
 */
export async function openFolder(from: FolderOrigin, options: OpenOptions = {}): Promise<Folder> {
  if (typeof from === 'string' || from instanceof URL) {
    const place = await locate(from);
    if (typeof place === 'string') return openNodeFolder(place, options.signal);
    if (place.protocol === 'http:' || place.protocol === 'https:') return openUrlFolder(place, options);
    throw new LorikeetError('store/unreadable', `A ${place.protocol} address holds one file, expected a folder.`, { expected: 'a folder', found: place.protocol });
  }
  if (isFolder(from)) return from;
  if (Symbol.iterator in from) return openPicked(from);
  return openFiles(from);
}

/**
 * Opens one file; strings are read as by {@link openFolder}.
 *
 * @throws LorikeetError `store/not-found`, `store/unreadable`, `store/aborted`
 */
export async function openFile(from: FileOrigin, options: OpenOptions = {}): Promise<ByteSource> {
  if (typeof from === 'string' || from instanceof URL) {
    const place = await locate(from);
    return typeof place === 'string' ? openNodeFile(place, options.signal) : openUrl(place, options);
  }
  if (isFileHandle(from)) return openHandle(from, options.signal);
  return openMemory(from instanceof Blob && 'name' in from ? String(from.name) : 'bytes', from, options.signal);
}

/** What a model or an adapter may come as: a folder, or one GGUF file. */
export type ModelOrigin = FolderOrigin | FileOrigin;

/** A file, and how those beside it are opened by name: null where there is no place beside it. */
export interface OpenedFile {
  readonly source: ByteSource;
  /** The last part of its path or address, as given. */
  readonly name: string;
  readonly sibling: ((name: string) => Promise<ByteSource>) | null;
}

/**
 * Opens what may be a folder or a file. A file is what is given as one (bytes, a Blob, a handle); a path or URL that ends with `.gguf`, before its query; a path at which there is a regular file that
 * begins as GGUF does; a blob: or data: address. A folder without config.json and adapter_config.json that holds one file of that name stands for it.
 *
 * @throws LorikeetError as {@link openFolder} and {@link openFile}
 */
export async function openModelOrigin(from: ModelOrigin, options: OpenOptions = {}): Promise<Folder | OpenedFile> {
  if (isContent(from)) {
    const source = await openFile(from, options);
    return { source, name: source.name, sibling: null };
  }
  if (typeof from === 'string' || from instanceof URL) {
    const place = await locate(from);
    if (typeof place === 'string' ? GGUF_NAME.test(place) || (await startsAsGguf(place, options)) : GGUF_NAME.test(place.pathname) || /^(?:blob|data):$/.test(place.protocol)) {
      const name = typeof place === 'string' ? LAST_PART.exec(place)![0] : decodeURIComponent(LAST_PART.exec(place.pathname)![0]);
      return { source: await openFile(from, options), name, sibling: (other) => openFile(beside(place, other), options) };
    }
  }
  const folder = await openFolder(from, options);
  const name = await onlyGguf(folder);
  return name === null ? folder : { source: await folder.open(name, options.signal), name, sibling: (other) => folder.open(other, options.signal) };
}

const isContent = (from: ModelOrigin): from is Blob | FileHandle | Uint8Array | ArrayBuffer => isFileHandle(from) || from instanceof Uint8Array || from instanceof ArrayBuffer || (typeof Blob !== 'undefined' && from instanceof Blob);

const LAST_PART = /[^\\/]*$/;
const GGUF_NAME = /\.gguf$/i;

/** The other file of that name in the same place. */
function beside(place: string | URL, name: string): string | URL {
  if (typeof place === 'string') return place.replace(LAST_PART, () => name);
  const url = new URL(place);
  url.pathname = url.pathname.replace(LAST_PART, () => encodeURIComponent(name));
  return url;
}

/** Caches name files after their hashes. */
async function startsAsGguf(path: string, options: OpenOptions): Promise<boolean> {
  if (!(await isNodeFile(path))) return false;
  const source = await openNodeFile(path, options.signal);
  try {
    return isGguf(await source.read(0, Math.min(4, source.size)));
  } finally {
    await source.close();
  }
}

/** The one GGUF file of a folder that is no model's or adapter's folder otherwise; of one in parts, the first. */
async function onlyGguf(folder: Folder): Promise<string | null> {
  if (!folder.list || (await folder.has('config.json')) || (await folder.has('adapter_config.json'))) return null;
  const names = (await folder.list()).filter((name) => GGUF_NAME.test(name) && !/-0*(?:[2-9]|[1-9][0-9]+)-of-[0-9]+\.gguf$/i.test(name));
  return names.length === 1 ? names[0]! : null;
}

const SCHEME = /^(?:https?|file|blob|data):/i;

/** A path of this machine, or a URL to fetch. */
async function locate(from: string | URL): Promise<string | URL> {
  const onDisk = hasFileSystem();
  if (typeof from === 'string' && !SCHEME.test(from)) return onDisk ? from : new URL(from, globalThis.location?.href);
  let url: URL;
  try {
    url = new URL(from);
  } catch (cause) {
    throw new LorikeetError('store/unreadable', `${JSON.stringify(String(from))} is not a URL.`, { expected: 'a URL', found: String(from), cause });
  }
  if (url.protocol !== 'file:' || !onDisk) return url;
  const { fileURLToPath } = await import('node:url');
  return fileURLToPath(url);
}

/** Node, Deno and Bun answer to `process.versions.node`; browsers and workers don't have it. */
function hasFileSystem(): boolean {
  const host = globalThis as { process?: { versions?: { node?: string } } };
  return host.process?.versions?.node !== undefined;
}

function isFolder(from: Exclude<FolderOrigin, string | URL>): from is Folder {
  return 'open' in from && typeof from.open === 'function' && 'text' in from && typeof from.text === 'function';
}
