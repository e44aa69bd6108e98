import { LorikeetError } from '../errors.js';

/** How many threads shall compute, and why not as many as were asked for. */
export interface Share {
  readonly count: number;
  readonly why?: string;
}

/** 'auto' leaves the other half of the cores to whoever shows the answer, and takes no more than these: what a token reads from memory doesn't get faster with more. */
const MOST_AUTOMATIC = 4;

/**
 * How many of the threads that were asked for this place allows: never more than it has cores.
 *
 * @throws LorikeetError `threads/count` where it is neither a whole number of at least 1 nor 'auto'
 */
export async function availableThreads(asked: number | 'auto'): Promise<Share> {
  if (asked !== 'auto' && (!Number.isInteger(asked) || asked < 1)) {
    throw new LorikeetError('threads/count', `"threads" expected a whole number of at least 1, or "auto", got ${String(asked)}.`, { expected: 'at least 1', found: asked });
  }
  if (asked === 1) return { count: 1 };
  const hindrance = hindranceHere();
  if (hindrance !== null) return { count: 1, why: hindrance };
  const cores = await countCores();
  const wanted = asked === 'auto' ? Math.max(1, Math.min(MOST_AUTOMATIC, Math.floor(cores / 2))) : asked;
  return wanted > cores ? { count: cores, why: `${wanted} were asked for, this machine has ${cores === 1 ? 'one core' : `${cores} cores`}` } : { count: wanted };
}

function hindranceHere(): string | null {
  if (globalThis.crossOriginIsolated === false) return 'this page is not cross-origin isolated: serve it with the headers Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp';
  if (typeof SharedArrayBuffer === 'undefined') return 'this engine has no shared memory';
  try {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 1, 0);
  } catch {
    return 'a page may not wait: create the engine in a worker';
  }
  return null;
}

async function countCores(): Promise<number> {
  if ('process' in globalThis) return (await import('node:os')).availableParallelism();
  return navigator.hardwareConcurrency;
}
