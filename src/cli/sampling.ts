/** How tokens are chosen, wherever a command makes text. */
import type { SamplingOptions } from '../sample/options.js';
import type { SessionOptions } from '../runtime/session.js';
import { numbersOf } from './arguments.js';
import type { Given, OptionSpec } from './command.js';

export const SAMPLING_OPTIONS = {
  'max-tokens': { value: 'N', help: 'The most tokens of an answer (default 256).' },
  temperature: { value: 'T', help: 'How freely tokens are drawn; 0 (default) takes the most likely one.' },
  'top-k': { value: 'K', help: 'Draw from the K most likely tokens; 0 (default): from all.' },
  'top-p': { value: 'P', help: 'Draw from the most likely tokens that together reach P; 1 (default): from all.' },
  'min-p': { value: 'P', help: 'Draw from tokens at least P times as likely as the most likely one; 0 (default): from all.' },
  'repetition-penalty': { value: 'X', help: 'Make tokens that were there already less likely; 1 (default): off.' },
  seed: { value: 'N', help: 'Starts the draws: same seed, same text (default 0).' },
  stop: { value: 'TEXT', many: true, help: 'End where this text comes; it is not part of the answer.' },
  'when-full': { value: 'POLICY', help: 'At the end of the context: stop (default; a longer prompt is an error), shift (the oldest part goes), or error.' },
  speculate: { help: 'Draft tokens where the text repeats itself: the same answer, sooner if it does.' },
} as const satisfies Readonly<Record<string, OptionSpec>>;

export interface GivenSampling {
  /** Of a session: how its tokens are chosen, and what happens where its context ends. */
  readonly session: SamplingOptions & Pick<SessionOptions, 'speculate' | 'whenFull'>;
  readonly seed?: number;
  readonly maxTokens?: number;
  readonly stop: readonly string[];
}

export function samplingOf(given: Given): GivenSampling {
  const sampling = numbersOf(given, { temperature: 'temperature', topK: 'top-k', topP: 'top-p', minP: 'min-p', repetitionPenalty: 'repetition-penalty' });
  const whenFull = given.value('when-full') as SessionOptions['whenFull']; // the session checks it
  return { session: { ...sampling, speculate: given.flag('speculate'), ...(whenFull === undefined ? {} : { whenFull }) }, ...numbersOf(given, { seed: 'seed', maxTokens: 'max-tokens' }), stop: given.values('stop') };
}
