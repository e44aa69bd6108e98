import { checkAborted, checkRange, closed, truncated, unreadable } from './checks.js';
import type { ByteSource } from './source.js';

/** A Blob or File: a picked file, a drop, a cache entry. Only the slice that is asked for is in memory. */
export function openBlob(name: string, blob: Blob, signal?: AbortSignal): ByteSource {
  let open = true;
  const read = async (begin: number, end: number): Promise<Uint8Array> => {
    if (!open) throw closed(name);
    checkAborted(signal, name);
    checkRange({ name, size: blob.size }, begin, end);
    let bytes: Uint8Array;
    try {
      bytes = new Uint8Array(await blob.slice(begin, end).arrayBuffer());
    } catch (cause) {
      throw unreadable(name, 'the file was changed or removed since it was picked', cause);
    }
    if (!open) throw closed(name);
    checkAborted(signal, name);
    if (bytes.length !== end - begin) throw truncated(name, end, begin + bytes.length);
    return bytes;
  };
  return {
    name,
    size: blob.size,
    read,
    async readInto(begin, target) {
      target.set(await read(begin, begin + target.length));
      return target.length;
    },
    async close() { open = false; },
  };
}
