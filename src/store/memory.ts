/** Folders whose files the caller holds: bytes, texts, Blobs, picked Files. */
import { LorikeetError } from '../errors.js';
import { safeRelativePath } from '../formats/relative-path.js';
import { openBlob } from './blob.js';
import { openBytes } from './bytes.js';
import { checkAborted, notFound, readText } from './checks.js';
import type { ByteSource, Folder, FolderFiles } from './source.js';

/** A folder of files by relative path. */
export function openFiles(files: FolderFiles, name = 'files'): Folder {
  const table = new Map(Object.entries(files).map(([path, file]) => [safeRelativePath(path, 'the given files'), file]));
  const open = async (path: string, signal?: AbortSignal): Promise<ByteSource> => {
    checkAborted(signal, path);
    const file = table.get(safeRelativePath(path, name));
    if (file === undefined) throw notFound(path, name);
    return openMemory(path, file, signal);
  };
  return {
    name,
    has: async (path) => table.has(safeRelativePath(path, name)),
    open,
    text: async (path, maxBytes, signal) => readText(await open(path, signal), maxBytes),
    list: async () => [...table.keys()].filter((path) => !path.includes('/')),
  };
}

/** One file that the caller holds. */
export function openMemory(name: string, file: Uint8Array | ArrayBuffer | Blob | string, signal?: AbortSignal): ByteSource {
  if (file instanceof Uint8Array) return openBytes(name, file, signal);
  if (file instanceof ArrayBuffer) return openBytes(name, new Uint8Array(file), signal);
  if (typeof file === 'string') return openBytes(name, new TextEncoder().encode(file), signal);
  if (typeof Blob !== 'undefined' && file instanceof Blob) return openBlob(name, file, signal);
  throw new LorikeetError('store/unreadable', `The file ${JSON.stringify(name)} is ${Object.prototype.toString.call(file)}, expected bytes (Uint8Array), a Blob or text.`, { expected: 'Uint8Array, Blob or string', found: Object.prototype.toString.call(file) });
}

/**
 * A folder of picked files. A picked folder names each file from its own name on (`tavern/config.json`): where all share such a first part it is dropped.
 */
export function openPicked(list: Iterable<File>): Folder {
  const files = [...list];
  const paths = files.map((file) => file.webkitRelativePath || file.name);
  const first = paths[0]?.split('/')[0];
  const shared = paths.every((path) => path.includes('/') && path.split('/')[0] === first);
  const entries = files.map((file, i) => [shared ? paths[i]!.slice(first!.length + 1) : paths[i]!, file] as const);
  return openFiles(Object.fromEntries(entries), shared ? first! : 'files');
}
