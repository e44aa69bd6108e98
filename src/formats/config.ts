import { LorikeetError } from '../errors.js';
import { JsonProblem, parseJson } from './json.js';

/**
 * Parses a config.json into a plain object.
 *
 * @throws LorikeetError `config/not-json` if it is no JSON object
 */
export function parseConfigJson(text: string, file: string): Readonly<Record<string, unknown>> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw new LorikeetError('config/not-json', `${file} is not valid JSON: ${problemOf(text)}.`, { expected: 'JSON', cause });
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw new LorikeetError('config/not-json', `${file} expected a JSON object, found ${Array.isArray(parsed) ? 'an array' : String(parsed)}.`);
  return Object.freeze(parsed as Record<string, unknown>);
}

/** What is wrong with a text that isn't JSON, in the same words on every engine. */
function problemOf(text: string): string {
  try {
    parseJson(text);
    return 'it breaks its syntax';
  } catch (problem) {
    return problem instanceof JsonProblem ? problem.message : 'it breaks its syntax';
  }
}

/** Reads typed fields of a config; each failure names the file's field, what was expected and what was found. */
export class ConfigReader {
  readonly fields: Readonly<Record<string, unknown>>;
  readonly #file: string;

  constructor(fields: Readonly<Record<string, unknown>>, file = 'config.json') {
    this.fields = fields;
    this.#file = file;
  }

  #fail(key: string, expected: string): never {
    const found = this.fields[key];
    throw new LorikeetError('config/invalid', `"${key}" in ${this.#file} expected ${expected}, found ${found === undefined ? 'nothing' : JSON.stringify(found)}.`, { expected, found });
  }

  /** A whole number from `least` to `most`; the fallback where the key is absent or null. */
  integer(key: string, fallback?: number, least = 1, most = 2 ** 31 - 1): number {
    const value = this.fields[key] ?? fallback;
    if (typeof value !== 'number' || !Number.isInteger(value) || value < least || value > most) this.#fail(key, `a whole number from ${least} to ${most}`);
    return value;
  }

  /** A finite number. */
  number(key: string, fallback?: number): number {
    const value = this.fields[key] ?? fallback;
    if (typeof value !== 'number' || !Number.isFinite(value)) this.#fail(key, 'a finite number');
    return value;
  }

  boolean(key: string, fallback: boolean): boolean {
    const value = this.fields[key] ?? fallback;
    if (typeof value !== 'boolean') this.#fail(key, 'true or false');
    return value;
  }

  string(key: string, fallback?: string): string {
    const value = this.fields[key] ?? fallback;
    if (typeof value !== 'string') this.#fail(key, 'a string');
    return value;
  }

  /** A nested object, or undefined where the key is absent or null. */
  object(key: string): ConfigReader | undefined {
    const value = this.fields[key];
    if (value === undefined || value === null) return undefined;
    if (typeof value !== 'object' || Array.isArray(value)) this.#fail(key, 'an object');
    return new ConfigReader(value as Record<string, unknown>, `${this.#file} › ${key}`);
  }
}
