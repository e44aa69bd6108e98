import type { Tokenizer } from './tokenizer.js';

/**
 * Turns ids that arrive one by one into pieces of text. A piece never breaks a character (bytes of an unfinished one are held back)
 * and never holds the beginning of a stop string that may still come.
 */
export class TextStream {
  readonly #tokenizer: Tokenizer;
  readonly #stops: readonly string[];
  readonly #ids: number[] = [];
  /** Ids before `#from` are told; those from `#context` on are decoded with the new ones, since a token's text depends on its neighbour. */
  #context = 0;
  #from = 0;
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
    const before = this.#tokenizer.decode(this.#ids.slice(this.#context, this.#from));
    const now = this.#tokenizer.decode(this.#ids.slice(this.#context));
    // U+FFFD at the end: the last bytes are a part of a character. Four bytes make one, so more than that is real.
    if (now.length <= before.length || (now.endsWith('\uFFFD') && this.#ids.length - this.#from < 4)) return '';
    this.#context = this.#from;
    this.#from = this.#ids.length;
    return this.#release(now.slice(before.length), false);
  }

  /** What is still held back at the end of the answer. */
  end(): string {
    const before = this.#tokenizer.decode(this.#ids.slice(this.#context, this.#from));
    const rest = this.#tokenizer.decode(this.#ids.slice(this.#context)).slice(before.length);
    this.#from = this.#ids.length;
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
