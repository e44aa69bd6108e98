/** What every source checks (ranges, aborts), the errors they share, and reading a whole text. */
import { LorikeetError } from '../errors.js';
import type { ByteSource } from './source.js';

/** @throws LorikeetError `store/out-of-range` */
export function checkRange(source: { readonly name: string; readonly size: number }, begin: number, end: number): void {
  if (Number.isSafeInteger(begin) && Number.isSafeInteger(end) && begin >= 0 && begin <= end && end <= source.size) return;
  throw new LorikeetError('store/out-of-range', `Bytes ${begin} to ${end} of ${JSON.stringify(source.name)} were asked for, which has ${source.size}.`, { expected: `0 ≤ begin ≤ end ≤ ${source.size}`, found: [begin, end] });
}

/** @throws LorikeetError `store/aborted`, with the signal's reason as its cause */
export function checkAborted(signal: AbortSignal | undefined, name: string): void {
  if (signal?.aborted) throw aborted(name, signal.reason);
}

export function aborted(name: string, cause: unknown): LorikeetError {
  return new LorikeetError('store/aborted', `Reading ${JSON.stringify(name)} was aborted.`, { cause });
}

export function closed(name: string): LorikeetError {
  return new LorikeetError('store/closed', `${JSON.stringify(name)} was read after it had been closed.`);
}

export function notFound(path: string, folder: string, cause?: unknown): LorikeetError {
  return new LorikeetError('store/not-found', `There is no file ${JSON.stringify(path)} in ${JSON.stringify(folder)}; check the path.`, { expected: path, found: folder, cause });
}

export function unreadable(name: string, reason: string, cause?: unknown): LorikeetError {
  return new LorikeetError('store/unreadable', `${JSON.stringify(name)} can't be read: ${reason}.`, { found: name, cause });
}

export function truncated(name: string, expected: number, found: number, cause?: unknown): LorikeetError {
  return new LorikeetError('store/truncated', `${JSON.stringify(name)} ended after ${found} bytes, expected ${expected}; it was cut or changed while being read.`, { expected, found, cause });
}

const CHUNK = 1 << 20;

/** A whole file as text; closes the source. @throws LorikeetError `store/too-large`, `store/not-utf8`, whatever the source throws */
export async function readText(source: ByteSource, maxBytes: number): Promise<string> {
  try {
    if (source.size > maxBytes) {
      throw new LorikeetError('store/too-large', `${JSON.stringify(source.name)} is ${source.size} bytes long, expected at most ${maxBytes}.`, { expected: maxBytes, found: source.size });
    }
    const decoder = new TextDecoder('utf-8', { fatal: true });
    let text = '';
    for (let at = 0; at < source.size; at += CHUNK) {
      text += decoder.decode(await source.read(at, Math.min(source.size, at + CHUNK)), { stream: true });
    }
    return text + decoder.decode();
  } catch (error) {
    if (error instanceof TypeError) throw new LorikeetError('store/not-utf8', `${JSON.stringify(source.name)} is not valid UTF-8.`, { expected: 'UTF-8', cause: error });
    throw error;
  } finally {
    await source.close();
  }
}
