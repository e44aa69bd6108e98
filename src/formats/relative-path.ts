import { LorikeetError } from '../errors.js';

/**
 * Checks a path that was named inside a file (an index of shards, an adapter's folder) and returns it unchanged.
 *
 * Only plain names joined by `/` pass, so that the path stays below its folder whether it is read by a file system (POSIX or Windows), resolved
 * as a URL or looked up in a table: no empty, `.` or `..` part, no root, backslash, drive, scheme or alternate stream (`:`), no control characters.
 * Parts made of dots and spaces are refused since Windows drops both at the end of a name ("..  " is ".." there).
 * Symbolic links are the file system's: the Node folder looks at the real path.
 *
 * @throws LorikeetError `store/escape`
 */
export function safeRelativePath(path: string, where = 'the folder'): string {
  const reason = problem(path);
  if (reason === undefined) return path;
  throw new LorikeetError('store/escape', `A file named ${JSON.stringify(path.slice(0, 200))} can't be taken from ${where}: ${reason}; expected a plain relative path that stays inside the folder.`,
    { expected: 'a relative path inside the folder', found: path });
}

function problem(path: string): string | undefined {
  if (path === '') return 'the name is empty';
  if (path.length > 1024) return 'the name is longer than 1024 characters';
  if (/[\u0000-\u001f\u007f]/.test(path)) return 'it holds a control character';
  if (path.includes('\\')) return 'it holds a backslash';
  if (path.includes(':')) return 'it holds a colon (a drive, a scheme or a stream)';
  if (path.startsWith('/')) return 'it starts at the root';
  for (const part of path.split('/')) {
    if (part === '') return 'it has an empty part';
    if (/^[. ]+$/.test(part)) return `its part ${JSON.stringify(part)} leads elsewhere`;
  }
  return undefined;
}
