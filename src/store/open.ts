/** Chooses where bytes come from by what the caller gave. */
import { LorikeetError } from '../errors.js';
import { openUrl, openUrlFolder } from './fetch.js';
import { openFiles, openMemory, openPicked } from './memory.js';
import { openNodeFile, openNodeFolder } from './node.js';
import type { ByteSource, Folder, FolderFiles, OpenOptions } from './source.js';

/** A folder: a path or URL, files by relative path, picked files, or a folder that is open already. */
export type FolderOrigin = string | URL | FolderFiles | readonly File[] | FileList | Folder;
/** A file: a path or URL, a Blob or File, or its bytes. */
export type FileOrigin = string | URL | Blob | Uint8Array | ArrayBuffer;

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
  return openMemory(from instanceof Blob && 'name' in from ? String(from.name) : 'bytes', from, options.signal);
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
