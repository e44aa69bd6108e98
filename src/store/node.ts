/** Files of Node, Deno and Bun. `node:fs/promises` is imported when the first file is opened, so that bundles for browsers load. */
import type { FileHandle } from 'node:fs/promises';
import { LorikeetError } from '../errors.js';
import { safeRelativePath } from '../formats/relative-path.js';
import { aborted, checkAborted, checkRange, closed, notFound, readText, truncated, unreadable } from './checks.js';
import type { ByteSource, Folder } from './source.js';

const fs = () => import('node:fs/promises');
const paths = () => import('node:path');

/** A file by path. Reads go into one buffer, which grows to the longest read. */
export async function openNodeFile(path: string, signal?: AbortSignal): Promise<ByteSource> {
  checkAborted(signal, path);
  const { open, stat } = await fs();
  let handle: FileHandle;
  try {
    // Looked at before it is opened: opening a named pipe waits for a writer.
    const kind = await stat(path);
    if (!kind.isFile()) throw unreadable(path, kind.isDirectory() ? 'it is a folder' : 'it is not a regular file');
    handle = await open(path, 'r');
  } catch (cause) {
    if (cause instanceof LorikeetError) throw cause;
    throw fileError(path, cause);
  }
  try {
    const { size } = await handle.stat();
    checkAborted(signal, path);
    return new NodeFile(path, size, handle, signal);
  } catch (error) {
    await handle.close();
    throw error;
  }
}

class NodeFile implements ByteSource {
  private buffer = new Uint8Array(0);
  private handle: FileHandle | undefined;

  constructor(readonly name: string, readonly size: number, handle: FileHandle, private readonly signal: AbortSignal | undefined) {
    this.handle = handle;
  }

  async read(begin: number, end: number): Promise<Uint8Array> {
    checkAborted(this.signal, this.name);
    checkRange(this, begin, end);
    const length = end - begin;
    if (this.buffer.length < length) this.buffer = new Uint8Array(length);
    await this.fill(this.buffer, begin, length);
    return this.buffer.subarray(0, length);
  }

  async readInto(begin: number, target: Uint8Array): Promise<number> {
    checkAborted(this.signal, this.name);
    checkRange(this, begin, begin + target.length);
    await this.fill(target, begin, target.length);
    return target.length;
  }

  private async fill(target: Uint8Array, begin: number, length: number): Promise<void> {
    for (let done = 0; done < length;) {
      if (!this.handle) throw closed(this.name);
      let bytesRead: number;
      try {
        ({ bytesRead } = await this.handle.read(target, done, length - done, begin + done));
      } catch (cause) {
        throw unreadable(this.name, reason(cause), cause);
      }
      if (this.signal?.aborted) throw aborted(this.name, this.signal.reason);
      if (bytesRead === 0) throw truncated(this.name, this.size, begin + done);
      done += bytesRead;
    }
    if (!this.handle) throw closed(this.name);
  }

  async close(): Promise<void> {
    const { handle } = this;
    this.handle = undefined;
    this.buffer = new Uint8Array(0);
    await handle?.close();
  }
}

/**
 * A folder by path. Files in it are found by their real path: a symbolic link may lead to another place in the folder, not out of it. One exception is known by its layout:
 * in the cache of Hugging Face's hub, the files of `snapshots/<revision>/` are links to `blobs/` beside it.
 *
 * @throws LorikeetError `store/not-found`, `store/unreadable`
 */
export async function openNodeFolder(path: string, signal?: AbortSignal): Promise<Folder> {
  checkAborted(signal, path);
  const [{ readdir, realpath, stat }, nodePath] = await Promise.all([fs(), paths()]);
  let root: string;
  try {
    root = await realpath(path);
    if (!(await stat(root)).isDirectory()) throw unreadable(path, 'it is a file, expected a folder');
  } catch (cause) {
    if (cause instanceof LorikeetError) throw cause;
    throw fileError(path, cause);
  }
  const inside = [root.endsWith(nodePath.sep) ? root : root + nodePath.sep];
  const parent = nodePath.dirname(root);
  if (nodePath.basename(parent) === 'snapshots') inside.push(nodePath.join(nodePath.dirname(parent), 'blobs') + nodePath.sep);

  const locate = async (relative: string): Promise<string> => {
    const full = nodePath.join(root, safeRelativePath(relative, path));
    let real: string;
    try {
      real = await realpath(full);
    } catch (cause) {
      throw code(cause) === 'ENOENT' || code(cause) === 'ENOTDIR' ? notFound(relative, path, cause) : unreadable(full, reason(cause), cause);
    }
    if (!inside.some((place) => real.startsWith(place))) {
      throw new LorikeetError('store/escape', `${JSON.stringify(relative)} is a link that leads out of ${JSON.stringify(path)}; expected a file inside the folder.`, { expected: 'a file inside the folder', found: real });
    }
    return real;
  };
  const open = async (relative: string, aborting?: AbortSignal): Promise<ByteSource> => openNodeFile(await locate(relative), aborting ?? signal);
  return {
    name: path,
    async has(relative) {
      try {
        return (await stat(await locate(relative))).isFile();
      } catch (error) {
        if (error instanceof LorikeetError && error.code === 'store/not-found') return false;
        throw error;
      }
    },
    open,
    text: async (relative, maxBytes, aborting) => readText(await open(relative, aborting), maxBytes),
    async list() {
      try {
        return (await readdir(root, { withFileTypes: true })).filter((entry) => !entry.isDirectory()).map((entry) => entry.name).sort();
      } catch (cause) {
        throw unreadable(path, reason(cause), cause);
      }
    },
  };
}

/** True if there is a regular file at a path. */
export async function isNodeFile(path: string): Promise<boolean> {
  try {
    return (await (await fs()).stat(path)).isFile();
  } catch {
    return false; // opening it says what is wrong
  }
}

function fileError(path: string, cause: unknown): LorikeetError {
  if (code(cause) === 'ENOENT' || code(cause) === 'ENOTDIR') return new LorikeetError('store/not-found', `There is nothing at ${JSON.stringify(path)}; check the path.`, { expected: path, cause });
  return unreadable(path, reason(cause), cause);
}

function code(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** A few plain words for the errors that a reader of files meets; the system's own stay in `cause`. */
function reason(error: unknown): string {
  switch (code(error)) {
    case 'EACCES': case 'EPERM': return 'permission is missing';
    case 'EISDIR': return 'it is a folder';
    case 'ELOOP': return 'its links lead in a circle';
    case 'EMFILE': case 'ENFILE': return 'too many files are open';
    case 'ENAMETOOLONG': return 'its name is too long';
    default: return `the system says ${code(error) ?? 'no'}`;
  }
}
