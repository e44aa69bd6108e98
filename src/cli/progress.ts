/** Work shorter than this shows no progress at all; after that, one line at most this often. */
const PATIENCE_MS = 300;
const EVERY_MS = 100;

/**
 * A line on stderr that says how far long work is, and goes away when the work is done. Silent where stderr isn't a terminal.
 *
 * @example
 * const progress = new Progress();
 * await createEngine({ model, onProgress: progress.bytes('loading the model') });
 * progress.clear();
 */
export class Progress {
  readonly #enabled = process.stderr.isTTY === true;
  #shown = false;
  #started = performance.now();
  #last = -Infinity;

  /** Starts the clock anew: for the next piece of work. */
  restart(): void {
    this.clear();
    this.#started = performance.now();
    this.#last = -Infinity;
  }

  /** For onProgress: percent and megabytes. */
  bytes(label: string): (done: number, total: number) => void {
    this.restart();
    return (done, total) => this.#show(() => `${label} … ${percent(done, total)} %, ${megabytes(done)} of ${megabytes(total)} MB`);
  }

  /** Counted work: tokens of a prompt. */
  count(label: string, unit: string): (done: number, total: number) => void {
    this.restart();
    return (done, total) => this.#show(() => `${label} … ${percent(done, total)} %, ${done} of ${total} ${unit}`);
  }

  #show(line: () => string): void {
    if (!this.#enabled) return;
    const now = performance.now();
    if (now - this.#started < PATIENCE_MS || now - this.#last < EVERY_MS) return;
    this.#last = now;
    this.#shown = true;
    process.stderr.write(`\r\u001b[K${line().slice(0, Math.max(20, (process.stderr.columns || 80) - 1))}`);
  }

  /** Removes the line. */
  clear(): void {
    if (!this.#shown) return;
    this.#shown = false;
    process.stderr.write('\r\u001b[K');
  }
}

const percent = (done: number, total: number): number => (total === 0 ? 100 : Math.floor((done / total) * 100));
const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);
