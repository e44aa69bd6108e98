/** Extra facts of a {@link LorikeetError}: what was expected, what was found, and the error below it, if any. */
export interface ErrorDetail {
  expected?: unknown;
  found?: unknown;
  cause?: unknown;
}

/**
 * The one error type that lorikeet throws on bad input, exhausted resources and misuse.
 *
 * `code` is stable and made of an area and a rule (`adapter/shape-mismatch`, `safetensors/overlap`, `memory/exhausted`, `context/full`);
 * the message reads as one sentence: what, where, expected, found, what to do.
 *
 * @example
 * try { await engine.adapters.load('pirate', folder); }
 * catch (error) { if (isLorikeetError(error, 'adapter/shape-mismatch')) console.log(error.expected, error.found); else throw error; }
 */
export class LorikeetError extends Error {
  override readonly name = 'LorikeetError';
  readonly code: string;
  readonly expected: unknown;
  readonly found: unknown;

  constructor(code: string, message: string, detail: ErrorDetail = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.code = code;
    this.expected = detail.expected;
    this.found = detail.found;
  }
}

/** True for a {@link LorikeetError}, of the given code if one is given. */
export function isLorikeetError(error: unknown, code?: string): error is LorikeetError {
  return error instanceof LorikeetError && (code === undefined || error.code === code);
}
