import { paintFor } from './colour.js';

/** Work shorter than this shows no progress at all; after that, one line at most this often. */
const PATIENCE_MS = 300;
const EVERY_MS = 100;
/** A rate is that of about the last seconds. */
const RATE_MS = 3000;

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
  readonly #paint = paintFor(process.stderr);
  #shown = false;
  #started = performance.now();
  #last = -Infinity;
  /** What was done when: the oldest within RATE_MS, and what follows. */
  #samples: { at: number; done: number }[] = [];

  /** Starts the clock anew: for the next piece of work. */
  restart(): void {
    this.clear();
    this.#started = performance.now();
    this.#last = -Infinity;
    this.#samples = [];
  }

  /** For onProgress: a bar, megabytes and how fast they come. */
  bytes(label: string): (done: number, total: number | null) => void {
    this.restart();
    return (done, total) => this.#show(label, done, total, (rate) => `${megabytes(done)}${total === null ? '' : ` of ${megabytes(total)}`} MB${rate === null ? '' : `, ${speed(rate)}${left(total, done, rate)}`}`);
  }

  /** Counted work: tokens of a prompt. */
  count(label: string, unit: string): (done: number, total: number) => void {
    this.restart();
    return (done, total) => this.#show(label, done, total, (rate) => `${done} of ${total} ${unit}${rate === null ? '' : left(total, done, rate)}`);
  }

  #show(label: string, done: number, total: number | null, facts: (rate: number | null) => string): void {
    if (!this.#enabled) return;
    const now = performance.now();
    if (now - this.#started < PATIENCE_MS || now - this.#last < EVERY_MS) return;
    this.#last = now;
    this.#shown = true;
    this.#samples.push({ at: now, done });
    while (this.#samples.length > 2 && this.#samples[1]!.at < now - RATE_MS) this.#samples.shift();
    const [first] = this.#samples;
    const rate = now - first!.at > EVERY_MS ? ((done - first!.done) / (now - first!.at)) * 1000 : null;
    const width = (process.stderr.columns || 80) - 1;
    const told = ` ${facts(rate)}`;
    const share = total === null ? null : percent(done, total);
    const head = `${label} `;
    const tail = `${share === null ? '' : `${String(share).padStart(3)} %`}${told}`;
    const cells = share === null ? 0 : Math.min(24, width - head.length - tail.length - 1);
    const line = cells < 6 ? `${head}${tail}`.slice(0, Math.max(20, width)) : `${head}${this.#bar(share!, cells)} ${tail}`;
    process.stderr.write(`\r\u001b[K${line}`);
  }

  #bar(share: number, cells: number): string {
    const full = Math.round((share / 100) * cells);
    return `${this.#paint('█'.repeat(full), 'cyan')}${this.#paint('░'.repeat(cells - full), 'dim')}`;
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
const speed = (rate: number): string => (rate >= 1e9 ? `${(rate / 1e9).toFixed(1)} GB/s` : rate >= 1e5 ? `${(rate / 1e6).toFixed(1)} MB/s` : `${(rate / 1e3).toFixed(0)} kB/s`);

/** How long it will still take, where that is long enough to be told. */
function left(total: number | null, done: number, rate: number): string {
  const seconds = total === null || rate <= 0 ? 0 : Math.round((total - done) / rate);
  if (seconds < 3) return '';
  return `, ${seconds >= 3600 ? `${Math.floor(seconds / 3600)}:${String(Math.floor(seconds / 60) % 60).padStart(2, '0')}` : Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')} left`;
}
