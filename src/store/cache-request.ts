/** Requests of a pull: redirects by hand, a token that only its own server gets, and a second attempt where that may help. */
import { LorikeetError } from '../errors.js';
import { delay, interrupted } from './cache-lock.js';

/** How stubborn a pull is. */
export interface Patience {
  /** Attempts in a row that bring nothing new, before it gives up. */
  readonly retries: number;
  /** The first wait; each further one is twice as long. */
  readonly firstWaitMs: number;
  /** A connection that is silent for so long is given up, and tried again. */
  readonly idleMs: number;
}

export const PATIENCE: Patience = { retries: 6, firstWaitMs: 500, idleMs: 30_000 };
const LONGEST_WAIT_MS = 30_000;
const MOST_REDIRECTS = 10;

/** A failure that another attempt may mend: a connection that broke, a server that is overloaded. */
export class Passing extends Error {
  constructor(readonly told: LorikeetError, readonly waitMs: number | null = null) {
    super(told.message);
  }
}

export interface Answer {
  readonly response: Response;
  /** From the first response that has one: the SHA-256 that the hub tells of a large file while redirecting to its storage. */
  readonly linkedSha256: string | null;
}

/**
 * One GET, redirects followed. `Authorization` goes to the first server only; an https address never leads to an http one.
 *
 * @throws Passing where the network fails; LorikeetError `pull/redirect`
 */
export async function request(url: URL, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<Answer> {
  let at = url;
  let linkedSha256: string | null = null;
  for (let hops = 0; hops <= MOST_REDIRECTS; hops++) {
    const sent: Record<string, string> = { 'accept-encoding': 'identity', 'user-agent': 'lorikeet' };
    for (const [name, value] of Object.entries(headers)) if (name !== 'authorization' || at.origin === url.origin) sent[name] = value;
    let response: Response;
    try {
      response = await fetch(at, { headers: sent, redirect: 'manual', signal });
    } catch (cause) {
      if (signal.aborted) throw cause;
      throw new Passing(new LorikeetError('pull/network', `${shown(at)} can't be reached: expected an answer, found ${reasonOf(cause)}; check the connection and pull again.`, { found: reasonOf(cause), cause }));
    }
    const linked = response.headers.get('x-linked-etag')?.replace(/^(?:W\/)?"|"$/g, '');
    if (linked && /^[0-9a-f]{64}$/.test(linked)) linkedSha256 ??= linked;
    const location = response.headers.get('location');
    if (![301, 302, 303, 307, 308].includes(response.status) || location === null) return { response, linkedSha256 };
    await response.body?.cancel();
    const next = URL.canParse(location, at.href) ? new URL(location, at) : null;
    if (next === null || !/^https?:$/.test(next.protocol) || (at.protocol === 'https:' && next.protocol === 'http:')) {
      throw new LorikeetError('pull/redirect', `${shown(at)} leads on to ${next === null ? JSON.stringify(location.slice(0, 100)) : shown(next)}: expected an https address.`, { expected: 'https', found: next?.protocol });
    }
    at = next;
  }
  throw new LorikeetError('pull/redirect', `${shown(url)} leads on and on: expected at most ${MOST_REDIRECTS} redirects.`, { expected: MOST_REDIRECTS });
}

/**
 * Repeats work that fails in passing, waiting longer each time; `progress` tells how far it has come, and whoever comes further is patient anew.
 *
 * @throws LorikeetError `pull/interrupted`, whatever the last attempt failed with
 */
export async function patiently<T>(what: string, { retries, firstWaitMs }: Patience, signal: AbortSignal | undefined, progress: () => number, work: () => Promise<T>): Promise<T> {
  for (let failures = 0, reached = progress(); ; ) {
    if (signal?.aborted) throw interrupted(what, signal.reason);
    try {
      return await work();
    } catch (error) {
      if (signal?.aborted) throw interrupted(what, signal.reason);
      if (!(error instanceof Passing)) throw error;
      if (progress() > reached) failures = 0;
      reached = progress();
      if (failures >= retries) throw error.told;
      await delay(Math.min(LONGEST_WAIT_MS, error.waitMs ?? firstWaitMs * (1 << Math.min(failures, 8))), signal, what);
      failures++;
    }
  }
}

/** What a status that isn't success means. @returns a Passing for those that another attempt may mend */
export function refusal(url: URL, response: Response): LorikeetError | Passing {
  const { status } = response;
  const place = shown(url);
  const wait = Number(response.headers.get('retry-after') ?? NaN) * 1000;
  switch (status) {
    case 401: case 403: return new LorikeetError('pull/unauthorized', `${place} is private, gated, or not there: the server answered with ${status}; check the name, accept the terms on its page, and set HF_TOKEN to a token that may read it.`, { expected: 'a token that may read it', found: status });
    case 404: case 410: return new LorikeetError('pull/not-found', `There is nothing at ${place}: the server answered with ${status}; check the name, the revision and the file.`, { expected: place, found: status });
    case 408: case 429: case 500: case 502: case 503: case 504:
      return new Passing(new LorikeetError(status === 429 ? 'pull/rate-limited' : 'pull/server', `${place}: the server answered with ${status}${status === 429 ? ', too many requests' : ''}, again and again; try later.`, { expected: 200, found: status }), Number.isFinite(wait) ? wait : null);
    default: return new LorikeetError('pull/server', `${place}: expected the file, found status ${status}.`, { expected: 200, found: status });
  }
}

/** An address without its query, which may hold a token, and without a password. */
export function shown(url: URL): string {
  return `${url.origin}${url.pathname}`;
}

function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  const WORDS: Readonly<Record<string, string>> = { ENOTFOUND: 'no such server', EAI_AGAIN: 'no name server', ECONNREFUSED: 'a refused connection', ECONNRESET: 'a dropped connection', UND_ERR_SOCKET: 'a dropped connection', ETIMEDOUT: 'no answer', UND_ERR_CONNECT_TIMEOUT: 'no answer', UND_ERR_HEADERS_TIMEOUT: 'no answer' };
  return WORDS[code] ?? (code === '' ? 'a failed request' : code);
}
