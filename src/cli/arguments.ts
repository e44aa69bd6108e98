/** The forms in which values stand on a command line. */
import { LorikeetError } from '../errors.js';
import { usage, type Given } from './command.js';

const DECIMAL = /^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$/;

/** A decimal number, or undefined; 1e999 is Infinity. */
export const decimal = (text: string): number | undefined => (DECIMAL.test(text) ? Number(text) : undefined);

/**
 * `1,2,3` as token ids; spaces around them are fine.
 *
 * @throws LorikeetError `tokens/invalid`
 */
export function tokenIds(text: string): number[] {
  return text.split(',').map((part, i) => {
    const id = part.trim();
    if (/^[0-9]{1,15}$/.test(id)) return Number(id);
    throw new LorikeetError('tokens/invalid', `--tokens expected whole numbers of at least 0 with commas between them (1,2,3), found ${JSON.stringify(id.slice(0, 40))} at place ${i + 1}.`, { expected: '1,2,3', found: id });
  });
}

/** The option's number, or undefined where it isn't given; the engine checks its range. */
function numberOf(given: Given, name: string): number | undefined {
  const text = given.value(name);
  if (text === undefined) return undefined;
  const value = decimal(text.trim());
  if (value === undefined) throw usage(`--${name} expected a number, found ${JSON.stringify(text)}.`);
  return value;
}

/** The options that are given, as an object without the others. */
export function numbersOf<K extends string>(given: Given, names: Readonly<Record<K, string>>): Partial<Record<K, number>> {
  const found: Partial<Record<K, number>> = {};
  for (const key in names) {
    const value = numberOf(given, names[key]);
    if (value !== undefined) found[key] = value;
  }
  return found;
}
