/** `--adapter DIR[=SCALE]`, wherever a command takes adapters. */
import { stat } from 'node:fs/promises';
import type { AdapterReport, Blend } from '../adapters/adapter.js';
import type { LoadAdapterOptions } from '../adapters/load.js';
import { LorikeetError } from '../errors.js';
import type { Engine } from '../runtime/engine.js';
import { decimal } from './arguments.js';
import { usage, type Given, type OptionSpec } from './command.js';
import { escapeName } from './escape.js';
import { about } from './explain.js';
import { warn } from './output.js';
import { resolvePlace } from './place.js';
import type { Progress } from './progress.js';

/** The options of every command that loads adapters. */
export const ADAPTER_OPTIONS = {
  adapter: { value: 'DIR[=SCALE]', many: true, help: 'A PEFT adapter (a folder, a GGUF file, a URL, or one that was pulled), and how strongly it applies (default 1). Several are summed.' },
  selective: { help: 'Accept adapters whose file holds more than their configuration targets; the rest is left out.' },
  'target-modules': { value: 'NAMES', help: "Apply adapters only here: names or ends of paths with commas between them, /a regular expression/, or all-linear." },
} as const satisfies Readonly<Record<string, OptionSpec>>;

export const ADAPTER_NOTE = 'SCALE is what follows the last = in an --adapter, if that is a number; a folder whose own name ends so needs =1 behind it. The same folder given twice is two adapters.';

export interface AdapterArgument {
  /** What the adapter is called in messages: the folder's name, `#2` behind it if that is taken. */
  readonly name: string;
  readonly folder: string;
  readonly scale: number;
}

const NOT_FINITE = /^[+-]?(?:nan|inf|infinity)$/i;

/**
 * Reads every `--adapter`. A folder's name may hold `=`.
 *
 * @throws LorikeetError `adapter/scale`, `cli/usage`
 */
export function adapterArguments(given: Given): AdapterArgument[] {
  const taken = new Set<string>();
  return given.values('adapter').map((text) => {
    const { folder, scale } = splitScale(text);
    if (folder === '') throw usage(`--adapter expected a folder, found ${JSON.stringify(text)}.`);
    const name = uniqueName(folder, (other) => taken.has(other));
    taken.add(name);
    return { name, folder, scale };
  });
}

/** What an adapter is called: the last part of its path or address without `.gguf`, `#2` behind it if that is taken. */
export function uniqueName(folder: string, taken: (name: string) => boolean): string {
  const plain = folder.replace(/^hf:/, '').replace(/[?#].*$/, (end) => (/^https?:/i.test(folder) ? '' : end));
  const name = plain.split(/[\\/]/).findLast((part) => part !== '' && part !== '.')?.replace(/(?<=.)\.gguf$/i, '').slice(0, 150) ?? folder.slice(0, 150);
  let unique = name;
  for (let n = 2; taken(unique); n++) unique = `${name}#${n}`;
  return unique;
}

function splitScale(text: string): { folder: string; scale: number } {
  const at = text.lastIndexOf('=');
  if (at < 0) return { folder: text, scale: 1 };
  const word = text.slice(at + 1);
  const scale = NOT_FINITE.test(word) ? NaN : decimal(word);
  if (scale === undefined) return { folder: text, scale: 1 };
  if (!Number.isFinite(scale)) throw notFinite(text.slice(0, at), word);
  return { folder: text.slice(0, at), scale };
}

const notFinite = (folder: string, found: string): LorikeetError =>
  new LorikeetError('adapter/scale', `The scale of the adapter ${JSON.stringify(folder)} expected a finite number, got ${JSON.stringify(found)}.`, { expected: 'a finite number', found });

/** `--selective` and `--target-modules` as options of a load. */
export function adapterOptions(given: Given): Pick<LoadAdapterOptions, 'selective' | 'targetModules'> {
  const text = given.value('target-modules');
  if (text === undefined) return { selective: given.flag('selective') };
  const names = text.split(',').map((name) => name.trim()).filter((name) => name !== '');
  if (names.length === 0) throw usage('--target-modules expected names of modules, found none.');
  const pattern = text.length > 2 && text.startsWith('/') && text.endsWith('/') ? text.slice(1, -1) : text.trim() === 'all-linear' ? text.trim() : null;
  return { selective: given.flag('selective'), targetModules: pattern ?? names };
}

/**
 * Loads the adapters of a command line, tells what a reader should know on stderr, and returns their blend.
 *
 * @throws LorikeetError as AdapterBank.load
 */
export async function loadAdapters(engine: Engine, list: readonly AdapterArgument[], options: LoadAdapterOptions, progress: Progress): Promise<Blend> {
  for (const { name, folder } of list) await loadAdapter(engine, name, folder, options, progress);
  return Object.fromEntries(list.map(({ name, scale }) => [name, scale]));
}

/** Loads one adapter under a name. @throws LorikeetError as AdapterBank.load */
export async function loadAdapter(engine: Engine, name: string, folder: string, options: LoadAdapterOptions, progress: Progress): Promise<AdapterReport> {
  let report: AdapterReport;
  try {
    const place = await resolvePlace(folder);
    report = await about(folder, engine.adapters.load(name, place, { ...options, onProgress: progress.bytes(`loading ${escapeName(name)}`) }));
  } catch (error) {
    throw await mistakenScale(folder, error);
  } finally {
    progress.clear();
  }
  for (const warning of report.warnings) warn(`adapter ${name}: ${warning}`);
  if (report.left.length > 0) warn(`adapter ${name}: ${report.left.length} of its tensors left out (${report.left.slice(0, 3).join(', ')}${report.left.length > 3 ? ', …' : ''}).`);
  return report;
}

/** `pirate=loud`: the folder isn't there, but `pirate` is, so the scale was meant. */
async function mistakenScale(folder: string, error: unknown): Promise<unknown> {
  const at = folder.lastIndexOf('=');
  if (!(error instanceof LorikeetError) || error.code !== 'store/not-found' || at <= 0) return error;
  const there = await stat(folder.slice(0, at)).catch(() => null);
  return there?.isDirectory() ? notFinite(folder.slice(0, at), folder.slice(at + 1)) : error;
}
