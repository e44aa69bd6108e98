/** Writing a folder of files in Node, Deno and Bun. A browser has no folders: there, files are handed out as bytes. */
import { LorikeetError } from '../errors.js';
import { safeRelativePath } from '../formats/relative-path.js';

/**
 * Writes files into a folder, which is made if it is missing. Each is written beside its place and then renamed, so that none is ever there in part;
 * a failure removes what was not yet renamed.
 *
 * @throws LorikeetError `store/unwritable`, `store/escape`
 */
export async function writeFolder(folder: string, files: Readonly<Record<string, Uint8Array | string>>): Promise<void> {
  const [{ mkdir, rename, rm, writeFile }, path] = await Promise.all([import('node:fs/promises'), import('node:path')]);
  const places = Object.keys(files).map((name) => ({ name, final: path.join(folder, safeRelativePath(name, folder)) }));
  const part = (final: string): string => `${final}.part`;
  try {
    await mkdir(folder, { recursive: true });
    for (const { name, final } of places) await writeFile(part(final), files[name]!);
    for (const { final } of places) await rename(part(final), final);
  } catch (cause) {
    await Promise.all(places.map(({ final }) => rm(part(final), { force: true }).catch(() => {})));
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'no reason';
    throw new LorikeetError('store/unwritable', `The folder ${JSON.stringify(folder)} can't be written: expected a place with permission and room, found ${code}.`, { expected: 'a folder that can be written', found: code, cause });
  }
}
