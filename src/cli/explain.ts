import { LorikeetError } from '../errors.js';
import { escapeName } from './escape.js';

/** The longest message that is shown whole: names in files may be megabytes long. */
const LONGEST = 1500;

/** What the system's error codes mean, in plain words. */
const SYSTEM: Readonly<Record<string, string>> = {
  ENOENT: 'there is nothing at that path', ENOTDIR: 'a part of the path is a file, not a folder', EISDIR: 'it is a folder', EACCES: 'permission is missing', EPERM: 'permission is missing',
  EROFS: 'the file system is read-only', ENOSPC: 'the disk is full', EDQUOT: 'the quota of the disk is used up', EFBIG: 'the file would be too large', EMFILE: 'too many files are open', ENFILE: 'too many files are open',
  ELOOP: 'its links lead in a circle', ENAMETOOLONG: 'its name is too long', EIO: 'the disk reports an error', EBUSY: 'it is in use', ETXTBSY: 'it is in use', EEXIST: 'it exists already', ENOMEM: 'the system is out of memory',
};

/** Advice of the API, as a command line follows it; names of options, as they are spelled there. */
const ADVICE: readonly (readonly [RegExp, string | ((whole: string, name: string) => string)])[] = [
  [/\bpass selective: true\b/, 'pass --selective'],
  [/\buse complete\(\) instead/, 'leave --chat out'],
  [/\bshorten it, start a new session, or let the oldest part go \(whenFull: 'shift'\)/, 'shorten it, or let the oldest part go (--when-full shift)'],
  [/(?<=^|: )"(temperature|topK|topP|minP|repetitionPenalty|seed|maxTokens|whenFull|kvDtype|dtype)"/, (_, name) => `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`],
];

/**
 * An error as lines for stderr: one sentence with its code in brackets; what was expected and found where the sentence doesn't say it; where it arose if `stack`.
 * Errors that aren't lorikeet's own are told in plain words, never in those of the engine.
 */
export function explain(error: unknown, stack = false): string[] {
  const told = error instanceof LorikeetError ? error : translate(error);
  const message = inTerms(told.message);
  const lines = [`lorikeet: ${escapeName(message, LONGEST)} [${told.code}]`];
  for (const [key, value, said] of [['expected', told.expected, /\bexpect/], ['found', told.found, /\b(?:found|got|is|has|holds|are|no)\b/]] as const) {
    const shown = show(value);
    if (shown !== null && !said.test(message) && !message.includes(shown)) lines.push(`  ${key}: ${escapeName(shown)}`);
  }
  if (stack) {
    for (let at: unknown = error; at instanceof Error; at = at.cause) lines.push(...(at.stack ?? at.message).split('\n').map((line) => `  ${escapeName(line, LONGEST)}`));
  }
  return lines;
}

/** A message of the API in the terms of the command line. */
export const inTerms = (message: string): string => ADVICE.reduce((text, [pattern, advice]) => text.replace(pattern, advice as string), message);

/** Work on one folder or file: an error that doesn't name it gets its name in front, so that of several the reader knows which. */
export async function about<T>(place: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof LorikeetError) || error.message.includes(place) || error.message.includes(JSON.stringify(place))) throw error;
    throw new LorikeetError(error.code, `${place}: ${error.message}`, { expected: error.expected, found: error.found, cause: error });
  }
}

/** A sentence for an error of the host: of files, of memory; anything else is a defect of lorikeet. */
function translate(error: unknown): LorikeetError {
  const system = systemReason(error);
  if (system !== null) {
    const path = error instanceof Error && 'path' in error && typeof error.path === 'string' ? error.path : null;
    return new LorikeetError('store/unreadable', `${path === null ? 'A file' : JSON.stringify(path)} can't be used: ${system}.`, { cause: error });
  }
  if (error instanceof RangeError && /alloc|memory|length/i.test(error.message)) {
    return new LorikeetError('memory/exhausted', 'This machine has no memory left for that; close other programs, or take a smaller model or fewer tokens.', { cause: error });
  }
  return new LorikeetError('cli/internal', 'Something went wrong inside lorikeet; it is a defect of the program. LORIKEET_DEBUG=1 shows where it arose.', { cause: error });
}

/** Plain words for an error of the operating system; null if it is none. */
export function systemReason(error: unknown): string | null {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string' || !('syscall' in error)) return null;
  return SYSTEM[error.code] ?? `the system says ${error.code}`;
}

function show(value: unknown): string | null {
  if (value === undefined || value === null) return null;
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean') return String(value);
  if (Array.isArray(value)) return `${value.slice(0, 8).map((item) => show(item) ?? 'nothing').join(', ')}${value.length > 8 ? ', …' : ''}`;
  return null;
}
