import type { Engine } from '../../runtime/engine.js';
import type { Session } from '../../runtime/session.js';
import { ADAPTER_NOTE, ADAPTER_OPTIONS, adapterArguments, adapterOptions, loadAdapters } from '../adapters.js';
import { tokenIds } from '../arguments.js';
import { usage, type Command, type Given } from '../command.js';
import { interruptible, INTERRUPTED } from '../interrupt.js';
import { MODEL_NOTE, MODEL_OPTIONS, openModel } from '../model.js';
import { print, printGenerated, printJson } from '../output.js';
import { Progress } from '../progress.js';
import { SAMPLING_OPTIONS, samplingOf } from '../sampling.js';

/** Continues a prompt and streams the text. */
export const generate: Command = {
  name: 'generate',
  summary: 'Continue a text, token ids, or (with --chat) answer a line; the text streams to stdout.',
  usage: 'MODEL --prompt TEXT | --tokens 1,2,3 [options]',
  positionals: ['MODEL'],
  options: {
    prompt: { value: 'TEXT', help: 'The text to continue.' },
    tokens: { value: 'IDS', help: 'Token ids to continue, instead of a text.' },
    chat: { help: "The prompt is a user's line: put it into the model's chat template." },
    system: { value: 'TEXT', help: 'With --chat: the system message.' },
    ...ADAPTER_OPTIONS,
    ...SAMPLING_OPTIONS,
    ...MODEL_OPTIONS,
    json: { help: 'Print one JSON object and nothing else: {text, tokens, promptTokens, …}.' },
  },
  notes: [MODEL_NOTE, ADAPTER_NOTE, 'In --json, "tokens" are the ids as they were chosen, as transformers gives them: an end token that ended the answer is the last of them ("ended" says "end token"); "text" doesn\'t hold it.', 'A model without a tokenizer.json takes --tokens, and its answer is printed as ids. Ctrl-C ends the answer, with exit code 130.'],
  examples: [
    'lorikeet generate models/tavern --chat --prompt "Where is the treasure?" --adapter adapters/pirate',
    'lorikeet generate models/tavern --prompt "The door" --max-tokens 40 --temperature 0.8 --top-p 0.95 --seed 7',
    'lorikeet generate models/tavern --chat --prompt "Hello!" --adapter adapters/pirate=0.7 --adapter adapters/herald=0.3',
    'lorikeet generate models/tavern --tokens 1,2,3 --json',
  ],

  async run(given) {
    const prompt = promptOf(given);
    const adapters = adapterArguments(given);
    const options = adapterOptions(given);
    const { session: settings, seed, maxTokens, stop } = samplingOf(given);
    const system = given.value('system');
    const progress = new Progress();
    return interruptible(async (signal) => {
      try {
        const { engine, loadMs } = await openModel(given, progress, signal);
        const blend = await loadAdapters(engine, adapters, { ...options, signal }, progress);
        const session = engine.session({ ...settings, adapters: blend, seed, system });
        const tokens: number[] = [];
        const how = { maxTokens, stop, signal, onToken: (id: number) => { tokens.push(id); } };
        const stream = given.flag('chat') ? session.say(prompt as string, how) : session.complete(prompt, how);
        const json = given.flag('json');
        const text = await follow(session, stream, json ? () => {} : printGenerated, progress);
        if (json) {
          const { promptTokens, ended, firstTokenMs, decodeMs, drafted, accepted, dropped } = session.stats;
          await printJson({ text, tokens, promptTokens, ended, seed: session.seed, adapters: blend, loadMs, firstTokenMs, decodeMs, drafted, accepted, dropped });
        } else if (!hasText(engine)) await print(`${tokens.join(',')}\n`);
        else if (process.stdout.isTTY && !text.endsWith('\n')) await print('\n');
        engine.dispose();
      } finally {
        progress.clear();
      }
    }, () => {
      // The shell's prompt shall not stand behind a broken-off line.
      if (process.stdout.isTTY) process.stdout.write('\n');
      return INTERRUPTED;
    });
  },
};

function promptOf(given: Given): string | number[] {
  const text = given.value('prompt');
  const ids = given.value('tokens');
  if ((text === undefined) === (ids === undefined)) throw usage(`Expected one of --prompt and --tokens, found ${text === undefined ? 'neither' : 'both'}.`);
  if (text === undefined && given.flag('chat')) throw usage('--chat expected a --prompt, found --tokens: ids pass by the chat template.');
  if (given.value('system') !== undefined && !given.flag('chat')) throw usage('--system is part of a chat template: expected --chat beside it.');
  return text ?? tokenIds(ids!);
}

function hasText(engine: Engine): boolean {
  try {
    return engine.tokenizer !== undefined;
  } catch {
    return false;
  }
}

/** Passes a stream on, piece by piece; until its first piece, shows how far a long prompt is. */
async function follow(session: Session, stream: AsyncIterable<string>, onPiece: (piece: string) => void | Promise<void>, progress: Progress): Promise<string> {
  const tell = progress.count('reading the prompt', 'tokens');
  const timer = setInterval(() => {
    const { promptTokens, tokens } = session.stats;
    if (promptTokens > 0 && tokens === 0) tell(promptTokens - session.pending, promptTokens);
  }, 100);
  let text = '';
  try {
    for await (const piece of stream) {
      if (text === '') progress.clear();
      text += piece;
      await onPiece(piece);
    }
  } finally {
    clearInterval(timer);
    progress.clear();
  }
  return text;
}
