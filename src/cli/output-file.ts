import { randomBytes } from 'node:crypto';
import { unlinkSync } from 'node:fs';
import { access, constants, open, realpath, rename, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { LorikeetError } from '../errors.js';
import { systemReason } from './explain.js';

/** A place for a result, found good before any work is done for it. */
export interface OutputFile {
  /**
   * Writes the whole file: into a temporary one beside it, renamed at the end. On any failure, also an interrupt, the temporary file is removed
   * and what stood at the path stays.
   */
  write(chunks: AsyncIterable<Uint8Array>): Promise<void>;
}

const SIGNALS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

/**
 * Checks that a file can be written at `path`. A link is followed; a device or a pipe is written to directly.
 *
 * @throws LorikeetError `cli/output`
 */
export async function openOutput(path: string): Promise<OutputFile> {
  const failed = (error: unknown): LorikeetError => {
    const reason = systemReason(error);
    if (error instanceof LorikeetError || reason === null) throw error;
    return new LorikeetError('cli/output', `${JSON.stringify(path)} can't be written: ${reason}; expected a file in a folder that exists and may be written to.`, { expected: 'a path that can be written', cause: error });
  };
  if (path === '') throw new LorikeetError('cli/output', '--out expected the path of a file, found nothing.', { expected: 'a path' });
  let target = path;
  try {
    const there = await stat(path).catch((error: unknown) => { if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null; throw error; });
    if (there?.isDirectory()) throw new LorikeetError('cli/output', `${JSON.stringify(path)} is a folder: expected the path of a file.`, { expected: 'a file', found: 'a folder' });
    if (there && !there.isFile()) return { write: (chunks) => writeTo(path, 'w', chunks).catch((error: unknown) => { throw failed(error); }) };
    if (there) target = await realpath(path);
    const folder = dirname(target);
    if (!(await stat(folder)).isDirectory()) throw new LorikeetError('cli/output', `${JSON.stringify(folder)} is no folder: expected one for ${JSON.stringify(basename(path))}.`, { expected: 'a folder' });
    await access(folder, constants.W_OK);
  } catch (error) {
    throw failed(error);
  }
  return { write: (chunks) => replace(target, chunks).catch((error: unknown) => { throw failed(error); }) };
}

async function replace(target: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  const temporary = join(dirname(target), `.${basename(target).slice(0, 100)}.${randomBytes(6).toString('hex')}.part`);
  const onSignal = (signal: keyof typeof SIGNALS): void => {
    try {
      unlinkSync(temporary);
    } finally {
      process.exit(SIGNALS[signal]);
    }
  };
  for (const signal of Object.keys(SIGNALS)) process.on(signal, onSignal);
  try {
    await writeTo(temporary, 'wx', chunks);
    await rename(temporary, target);
  } catch (error) {
    await unlink(temporary).catch(() => {});
    throw error;
  } finally {
    for (const signal of Object.keys(SIGNALS)) process.off(signal, onSignal);
  }
}

async function writeTo(path: string, flags: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  const handle = await open(path, flags);
  try {
    for await (const chunk of chunks) {
      for (let at = 0; at < chunk.length;) at += (await handle.write(chunk, at, chunk.length - at)).bytesWritten;
    }
    if (flags === 'wx') await handle.sync();
  } finally {
    await handle.close();
  }
}
