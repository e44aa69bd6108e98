/** The kernels' binary from where it lies. Beside it in this room, `remembered-file.ts` and `remembered-page.ts` speak to a host. */
import { LorikeetError } from '../errors.js';

/** Where the binaries lie from this file, with its last slash: set by the build (this file and its bundles stand in different folders). */
declare const WASM_DIRECTORY: string;

/** The package's own binaries. Each address is written in one piece, so that bundlers find the file and take it along. */
const OWN: Readonly<Record<string, () => URL>> = {
  'simd': () => new URL(WASM_DIRECTORY + 'simd.wasm', import.meta.url),
  'simd-threads': () => new URL(WASM_DIRECTORY + 'simd-threads.wasm', import.meta.url),
  'relaxed': () => new URL(WASM_DIRECTORY + 'relaxed.wasm', import.meta.url),
  'relaxed-threads': () => new URL(WASM_DIRECTORY + 'relaxed-threads.wasm', import.meta.url),
  'relaxed-dot': () => new URL(WASM_DIRECTORY + 'relaxed-dot.wasm', import.meta.url),
  'relaxed-dot-threads': () => new URL(WASM_DIRECTORY + 'relaxed-dot-threads.wasm', import.meta.url),
};

/** Where the binary of this name lies: in `folder`, or beside the code. */
export const binaryAddress = (name: string, folder: URL | null): URL => (folder === null ? OWN[name]!() : new URL(`${name}.wasm`, folder));

/** An address as the caller gives it: relative ones are taken from here. */
export const addressOf = (source: string | URL): URL => new URL(source, import.meta.url);

/**
 * Reads a binary; over HTTP its MIME type doesn't matter (static hosts and webviews often send another).
 *
 * @throws LorikeetError `wasm/not-found`
 */
export async function readBinary(url: URL): Promise<BufferSource> {
  try {
    if (url.protocol === 'file:' && 'process' in globalThis) {
      const { readFile } = await import('node:fs/promises');
      return await readFile(url);
    }
    const response = await fetch(url);
    if (!response.ok) throw new Error(`HTTP status ${response.status}`);
    return await response.arrayBuffer();
  } catch (cause) {
    throw new LorikeetError('wasm/not-found', `The kernels can't be read: expected a binary at ${url.href}; pass \`wasm\` where your bundler put it elsewhere.`, { expected: url.href, cause });
  }
}
