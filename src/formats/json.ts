/**
 * A strict JSON reader for files of strangers (RFC 8259, nothing more): it refuses duplicate keys, NaN and Infinity, lone surrogates,
 * anything behind the value and nesting deeper than a limit. `JSON.parse` keeps the last of two equal keys in silence, so two readers could
 * see two different files in the same bytes.
 *
 * Objects become Maps: they keep the file's order (plain objects move keys like "7" to the front, and PEFT's patterns are tried in order)
 * and a key named `__proto__` is only a key.
 */

export type Json = null | boolean | number | string | Numeral | readonly Json[] | JsonObject;
export type JsonObject = ReadonlyMap<string, Json>;

/** A number as it was written, for readers that count (`1.0`, `1e3` and `-0` aren't counts; 2^53 + 1 isn't a double). */
export class Numeral {
  constructor(readonly token: string) {}
}

export type JsonRule = 'syntax' | 'duplicate-key' | 'nan' | 'nesting' | 'trailing';

/** The rule that a text broke; `offset` counts UTF-16 code units from its start. Callers turn it into their own LorikeetError. */
export class JsonProblem extends Error {
  override readonly name = 'JsonProblem';
  constructor(readonly rule: JsonRule, readonly offset: number, readonly expected: string, readonly found: string) {
    super(`expected ${expected}, found ${found} at character ${offset}`);
  }
}

export interface JsonOptions {
  /** Deepest nesting of arrays and objects; 64 unless told. It bounds the recursion, hence the stack. */
  depth?: number;
  /** Numbers other than 0, 1, 2 … 2^53 − 1 in plain digits come back as {@link Numeral}. */
  counts?: boolean;
}

/**
 * Reads one JSON value.
 *
 * @throws {JsonProblem} at the first character that breaks a rule
 * @example parseJson('{"r": 8}') // Map { 'r' → 8 }
 */
export function parseJson(text: string, { depth = 64, counts = false }: JsonOptions = {}): Json {
  const reader = new Reader(text, counts);
  reader.space();
  const value = reader.value(depth);
  reader.space();
  if (reader.at < text.length) reader.fail('trailing', 'the end of the text');
  return value;
}

/** A value as an error message shows it: JSON again, cut to a line. */
export function showJson(value: Json | undefined, limit = 80): string {
  if (value === undefined) return 'nothing';
  if (value instanceof Numeral) return value.token;
  const text = value instanceof Map ? `an object of ${value.size} keys` : Array.isArray(value) ? showArray(value, limit) : JSON.stringify(value);
  return text.length > limit ? `${text.slice(0, limit)}…` : text;
}

function showArray(items: readonly Json[], limit: number): string {
  const shown = items.slice(0, 8).map((item) => showJson(item, limit));
  return `[${shown.join(', ')}${items.length > 8 ? ', …' : ''}]`;
}

const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const PLAIN_COUNT = /^[0-9]+$/;
// Runs of characters that a string may hold unescaped: everything but the quote, the backslash and U+0000 … U+001F.
const PLAIN_RUN = /[^"\\\u0000-\u001f]*/y;
const NOT_NUMBERS = /(?:-?Infinity|[+-]?nan|-?inf\b)/iy;
const ESCAPES: Readonly<Record<string, string>> = { '"': '"', '\\': '\\', '/': '/', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' };

class Reader {
  at = 0;
  constructor(private readonly text: string, private readonly counts: boolean) {}

  fail(rule: JsonRule, expected: string, offset = this.at): never {
    const rest = this.text.slice(offset, offset + 12);
    throw new JsonProblem(rule, offset, expected, rest === '' ? 'the end of the text' : JSON.stringify(rest));
  }

  space(): void {
    for (;;) {
      const c = this.text.charCodeAt(this.at);
      if (c !== 0x20 && c !== 0x0a && c !== 0x0d && c !== 0x09) return;
      this.at++;
    }
  }

  value(depth: number): Json {
    switch (this.text[this.at]) {
      case '{': return this.object(depth);
      case '[': return this.array(depth);
      case '"': return this.string();
      case 't': return this.word('true', true);
      case 'f': return this.word('false', false);
      case 'n': if (this.text.startsWith('null', this.at)) return this.word('null', null);
    }
    return this.number();
  }

  private word<T extends boolean | null>(word: string, value: T): T {
    if (!this.text.startsWith(word, this.at)) this.fail('syntax', 'a JSON value');
    this.at += word.length;
    return value;
  }

  private number(): number | Numeral {
    NUMBER.lastIndex = NOT_NUMBERS.lastIndex = this.at;
    const token = NUMBER.exec(this.text)?.[0];
    if (token === undefined || token === '') {
      if (NOT_NUMBERS.test(this.text)) this.fail('nan', 'a finite number');
      this.fail('syntax', 'a JSON value');
    }
    const value = Number(token);
    if (this.counts) {
      this.at += token.length;
      return PLAIN_COUNT.test(token) && Number.isSafeInteger(value) ? value : new Numeral(token);
    }
    if (!Number.isFinite(value)) this.fail('nan', 'a number that fits a double');
    this.at += token.length;
    return value;
  }

  private string(): string {
    this.at++; // the opening quote
    let out = '';
    for (;;) {
      PLAIN_RUN.lastIndex = this.at;
      const run = PLAIN_RUN.exec(this.text)?.[0] ?? '';
      out += run;
      this.at += run.length;
      const c = this.text[this.at];
      if (c === '"') break;
      if (c !== '\\') this.fail('syntax', 'a closing quote or a character that needs no escape');
      out += this.escape();
    }
    this.at++;
    return out;
  }

  private escape(): string {
    const start = this.at;
    const letter = this.text[start + 1] ?? '';
    const plain = ESCAPES[letter];
    if (plain !== undefined) { this.at += 2; return plain; }
    const high = this.unit(start);
    if (high >= 0xdc00 && high <= 0xdfff) this.fail('syntax', 'a high surrogate before a low one', start);
    if (high < 0xd800 || high > 0xdbff) { this.at += 6; return String.fromCharCode(high); }
    const low = this.unit(start + 6);
    if (low < 0xdc00 || low > 0xdfff) this.fail('syntax', 'a low surrogate after a high one', start + 6);
    this.at += 12;
    return String.fromCharCode(high, low);
  }

  /** The code unit of `\uXXXX` at `at`. */
  private unit(at: number): number {
    const digits = this.text.slice(at + 2, at + 6);
    if (this.text[at] !== '\\' || this.text[at + 1] !== 'u' || !/^[0-9a-fA-F]{4}$/.test(digits)) this.fail('syntax', 'a JSON escape', at);
    return Number.parseInt(digits, 16);
  }

  private array(depth: number): Json[] {
    if (depth === 0) this.fail('nesting', 'shallower nesting');
    this.at++;
    const items: Json[] = [];
    this.space();
    if (this.text[this.at] === ']') { this.at++; return items; }
    for (;;) {
      items.push(this.value(depth - 1));
      this.space();
      const c = this.text[this.at];
      if (c === ']') { this.at++; return items; }
      if (c !== ',') this.fail('syntax', '"," or "]"');
      this.at++;
      this.space();
    }
  }

  private object(depth: number): JsonObject {
    if (depth === 0) this.fail('nesting', 'shallower nesting');
    this.at++;
    const entries = new Map<string, Json>();
    this.space();
    if (this.text[this.at] === '}') { this.at++; return entries; }
    for (;;) {
      const keyAt = this.at;
      if (this.text[keyAt] !== '"') this.fail('syntax', 'a key in quotes');
      const key = this.string();
      if (entries.has(key)) this.fail('duplicate-key', `the key ${JSON.stringify(key)} once`, keyAt);
      this.space();
      if (this.text[this.at] !== ':') this.fail('syntax', '":"');
      this.at++;
      this.space();
      entries.set(key, this.value(depth - 1));
      this.space();
      const c = this.text[this.at];
      if (c === '}') { this.at++; return entries; }
      if (c !== ',') this.fail('syntax', '"," or "}"');
      this.at++;
      this.space();
    }
  }
}
