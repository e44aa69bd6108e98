/** One writer per file of the cache, also among processes. */
import { LorikeetError } from '../errors.js';

/** A lock whose holder doesn't touch it for so long is taken for dead: a crash, a machine switched off. */
const STALE_MS = 30_000;
const TOUCH_MS = 5_000;

export interface LockOptions {
  signal?: AbortSignal | undefined;
  /** Told once, where another process holds the lock and this one waits. */
  onWait?: (() => void) | undefined;
  /** Milliseconds between two looks at a lock that is held. */
  everyMs?: number | undefined;
}

/**
 * Takes the lock at `path`, waiting for whoever holds it. The lock is a file made by an exclusive link and touched while it is held; it names process and machine, so that one left
 * behind by a process that is gone is taken over at once.
 *
 * @returns a function that gives it back
 * @throws LorikeetError `pull/interrupted` where the signal ends the wait; what the file system throws
 */
export async function takeLock(path: string, { signal, onWait, everyMs = 250 }: LockOptions = {}): Promise<() => Promise<void>> {
  const [{ link, mkdir, rm, utimes, writeFile }, paths, { hostname }, { randomBytes }] = await Promise.all([import('node:fs/promises'), import('node:path'), import('node:os'), import('node:crypto')]);
  await mkdir(paths.dirname(path), { recursive: true });
  const mine = JSON.stringify({ pid: process.pid, host: hostname(), nonce: randomBytes(8).toString('hex') });
  const own = `${path}.${randomBytes(6).toString('hex')}`;
  await writeFile(own, mine, { flag: 'wx' });
  try {
    for (let waiting = false; ; ) {
      try {
        // Fails where it exists: whoever links first has it. A file system without links (exFAT) makes it exclusively; then it may be seen empty for a moment.
        await link(own, path).catch((error: unknown) => {
          if (!hasCode(error, 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS')) throw error;
          return writeFile(path, mine, { flag: 'wx' });
        });
        break;
      } catch (error) {
        if (!hasCode(error, 'EEXIST')) throw error;
      }
      if (await removeStale(path, hostname())) continue;
      if (!waiting) onWait?.();
      waiting = true;
      await delay(everyMs, signal, path.replace(/\.lock$/, ''));
    }
  } finally {
    await rm(own, { force: true });
  }
  const timer = setInterval(() => {
    const now = new Date();
    void utimes(path, now, now).catch(() => undefined);
  }, TOUCH_MS);
  timer.unref();
  return async () => {
    clearInterval(timer);
    await rm(path, { force: true });
  };
}

/** Removes a lock whose holder is gone. @returns true if the lock may be tried again at once */
async function removeStale(path: string, host: string): Promise<boolean> {
  const [{ readFile, rename, rm, stat, link }, { randomBytes }] = await Promise.all([import('node:fs/promises'), import('node:crypto')]);
  try {
    const [holder, { mtimeMs }] = await Promise.all([readFile(path, 'utf8'), stat(path)]);
    if (Date.now() - mtimeMs < STALE_MS && !isGone(holder, host)) return false;
    // Of two that find it stale only one renames it; should that be a new holder's lock by now, it is put back.
    const aside = `${path}.${randomBytes(6).toString('hex')}`;
    await rename(path, aside);
    if ((await readFile(aside, 'utf8')) !== holder) await link(aside, path).catch(() => undefined);
    await rm(aside, { force: true });
    return true;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return true; // given back meanwhile
    throw error;
  }
}

/** True where the holder was a process of this machine that has ended. */
function isGone(holder: string, host: string): boolean {
  try {
    const { pid, host: where } = JSON.parse(holder) as { pid?: unknown; host?: unknown };
    if (where !== host || typeof pid !== 'number') return false;
    process.kill(pid, 0); // sends nothing: asks whether it is there
    return false;
  } catch (error) {
    return hasCode(error, 'ESRCH');
  }
}

/** Waits. @throws LorikeetError `pull/interrupted` */
export function delay(ms: number, signal: AbortSignal | undefined, what: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(interrupted(what, signal?.reason));
    };
    if (signal?.aborted) return reject(interrupted(what, signal.reason));
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, ms);
    signal?.addEventListener('abort', stop, { once: true });
  });
}

export function interrupted(what: string, cause?: unknown): LorikeetError {
  return new LorikeetError('pull/interrupted', `Pulling ${JSON.stringify(what)} was interrupted; what has come so far is kept: pull it again to go on from there.`, { cause });
}

export function hasCode(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}
