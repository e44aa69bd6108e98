/** A file in the cache's folder, for Node, Deno and Bun. */
import { cacheSettings, writeWhole } from '../store/cache.js';

export interface Place {
  /** The engine and the processor that it runs on. */
  readonly engine: string;
  /** What was written last; null: nothing yet. */
  readonly text: string | null;
}

const path = async (): Promise<string> => (await import('node:path')).join((await cacheSettings()).cache, 'kernels.json');

/** @returns null where there is no file system */
export async function readFile(): Promise<Place | null> {
  try {
    const [{ readFile: read }, { cpus }] = await Promise.all([import('node:fs/promises'), import('node:os')]);
    const { versions, arch } = process;
    const host = versions['deno'] ? `deno ${versions['deno']}` : versions['bun'] ? `bun ${versions['bun']}` : `node ${versions.node}`;
    return { engine: `${host} ${versions.v8 ?? ''} ${arch} ${cpus()[0]?.model ?? ''} ${process.execArgv.join(' ')}`, text: await read(await path(), 'utf8').catch(() => null) };
  } catch {
    return null;
  }
}

/** Does nothing where it can't be written. */
export async function writeFile(text: string): Promise<void> {
  await path().then((file) => writeWhole(file, text)).catch(() => {});
}
