import { readFile } from 'node:fs/promises';
import { setImmediate as turn } from 'node:timers/promises';
import { LorikeetError } from '../../errors.js';
import { ADAPTER_NOTE, ADAPTER_OPTIONS, adapterArguments, adapterOptions, loadAdapters } from '../adapters.js';
import { numbersOf } from '../arguments.js';
import { usage, type Command } from '../command.js';
import { interruptible, INTERRUPTED } from '../interrupt.js';
import { MODEL_NOTE, MODEL_OPTIONS, openModel } from '../model.js';
import { print, printJson } from '../output.js';
import { Progress } from '../progress.js';

/** How well a model foretells a text. */
export const perplexity: Command = {
  name: 'perplexity',
  summary: "Measure a model's perplexity on a text: the exponential of the mean negative log probability of its tokens.",
  usage: 'MODEL --file FILE [--chunk 512] [--adapter DIR[=SCALE]]… [--json]',
  positionals: ['MODEL'],
  options: {
    file: { value: 'FILE', help: 'The text, UTF-8.' },
    chunk: { value: 'N', help: 'Tokens that the model sees at a time (default 512, less where the context is shorter).' },
    ...ADAPTER_OPTIONS,
    ...MODEL_OPTIONS,
    json: { help: 'Print one JSON object and nothing else: {perplexity, tokens, …}.' },
  },
  notes: [
    MODEL_NOTE, ADAPTER_NOTE,
    'The file is tokenised as a whole, without special tokens, and cut into chunks. Each chunk is evaluated alone, and each of its positions after the first is scored; a last chunk of at least 2 tokens counts too. "tokens" is the number of scored positions.',
  ],
  examples: [
    'lorikeet perplexity models/tavern --file story.txt --chunk 256',
    'lorikeet perplexity model.gguf --file wiki.test.raw --chunk 512 --json',
    'lorikeet perplexity models/tavern --file pirates.txt --adapter adapters/pirate',
  ],

  async run(given) {
    const file = given.required('file');
    const adapters = adapterArguments(given);
    const options = adapterOptions(given);
    const { chunk: asked } = numbersOf(given, { chunk: 'chunk' });
    if (asked !== undefined && (!Number.isInteger(asked) || asked < 2)) throw usage(`--chunk expected a whole number of at least 2, found ${asked}.`);
    const text = await readText(file);
    const progress = new Progress();
    return interruptible(async (signal) => {
      const { engine } = await openModel(given, progress, signal);
      try {
        const blend = await loadAdapters(engine, adapters, { ...options, signal }, progress);
        const { contextLength } = engine.model;
        if (asked !== undefined && asked > contextLength) throw usage(`--chunk expected at most the ${contextLength} tokens of the model's context, found ${asked}.`, contextLength, asked);
        const chunk = asked ?? Math.min(512, contextLength);
        const ids = engine.tokenizer.encode(text, false);
        const chunks = chunksOf(ids, chunk);
        if (chunks.length === 0) throw new LorikeetError('tokens/empty', `${JSON.stringify(file)} has ${ids.length} token${ids.length === 1 ? '' : 's'}: expected at least 2, one to begin with and one to score.`, { expected: 2, found: ids.length });
        const started = performance.now();
        const tell = progress.count('evaluating', 'tokens');
        let sum = 0;
        let tokens = 0;
        for (const [i, part] of chunks.entries()) {
          for (const logProbability of engine.logProbabilities(part, { adapters: blend, signal })) sum += logProbability;
          tokens += part.length - 1;
          tell(Math.min(ids.length, (i + 1) * chunk), ids.length);
          await turn(); // for Ctrl-C
          signal.throwIfAborted();
        }
        progress.clear();
        // eslint-disable-next-line no-restricted-properties -- a figure for a reader: no token depends on its last bit
        const value = Math.exp(-sum / tokens);
        const seconds = (performance.now() - started) / 1000;
        if (given.flag('json')) await printJson({ perplexity: value, tokens, meanNegativeLogProbability: -sum / tokens, chunks: chunks.length, chunk, fileTokens: ids.length, adapters: blend, tokensPerSecond: tokens / seconds, seconds });
        else await print(`perplexity ${value.toFixed(4)} over ${tokens} tokens in ${chunks.length} chunk${chunks.length === 1 ? '' : 's'} of ${chunk}, ${(tokens / seconds).toFixed(0)} tokens/s\n`);
      } finally {
        progress.clear();
        engine.dispose();
      }
    }, () => INTERRUPTED);
  },
};

/** Cuts ids into chunks; a rest of one token, with nothing to score, is left out. */
export function chunksOf(ids: readonly number[], chunk: number): number[][] {
  const chunks: number[][] = [];
  for (let from = 0; from + 1 < ids.length; from += chunk) chunks.push(ids.slice(from, from + chunk));
  return chunks;
}

async function readText(path: string): Promise<string> {
  const bytes = await readFile(path);
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new LorikeetError('store/not-utf8', `${JSON.stringify(path)} is not valid UTF-8: expected a text.`, { expected: 'UTF-8', cause });
  }
}
