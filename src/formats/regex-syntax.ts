/** Reads the syntax of Python's `re` (3.13) into a tree: what the pattern language of regex.ts covers. */
import { LorikeetError } from '../errors.js';

export type Test = (character: string) => boolean;
export type Node =
  | { readonly kind: 'char'; readonly test: Test }
  | { readonly kind: 'assert'; readonly test: (text: readonly string[], at: number) => boolean }
  | { readonly kind: 'sequence'; readonly parts: readonly Node[] }
  | { readonly kind: 'either'; readonly choices: readonly Node[] }
  | { readonly kind: 'group'; readonly index: number; readonly body: Node }
  | { readonly kind: 'look'; readonly ahead: boolean; readonly negative: boolean; readonly body: Node }
  | { readonly kind: 'repeat'; readonly body: Node; readonly min: number; readonly max: number; readonly lazy: boolean };

const MAX_LENGTH = 8192;
const MAX_DEPTH = 64;
const MAX_COUNT = 1000;

const DIGIT: Test = (c) => /^\p{Nd}$/u.test(c);
const WORD: Test = (c) => /^[\p{L}\p{N}_]$/u.test(c);
const SPACE: Test = (c) => /^[\s\x1c-\x1f\x85]$/u.test(c) && c !== '\ufeff';
const not = (test: Test): Test => (c) => !test(c);
const CLASSES: Readonly<Record<string, Test>> = { d: DIGIT, D: not(DIGIT), w: WORD, W: not(WORD), s: SPACE, S: not(SPACE) };
const CONTROLS: Readonly<Record<string, string>> = { a: '\x07', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v', '0': '\0' };

const wordAt = (text: readonly string[], at: number): boolean => at >= 0 && at < text.length && WORD(text[at]!);
const START = { kind: 'assert', test: (_: readonly string[], at: number) => at === 0 } as const;
const END = { kind: 'assert', test: (text: readonly string[], at: number) => at === text.length } as const;
/** Python's `$` also stands before a newline at the very end. */
const END_OF_LINE = { kind: 'assert', test: (text: readonly string[], at: number) => at === text.length || (at === text.length - 1 && text[at] === '\n') } as const;
const BOUNDARY = { kind: 'assert', test: (text: readonly string[], at: number) => wordAt(text, at - 1) !== wordAt(text, at) } as const;
const NO_BOUNDARY = { kind: 'assert', test: (text: readonly string[], at: number) => wordAt(text, at - 1) === wordAt(text, at) } as const;

/** @throws LorikeetError `adapter/config-regex` */
export function parsePattern(source: string): { node: Node; groups: readonly string[] } {
  const parser = new Parser(source);
  const node = parser.either(0);
  if (parser.peek() !== undefined) parser.refuse('has a ")" without a "("');
  return { node, groups: parser.groups };
}

class Parser {
  readonly groups: string[] = [];
  private readonly characters: readonly string[];
  private readonly anyCase: boolean;
  private at = 0;
  private looks = 0;

  constructor(private readonly source: string) {
    if (source.length > MAX_LENGTH) this.refuse(`is longer than ${MAX_LENGTH} characters`);
    this.characters = [...source];
    this.anyCase = source.startsWith('(?i)');
    if (this.anyCase) this.at = 4;
  }

  refuse(problem: string): never {
    const shown = this.source.length > 200 ? `${this.source.slice(0, 200)}…` : this.source;
    throw new LorikeetError('adapter/config-regex', `The pattern ${JSON.stringify(shown)} ${problem}; expected a regular expression of Python without backreferences and flags other than (?i).`, { expected: 'a supported pattern', found: shown });
  }

  peek(ahead = 0): string | undefined { return this.characters[this.at + ahead]; }

  private take(): string {
    const c = this.characters[this.at++];
    if (c === undefined) this.refuse('ends too early');
    return c;
  }

  private skip(expected: string): boolean {
    if (this.peek() !== expected) return false;
    this.at++;
    return true;
  }

  either(depth: number): Node {
    if (depth > MAX_DEPTH) this.refuse(`nests its groups deeper than ${MAX_DEPTH}`);
    const choices = [this.sequence(depth)];
    while (this.skip('|')) choices.push(this.sequence(depth));
    return choices.length === 1 ? choices[0]! : { kind: 'either', choices };
  }

  private sequence(depth: number): Node {
    const parts: Node[] = [];
    for (let c = this.peek(); c !== undefined && c !== '|' && c !== ')'; c = this.peek()) parts.push(this.repeated(depth));
    return parts.length === 1 ? parts[0]! : { kind: 'sequence', parts };
  }

  private repeated(depth: number): Node {
    if (this.count()) this.refuse('repeats nothing');
    const body = this.atom(depth);
    const count = this.count();
    if (count === undefined) return body;
    if (body.kind === 'assert') this.refuse('repeats an assertion');
    const lazy = this.skip('?');
    if (!lazy && this.peek() === '+') this.refuse('has a possessive quantifier');
    if (this.count()) this.refuse('repeats a repetition');
    const [min, max] = count;
    if (max < min) this.refuse('has a count whose least is above its most');
    if (min > MAX_COUNT || (max !== Infinity && max > MAX_COUNT)) this.refuse(`has a count above ${MAX_COUNT}`);
    return { kind: 'repeat', body, min, max, lazy };
  }

  /** `*`, `+`, `?`, `{m}`, `{m,}`, `{,n}`, `{m,n}`; a brace that reads otherwise is a character, as in Python. */
  private count(): readonly [number, number] | undefined {
    if (this.skip('*')) return [0, Infinity];
    if (this.skip('+')) return [1, Infinity];
    if (this.skip('?')) return [0, 1];
    if (this.peek() !== '{') return undefined;
    const braces = /^\{([0-9]*)(?:(,)([0-9]*))?\}/.exec(this.characters.slice(this.at, this.at + 32).join(''));
    if (!braces || braces[0] === '{}') return undefined;
    this.at += braces[0].length;
    const min = braces[1] === '' ? 0 : Number(braces[1]);
    return [min, braces[2] === undefined ? min : braces[3] === '' ? Infinity : Number(braces[3])];
  }

  private atom(depth: number): Node {
    const c = this.take();
    switch (c) {
      case '.': return { kind: 'char', test: (x) => x !== '\n' };
      case '^': return START;
      case '$': return END_OF_LINE;
      case '(': return this.group(depth);
      case '[': return this.set();
      case '\\': return this.escape();
      default: return this.one(is(c));
    }
  }

  private group(depth: number): Node {
    let index = -1;
    if (this.skip('?')) {
      const kind = this.take();
      if (kind === 'P' && this.skip('<')) {
        let name = '';
        for (let c = this.take(); c !== '>'; c = this.take()) name += c;
        if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name) || this.groups.includes(name)) this.refuse(`has a group with the name ${JSON.stringify(name)}`);
        index = this.groups.push(name) - 1;
        if (this.looks > 0) this.refuse('names a group within a lookaround');
      } else if (kind === '=' || kind === '!') {
        return this.look(true, kind === '!', depth);
      } else if (kind === '<' && (this.peek() === '=' || this.peek() === '!')) {
        return this.look(false, this.take() === '!', depth);
      } else if (kind !== ':') {
        this.refuse(`has a group that starts with "(?${kind}"`);
      }
    }
    const body = this.either(depth + 1);
    if (!this.skip(')')) this.refuse('has a "(" without a ")"');
    return index < 0 ? { kind: 'sequence', parts: [body] } : { kind: 'group', index, body };
  }

  private look(ahead: boolean, negative: boolean, depth: number): Node {
    this.looks++;
    const body = this.either(depth + 1);
    this.looks--;
    if (!this.skip(')')) this.refuse('has a "(" without a ")"');
    if (!ahead && width(body) === null) this.refuse('looks behind for a text of no fixed length');
    return { kind: 'look', ahead, negative, body };
  }

  private escape(): Node {
    const c = this.take();
    switch (c) {
      case 'A': return START;
      case 'Z': case 'z': return END;
      case 'b': return BOUNDARY;
      case 'B': return NO_BOUNDARY;
    }
    const test = CLASSES[c];
    return this.one(test ?? is(this.escaped(c)));
  }

  /** The character of an escape whose letter was taken. */
  private escaped(c: string): string {
    if (c === 'x') return this.hex(2);
    if (c === 'u') return this.hex(4);
    if (c === '0' && /[0-7]/.test(this.peek() ?? '')) this.refuse('has an octal escape');
    const control = CONTROLS[c];
    if (control !== undefined) return control;
    if (/[0-9]/.test(c)) this.refuse('has a backreference');
    if (/[A-Za-z]/.test(c)) this.refuse(`has the escape \\${c}`);
    return c;
  }

  private hex(digits: number): string {
    let text = '';
    for (let i = 0; i < digits; i++) text += this.take();
    if (!/^[0-9a-fA-F]+$/.test(text)) this.refuse('has a bad hexadecimal escape');
    return String.fromCharCode(Number.parseInt(text, 16));
  }

  private set(): Node {
    const negated = this.skip('^');
    const tests: Test[] = [];
    for (let first = true; first || this.peek() !== ']'; first = false) {
      const low = this.member();
      if (this.peek() !== '-' || this.peek(1) === ']' || this.peek(1) === undefined) { tests.push(typeof low === 'string' ? is(low) : low); continue; }
      this.at++;
      const high = this.member();
      if (typeof low !== 'string' || typeof high !== 'string') this.refuse('has a range that ends in a class');
      const [from, to] = [low.codePointAt(0)!, high.codePointAt(0)!];
      if (to < from) this.refuse(`has the empty range ${low}-${high}`);
      tests.push((c) => { const x = c.codePointAt(0)!; return x >= from && x <= to; });
    }
    this.at++; // the closing bracket
    const test: Test = (c) => tests.some((one) => one(c));
    return this.one(test, negated);
  }

  /** One character, under `(?i)` in either case. */
  private one(test: Test, negated = false): Node {
    const any: Test = this.anyCase ? (c) => test(c) || test(c.toLowerCase()) || test(c.toUpperCase()) : test;
    return { kind: 'char', test: negated ? not(any) : any };
  }

  private member(): string | Test {
    const c = this.take();
    if (c !== '\\') return c;
    const letter = this.take();
    if (letter === 'b') return '\b';
    return CLASSES[letter] ?? this.escaped(letter);
  }
}

const is = (character: string): Test => (c) => c === character;

/** How many characters a node always takes; null where that depends on the text. */
function width(node: Node): number | null {
  switch (node.kind) {
    case 'char': return 1;
    case 'assert': case 'look': return 0;
    case 'group': return width(node.body);
    case 'sequence': return node.parts.reduce<number | null>((sum, part) => (sum === null ? null : plus(sum, width(part))), 0);
    case 'either': return node.choices.map(width).reduce((first, other) => (first === other ? first : null));
    case 'repeat': {
      const one = width(node.body);
      return one === null || (node.min !== node.max && one !== 0) ? null : one === 0 ? 0 : one * node.min;
    }
  }
}

const plus = (sum: number, more: number | null): number | null => (more === null ? null : sum + more);
