import type { Tokenizer } from './tokenizer.js';

/** Ids that are held back at most, waiting for a character to be complete; it has four bytes at most, but a model may write U+FFFD itself, many of them. */
const HELD = 32;

/**
 * Turns ids that arrive one by one into pieces of text. A piece never breaks a character (bytes of an unfinished one are held back)
 * and never holds the beginning of a stop string that may still come. An id costs the same however long the answer is.
 */
export class TextStream {
  readonly #tokenizer: Tokenizer;
  readonly #stops: readonly string[];
  /** The last ids that were told whole, since a token's text depends on its neighbour; then, from `#from` on, those that are not. */
  #ids: number[] = [];
  #from = 0;
  /** How much of the text of `#ids` was told. */
  #told = 0;
  #held = '';
  #stopped = false;

  constructor(tokenizer: Tokenizer, stops: readonly string[] = []) {
    this.#tokenizer = tokenizer;
    this.#stops = stops.filter((stop) => stop.length > 0);
  }

  /** True once a stop string has come; nothing follows it. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** Takes an id and returns the text that is now certain, perhaps none. */
  push(id: number): string {
    this.#ids.push(id);
    if (!this.#tokenizer.isSettled(id) && this.#ids.length - this.#from <= HELD) return '';
    const text = this.#tokenizer.decode(this.#ids);
    // Bytes of an unfinished character read as U+FFFD, one or more.
    const certain = this.#ids.length - this.#from > HELD ? text.length : text.length - /\uFFFD*$/.exec(text)![0].length;
    if (certain <= this.#told) return '';
    const piece = text.slice(this.#told, certain);
    this.#told = certain;
    if (certain === text.length) {
      this.#ids = this.#ids.slice(this.#from);
      this.#from = this.#ids.length;
      this.#told = this.#tokenizer.decode(this.#ids).length;
    }
    return this.#release(piece, false);
  }

  /** What is still held back at the end of the answer. */
  end(): string {
    const rest = this.#tokenizer.decode(this.#ids).slice(this.#told);
    this.#told += rest.length;
    return this.#release(rest, true);
  }

  #release(text: string, last: boolean): string {
    if (this.#stopped) return '';
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
