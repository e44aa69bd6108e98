import { createInterface } from 'node:readline';
import type { LoadAdapterOptions } from '../../adapters/load.js';
import type { Engine } from '../../runtime/engine.js';
import { ADAPTER_NOTE, ADAPTER_OPTIONS, adapterArguments, adapterOptions, loadAdapters } from '../adapters.js';
import { CHAT_COMMANDS, describeBlend, findCommand } from '../chat/commands.js';
import { Conversation, type Answer } from '../chat/conversation.js';
import { Prompt } from '../chat/prompt.js';
import { paintFor, type Style } from '../colour.js';
import type { Command } from '../command.js';
import { escapeName } from '../escape.js';
import { explain } from '../explain.js';
import { interruptible, INTERRUPTED } from '../interrupt.js';
import { MODEL_NOTE, MODEL_OPTIONS, openModel } from '../model.js';
import { print, printGenerated, printJson, warn } from '../output.js';
import { Progress } from '../progress.js';
import { SAMPLING_OPTIONS, samplingOf } from '../sampling.js';

/** A conversation, on a terminal or scripted. */
export const chat: Command = {
  name: 'chat',
  summary: 'Talk with a model in the terminal; inside, /adapter NAME=SCALE switches the voice, /help shows the rest.',
  usage: 'MODEL [--adapter DIR[=SCALE]]… [--system TEXT] [options]',
  positionals: ['MODEL'],
  options: {
    system: { value: 'TEXT', help: 'The system message, where the chat template has one.' },
    ...ADAPTER_OPTIONS,
    ...SAMPLING_OPTIONS,
    ...MODEL_OPTIONS,
    json: { help: 'Read all of stdin, then print one JSON object: {answers: [{prompt, text, tokens, ended, …}], …}.' },
  },
  notes: [
    MODEL_NOTE, ADAPTER_NOTE,
    'Where stdin is not a terminal, each of its lines is a message or a /command; the answers go to stdout, one after the other, a line end behind each, and nothing else does. The first error ends it then, with exit code 1.',
    'Ctrl-C stops an answer; again, or at the prompt, it ends the chat. NO_COLOR, FORCE_COLOR and --no-color are heeded.',
  ],
  examples: [
    'lorikeet chat models/tavern --adapter adapters/pirate',
    'lorikeet chat models/tavern --adapter adapters/pirate=0.7 --adapter adapters/herald=0.3 --temperature 0.8 --seed 7',
    'printf "Hello!\\n/adapter pirate=0.5\\nHello!\\n" | lorikeet chat models/tavern --adapter adapters/pirate --json',
  ],

  async run(given) {
    const adapters = adapterArguments(given);
    const options = adapterOptions(given);
    const sampling = samplingOf(given);
    const progress = new Progress();
    let engine: Engine | null = null;
    const begin = async (signal: AbortSignal): Promise<{ conversation: Conversation; loadMs: number }> => {
      try {
        const opened = await openModel(given, progress, signal);
        engine = opened.engine;
        const blend = await loadAdapters(engine, adapters, { ...options, signal }, progress);
        return { conversation: new Conversation(engine, sampling, given.value('system'), blend), loadMs: opened.loadMs };
      } finally {
        progress.clear();
      }
    };
    try {
      if (process.stdin.isTTY && !given.flag('json')) {
        let conversation: Conversation | null = null;
        const code = await interruptible(async (signal) => { ({ conversation } = await begin(signal)); }, () => INTERRUPTED);
        return conversation === null ? code : await onTerminal(conversation, options, sampling.maxTokens);
      }
      return await interruptible(async (signal) => scripted(await begin(signal), options, given.flag('json'), signal), () => INTERRUPTED);
    } finally {
      (engine as Engine | null)?.dispose();
    }
  },
};

/** Lines from a file or a pipe. */
async function scripted({ conversation, loadMs }: { conversation: Conversation; loadMs: number }, options: LoadAdapterOptions, json: boolean, signal: AbortSignal): Promise<void> {
  const answers: Answer[] = [];
  const lines = createInterface({ input: process.stdin, crlfDelay: Infinity });
  const stop = (): void => lines.close();
  signal.addEventListener('abort', stop, { once: true });
  try {
    for await (const message of messagesOf(lines)) {
      if (message === '/quit') break;
      if (isCommand(message)) {
        const { command, argument } = findCommand(message);
        const told = await command.run(conversation, argument, { ...options, signal });
        if (!json) for (const line of told) warn(line);
        continue;
      }
      answers.push(await conversation.say(textOf(message), signal, json ? () => {} : printGenerated));
      if (!json) await print('\n');
    }
  } finally {
    signal.removeEventListener('abort', stop);
    lines.close();
  }
  signal.throwIfAborted();
  if (json) await printJson({ answers, messages: conversation.session.messages, adapters: conversation.session.adapters, seed: conversation.session.seed, backend: conversation.engine.backend.build, threads: conversation.engine.backend.threads, loadMs });
}

/** Messages of some lines: one that ends in a backslash goes on in the next; empty ones are left out. */
async function* messagesOf(lines: AsyncIterable<string>): AsyncGenerator<string, void, undefined> {
  let message = '';
  for await (const line of lines) {
    if (line.endsWith('\\')) {
      message += `${line.slice(0, -1)}\n`;
      continue;
    }
    message += line;
    if (message.trim() !== '') yield message.trim();
    message = '';
  }
  if (message.trim() !== '') yield message.trim();
}

const isCommand = (message: string): boolean => message.startsWith('/') && !message.startsWith('//');
/** A message that begins with a slash is written with two. */
const textOf = (message: string): string => (message.startsWith('//') ? message.slice(1) : message);

/** The first is the model's own. */
const VOICES: readonly Style[] = ['cyan', 'green', 'magenta', 'yellow', 'red'];

/** A conversation with somebody at a terminal: errors are told, and it goes on. */
async function onTerminal(conversation: Conversation, options: LoadAdapterOptions, maxTokens: number | undefined): Promise<number> {
  const paint = paintFor(process.stdout);
  const tell = (line: string): void => { process.stderr.write(`${line}\n`); };
  const { backend, model } = conversation.engine;
  tell(`${paint('lorikeet', 'bold')} · ${escapeName(model.modelType)}, context ${model.contextLength} · ${backend.build}, ${backend.threads === 1 ? '1 thread' : `${backend.threads} threads`} · /help`);
  const prompt = new Prompt((line) => complete(conversation, line));
  const ask = (): Promise<string | null> => {
    tell('');
    return prompt.ask(paint('› ', 'bold', 'cyan'));
  };
  async function* lines(): AsyncGenerator<string, void, undefined> {
    for (let line = await ask(); line !== null; line = await ask()) yield line;
  }
  try {
    for await (const message of messagesOf(lines())) {
      if (message === '/quit' || message === '/exit') break;
      await interruptible(async (signal) => {
        try {
          if (isCommand(message)) {
            const { command, argument } = findCommand(message);
            for (const line of await command.run(conversation, argument, { ...options, signal })) tell(paint(line, 'dim'));
            return;
          }
          const { adapters } = conversation.session;
          const [voice] = Object.entries(adapters).flatMap(([name, scale]) => (scale === 0 ? [] : [name]));
          const place = conversation.engine.adapters.list().findIndex(({ name }) => name === voice);
          await print(`${paint(`${voice === undefined ? 'model' : describeBlend(adapters)} ▸`, 'bold', VOICES[(place + 1) % VOICES.length]!)} `);
          const { text, ended, droppedMessages } = await conversation.say(textOf(message), signal, printGenerated);
          if (!text.endsWith('\n')) await print('\n');
          if (ended === 'length') tell(paint(`(cut at ${maxTokens ?? 256} tokens, as --max-tokens says)`, 'dim'));
          if (droppedMessages > 0) tell(paint(`(the context was full: the ${droppedMessages === 1 ? 'oldest message' : `${droppedMessages} oldest messages`} went)`, 'dim'));
          if (ended === 'context') tell(paint('(the context is full; /reset begins anew, --when-full shift lets the oldest part go)', 'dim'));
        } catch (error) {
          if (signal.aborted) throw error;
          if (process.stdout.isTTY) process.stdout.write('\r\u001b[K');
          for (const line of explain(error)) tell(paintFor(process.stderr)(line.replace(/^lorikeet: /, ''), 'red'));
        }
      }, () => {
        process.stdout.write(process.stdout.isTTY ? `${paint(' (stopped)', 'dim')}\n` : '\n');
        return 0;
      });
    }
    return 0;
  } finally {
    prompt.close();
  }
}

/** What Tab offers: commands, and behind /adapter and /unload the names of adapters. */
function complete({ engine }: Conversation, line: string): [string[], string] {
  const behind = /^\/(?:adapter|unload)\s+(?:.*\s)?(\S*)$/.exec(line);
  if (behind) {
    const [, start = ''] = behind;
    return [engine.adapters.list().map(({ name }) => name).filter((name) => name.startsWith(start)), start];
  }
  if (!/^\/\S*$/.test(line)) return [[], line];
  return [[...CHAT_COMMANDS.map(({ name }) => `/${name} `), '/quit'].filter((name) => name.startsWith(line)), line];
}
