/** Files of a browser's own file system (OPFS), and picked ones that come as handles. */
import { openBlob } from './blob.js';
import { checkAborted, checkRange, closed, truncated, unreadable } from './checks.js';
import type { ByteSource } from './source.js';

/** What is used of the browser's FileSystemSyncAccessHandle, which only workers have. */
interface SyncAccess {
  read(target: Uint8Array, options: { at: number }): number;
  getSize(): number;
  close(): void;
}

/** What is used of the browser's FileSystemFileHandle. */
export interface FileHandle {
  readonly kind: 'file';
  readonly name: string;
  getFile(): Promise<Blob>;
  createSyncAccessHandle?(options?: { mode: 'read-only' }): Promise<SyncAccess>;
}

/** True of a browser's handle of a file. */
export const isFileHandle = (from: unknown): from is FileHandle => typeof from === 'object' && from !== null && 'kind' in from && from.kind === 'file' && 'getFile' in from && typeof from.getFile === 'function';

/**
 * Opens a handle. In a worker a file of OPFS is read straight into memory; elsewhere, or while somebody writes to it, it is read as any File.
 *
 * @throws LorikeetError `store/unreadable`, `store/aborted`
 */
export async function openHandle(handle: FileHandle, signal?: AbortSignal): Promise<ByteSource> {
  const { name } = handle;
  checkAborted(signal, name);
  const access = await handle.createSyncAccessHandle?.({ mode: 'read-only' }).catch(() => null);
  if (access) return openAccess(name, access, signal);
  let file: Blob;
  try {
    file = await handle.getFile();
  } catch (cause) {
    throw unreadable(name, 'the file was removed, or permission is missing', cause);
  }
  return openBlob(name, file, signal);
}

function openAccess(name: string, access: SyncAccess, signal: AbortSignal | undefined): ByteSource {
  const size = access.getSize();
  let open = true;
  let buffer = new Uint8Array(0);
  const fill = (begin: number, target: Uint8Array): void => {
    if (!open) throw closed(name);
    checkAborted(signal, name);
    checkRange({ name, size }, begin, begin + target.length);
    for (let done = 0; done < target.length;) {
      let bytes: number;
      try {
        bytes = access.read(target.subarray(done), { at: begin + done });
      } catch (cause) {
        throw unreadable(name, 'the browser refuses', cause);
      }
      if (bytes === 0) throw truncated(name, size, begin + done);
      done += bytes;
    }
  };
  return {
    name,
    size,
    async read(begin, end) {
      checkRange({ name, size }, begin, end);
      if (buffer.length < end - begin) buffer = new Uint8Array(end - begin);
      const part = buffer.subarray(0, end - begin);
      fill(begin, part);
      return part;
    },
    async readInto(begin, target) {
      fill(begin, target);
      return target.length;
    },
    async close() {
      if (open) access.close();
      open = false;
      buffer = new Uint8Array(0);
    },
  };
}
