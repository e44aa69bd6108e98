import type { TextDecoding, Tokenizer } from './tokenizer.js';

/**
 * Turns ids that arrive one by one into pieces of text. A piece never breaks a character (bytes of an unfinished one are held back)
 * and never holds the beginning of a stop string that may still come. An id costs the same however long the answer is.
 */
export class TextStream {
  readonly #decoding: TextDecoding;
  readonly #stops: readonly string[];
  #held = '';
  #stopped = false;

  constructor(tokenizer: Tokenizer, stops: readonly string[] = []) {
    this.#decoding = tokenizer.stream();
    this.#stops = stops.filter((stop) => stop.length > 0);
  }

  /** True once a stop string has come; nothing follows it. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** Takes an id and returns the text that is now certain, perhaps none. */
  push(id: number): string {
    return this.#release(this.#decoding.push(id), false);
  }

  /** What is still held back at the end of the answer. */
  end(): string {
    return this.#release(this.#decoding.end(), true);
  }

  #release(text: string, last: boolean): string {
    if (this.#stopped) return '';
    if (this.#stops.length === 0) return text;
    const all = this.#held + text;
    const cut = Math.min(...this.#stops.map((stop) => all.indexOf(stop)).filter((at) => at >= 0), Infinity);
    if (cut !== Infinity) {
      this.#stopped = true;
      this.#held = '';
      return all.slice(0, cut);
    }
    const keep = last ? 0 : Math.max(0, ...this.#stops.map((stop) => overlap(all, stop)));
    this.#held = all.slice(all.length - keep);
    return all.slice(0, all.length - keep);
  }
}

/** Length of the longest end of `text` that begins `stop`. */
function overlap(text: string, stop: string): number {
  for (let length = Math.min(stop.length - 1, text.length); length > 0; length--) if (text.endsWith(stop.slice(0, length))) return length;
  return 0;
}
