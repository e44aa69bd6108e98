/** What stands behind a slash in a chat. */
import { readFile } from 'node:fs/promises';
import type { Blend } from '../../adapters/adapter.js';
import type { LoadAdapterOptions } from '../../adapters/load.js';
import { LorikeetError } from '../../errors.js';
import { loadAdapter, uniqueName } from '../adapters.js';
import { decimal } from '../arguments.js';
import { escapeName } from '../escape.js';
import { nearest } from '../nearest.js';
import { openOutput } from '../output-file.js';
import { Progress } from '../progress.js';
import type { Conversation } from './conversation.js';

export interface ChatCommand {
  readonly name: string;
  /** What follows the name. */
  readonly usage: string;
  readonly help: string;
  /** @returns lines to show */
  run(conversation: Conversation, argument: string, options: LoadAdapterOptions): Promise<readonly string[]> | readonly string[];
}

const wrong = (message: string, expected?: unknown, found?: unknown): LorikeetError => new LorikeetError('cli/chat', message, { expected, found });

/** Splits at spaces; "double quotes" keep them, and may stand within a word: "sea dog"=0.5. */
export function words(text: string): string[] {
  return [...text.matchAll(/(?:"[^"]*"|[^\s"])+/g)].map(([word]) => word.replaceAll('"', ''));
}

export const CHAT_COMMANDS: readonly ChatCommand[] = [
  {
    name: 'adapter', usage: '[NAME[=SCALE] … | none]', help: 'The voice from now on: one adapter, a blend of several, or none. Alone: what is loaded.',
    run(conversation, argument) {
      const given = words(argument);
      const { engine, session } = conversation;
      if (given.length === 0) return listAdapters(conversation);
      if (given.length === 1 && given[0] === 'none' && !engine.adapters.has('none')) {
        session.adapters = {};
        return ['No adapter: the model speaks alone.'];
      }
      const names = engine.adapters.list().map(({ name }) => name);
      const blend: Record<string, number> = {};
      for (const word of given) {
        const { name, scale } = nameAndScale(word, names);
        if (Object.hasOwn(blend, name)) throw wrong(`The adapter ${JSON.stringify(name)} stands there twice: expected it once.`);
        blend[name] = scale;
      }
      session.adapters = blend;
      return [`Voice: ${describeBlend(blend)}.`];
    },
  },
  {
    name: 'load', usage: 'DIR [as NAME]', help: 'Load another adapter; /adapter NAME lets it speak.',
    async run({ engine }, argument, options) {
      const given = words(argument);
      const named = given.length === 3 && given[1] === 'as' ? given[2] : undefined;
      if (given.length !== 1 && named === undefined) throw wrong('/load expected a folder, and a name behind "as" if it is to have another: /load DIR as NAME.');
      const name = named ?? uniqueName(given[0]!, (other) => engine.adapters.has(other));
      const report = await loadAdapter(engine, name, given[0]!, options, new Progress());
      return [`${escapeName(name)}: ${report.applied.length} modules, ${megabytes(report.bytes)}. /adapter ${quoted(name)} lets it speak.`];
    },
  },
  {
    name: 'unload', usage: 'NAME', help: 'Drop an adapter and give its memory back.',
    run({ engine, session }, argument) {
      const { name } = nameAndScale(words(argument).join(' '), engine.adapters.list().map((adapter) => adapter.name));
      const { [name]: _, ...rest } = session.adapters;
      session.adapters = rest;
      const { returned } = engine.adapters.unload(name);
      return [`${escapeName(name)} is gone; ${megabytes(returned)} are free again.`];
    },
  },
  {
    name: 'system', usage: '[TEXT | none]', help: 'Set, drop or show the system message.',
    run(conversation, argument) {
      if (argument !== '') conversation.system = argument === 'none' ? null : argument;
      return [conversation.system === null ? 'No system message.' : `System message: ${escapeName(conversation.system, 1000)}`];
    },
  },
  {
    name: 'seed', usage: '[N]', help: 'Begin the draws anew from a seed, or show it.',
    run(conversation, argument) {
      if (argument !== '') conversation.reseed(decimal(argument) ?? NaN);
      return [`Seed: ${conversation.session.seed}.`];
    },
  },
  {
    name: 'save', usage: 'FILE', help: 'Write the conversation to a file.',
    async run(conversation, argument) {
      const file = await openOutput(pathOf('save', argument));
      const text = `${JSON.stringify(conversation.save())}\n`;
      await file.write((async function* () { yield new TextEncoder().encode(text); })());
      return [`Saved to ${escapeName(argument)}.`];
    },
  },
  {
    name: 'restore', usage: 'FILE', help: 'Go on with a conversation that was saved.',
    async run(conversation, argument) {
      const path = pathOf('restore', argument);
      let saved: unknown;
      try {
        saved = JSON.parse(await readFile(path, 'utf8'));
      } catch (error) {
        if (!(error instanceof SyntaxError)) throw error;
        throw wrong(`${JSON.stringify(path)} isn't a saved conversation: expected JSON, as /save writes it.`, 'JSON');
      }
      conversation.restore(saved);
      return [`Restored: ${conversation.session.messages.length} messages, voice ${describeBlend(conversation.session.adapters)}.`];
    },
  },
  {
    name: 'stats', usage: '', help: 'Facts of the last answer.',
    run({ session: { stats, tokens, kvBytes } }) {
      if (stats.ended === '') return ['Nothing was answered yet.'];
      const rate = stats.tokens > 1 && stats.decodeMs > 0 ? `, ${((1000 * (stats.tokens - 1)) / stats.decodeMs).toFixed(1)} tokens/s` : '';
      return [
        `answer    ${stats.tokens} tokens${rate} (ended: ${stats.ended})`,
        ...(stats.drafted > 0 ? [`drafts    ${stats.drafted} tokens, of which ${stats.accepted} held`] : []),
        `prompt    ${stats.promptTokens} tokens worked${stats.cachedTokens > 0 ? `, ${stats.cachedTokens} found in the cache` : ''}; the first token came after ${stats.firstTokenMs.toFixed(0)} ms${stats.recomputed > 0 ? `; ${stats.recomputed} of them again, for the voice had changed (${stats.recomputeMs.toFixed(0)} ms)` : ''}`,
        `sequence  ${tokens.length} tokens, ${megabytes(kvBytes)} of cache`,
      ];
    },
  },
  {
    name: 'memory', usage: '', help: 'What the linear memory holds.',
    run({ engine }) {
      const { bytes, weights, adapters, kv, activations } = engine.memory();
      return [['all', bytes] as const, ['weights', weights.used] as const, ['adapters', adapters.used] as const, ['cache', kv.used] as const, ['buffers', activations.used] as const]
        .map(([what, size]) => `${what.padEnd(10)}${megabytes(size).padStart(10)}`);
    },
  },
  { name: 'reset', usage: '', help: 'Forget what was said; voice, seed and system message stay.', run(conversation) { conversation.reset(); return ['A new conversation.']; } },
  {
    name: 'help', usage: '', help: 'Show this.',
    run: () => [
      ...CHAT_COMMANDS.map(({ name, usage, help }) => `${`/${name} ${usage}`.padEnd(36)} ${help}`), `${'/quit'.padEnd(36)} End, as Ctrl-D does.`, '',
      'Ctrl-C stops an answer. A line that ends in \\ goes on in the next one. A message that begins with a slash is written with two.',
    ],
  },
];

/** Finds the command of a line that begins with a slash. @throws LorikeetError `cli/chat` */
export function findCommand(line: string): { command: ChatCommand; argument: string } {
  const [, name = '', argument = ''] = /^\/(\S*)\s*([^]*)$/.exec(line) ?? [];
  const command = CHAT_COMMANDS.find((candidate) => candidate.name === name);
  if (command) return { command, argument: argument.trim() };
  const near = nearest(name, [...CHAT_COMMANDS.map((candidate) => candidate.name), 'quit']);
  throw wrong(`There is no command /${name} here${near === undefined ? '; /help shows what there is' : `; did you mean /${near}?`}`, undefined, undefined);
}

/** A blend in words, for people. */
export function describeBlend(blend: Blend): string {
  const entries = Object.entries(blend).filter(([, scale]) => scale !== 0);
  return entries.length === 0 ? 'none' : entries.map(([name, scale]) => (scale === 1 ? escapeName(name) : `${escapeName(name)} ${Number(scale.toFixed(3))}`)).join(' + ');
}

/** `name=0.7` or `name`; a name may hold = itself. */
function nameAndScale(word: string, names: readonly string[]): { name: string; scale: number } {
  if (names.includes(word)) return { name: word, scale: 1 };
  const at = word.lastIndexOf('=');
  const name = at < 0 ? word : word.slice(0, at);
  if (!names.includes(name)) {
    const near = nearest(name, names);
    throw new LorikeetError('adapter/unknown', `There is no adapter ${JSON.stringify(name)}${near === undefined ? names.length === 0 ? ': none is loaded; /load DIR brings one' : `: expected one of ${names.join(', ')}` : `; did you mean ${near}?`}`, { expected: names, found: name });
  }
  const scale = at < 0 ? 1 : decimal(word.slice(at + 1));
  if (scale === undefined || !Number.isFinite(scale)) throw new LorikeetError('adapter/scale', `The scale of ${JSON.stringify(name)} expected a finite number, got ${JSON.stringify(word.slice(at + 1))}.`, { expected: 'a finite number', found: word.slice(at + 1) });
  return { name, scale };
}

function listAdapters({ engine, session }: Conversation): string[] {
  const list = engine.adapters.list();
  if (list.length === 0) return ['No adapter is loaded; /load DIR brings one.'];
  const width = Math.max(...list.map(({ name }) => escapeName(name).length));
  return list.map(({ name, applied, bytes }) => {
    const scale = Object.hasOwn(session.adapters, name) ? session.adapters[name]! : null;
    return `${scale === null ? ' ' : '*'} ${escapeName(name).padEnd(width)}  ${(scale === null ? '–' : String(scale)).padStart(5)}  ${applied.length} modules, ${megabytes(bytes)}`;
  });
}

function pathOf(command: string, argument: string): string {
  if (argument === '') throw wrong(`/${command} expected the path of a file, found nothing.`, 'a path');
  return argument;
}

const quoted = (name: string): string => (/\s/.test(name) ? `"${name}"` : name);
const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(bytes < 1e6 ? 2 : 1)} MB`;
