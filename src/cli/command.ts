import { parseArgs } from 'node:util';
import { LorikeetError } from '../errors.js';
import { nearest } from './nearest.js';

/** One option of a command. Without `value` it is a switch. */
export interface OptionSpec {
  /** What stands for its value in the help: `N`, `TEXT`. */
  readonly value?: string;
  /** May be given more than once. */
  readonly many?: boolean;
  readonly help: string;
}

/** One command: what it is called with, and what it does. Each stands in a file of its own in commands/. */
export interface Command {
  readonly name: string;
  readonly summary: string;
  /** What follows the command's name, in one line. */
  readonly usage: string;
  /** Arguments without a name, all of them required. */
  readonly positionals: readonly string[];
  readonly options: Readonly<Record<string, OptionSpec>>;
  /** Facts that the list of options can't say. */
  readonly notes?: readonly string[];
  /** Whole command lines. */
  readonly examples: readonly string[];
  /** @returns the exit code, 0 unless told */
  run(given: Given): Promise<number | void>;
}

/** A command line, read. */
export interface Given {
  readonly positionals: readonly string[];
  readonly help: boolean;
  /** --no-color was given. */
  readonly plain: boolean;
  flag(name: string): boolean;
  value(name: string): string | undefined;
  values(name: string): readonly string[];
  /** @throws LorikeetError `cli/usage` where it is absent */
  required(name: string): string;
}

export const usage = (message: string, expected?: unknown, found?: unknown): LorikeetError => new LorikeetError('cli/usage', message, { expected, found });

/**
 * Reads the arguments of a command. node:util takes them apart; its strict mode isn't used, since it refuses values such as `-1` and speaks in its own words.
 *
 * @throws LorikeetError `cli/usage`
 */
export function readArguments(command: Pick<Command, 'options' | 'positionals'>, args: readonly string[]): Given {
  const { options } = command;
  const { tokens } = parseArgs({
    args: [...args], strict: false, allowPositionals: true, tokens: true,
    options: { help: { type: 'boolean', short: 'h' }, 'no-color': { type: 'boolean' }, ...Object.fromEntries(Object.entries(options).map(([name, { value }]) => [name, { type: value === undefined ? 'boolean' : 'string' } as const])) },
  });
  const values = new Map<string, string[]>();
  const positionals: string[] = [];
  let help = false;
  let plain = false;
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value);
    if (token.kind !== 'option') continue;
    const { name, rawName, value, inlineValue } = token;
    if (name === 'help') {
      help = true;
      continue;
    }
    if (name === 'no-color' && value === undefined) {
      plain = true;
      continue;
    }
    const option = Object.hasOwn(options, name) && rawName.startsWith('--') ? options[name]! : undefined;
    if (!option) {
      const near = nearest(name, Object.keys(options));
      throw usage(`There is no option ${rawName} here${near === undefined ? '' : `; did you mean --${near}?`}`, undefined, undefined);
    }
    if (option.value === undefined && value !== undefined) throw usage(`${rawName} is a switch: expected no value, found ${JSON.stringify(value)}.`);
    if (option.value !== undefined) {
      if (value === undefined) throw usage(`${rawName} expected a value, ${option.value}; found the end of the command line.`);
      if (!inlineValue && isOption(value, options)) throw usage(`${rawName} expected a value, ${option.value}; found the option ${value} (if that is the value, write ${rawName}=${value}).`);
    }
    const given = values.get(name);
    if (given && option.many !== true) throw usage(`${rawName} was given twice: expected it once.`);
    values.set(name, [...(given ?? []), value ?? '']);
  }
  if (!help) {
    const missing = command.positionals[positionals.length];
    if (missing !== undefined) throw usage(`${missing} is missing: expected it behind the command's name.`);
    if (positionals.length > command.positionals.length) throw usage(`There is one argument too many, ${JSON.stringify(positionals[command.positionals.length])}: expected ${command.positionals.length === 0 ? 'none' : command.positionals.join(' ')}.`);
  }
  return {
    positionals, help, plain,
    flag: (name) => values.has(name),
    value: (name) => values.get(name)?.[0],
    values: (name) => values.get(name) ?? [],
    required(name) {
      const value = values.get(name)?.[0];
      if (value === undefined) throw usage(`--${name} is missing: expected --${name} ${options[name]!.value}.`);
      return value;
    },
  };
}

/** True for a word that is plainly one of the options: a prompt may start with a dash. */
function isOption(word: string, options: Readonly<Record<string, OptionSpec>>): boolean {
  if (!word.startsWith('--')) return word === '-h';
  const name = word.slice(2).split('=', 1)[0]!;
  return name === 'help' || name === 'no-color' || Object.hasOwn(options, name);
}
