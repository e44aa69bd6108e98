import { checkAborted, checkRange, closed } from './checks.js';
import type { ByteSource } from './source.js';

/** Bytes that are in memory already: reads are views, nothing is copied. */
export function openBytes(name: string, bytes: Uint8Array, signal?: AbortSignal): ByteSource {
  let open = true;
  return {
    name,
    size: bytes.length,
    async read(begin, end) {
      if (!open) throw closed(name);
      checkAborted(signal, name);
      checkRange(this, begin, end);
      return bytes.subarray(begin, end);
    },
    async close() { open = false; },
  };
}
