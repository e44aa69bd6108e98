import type { Blend } from '../adapters/adapter.js';
import { LorikeetError } from '../errors.js';
import { samplingOptions, type Sampling, type SamplingOptions } from '../sample/options.js';
import { KEEP_TOKENS, type WhenFull } from './context-policy.js';
import type { KvPolicy } from './sequence.js';
import { speculateOptions, type SpeculateOptions } from './speculate.js';

/** How one answer is made. */
export interface GenerateOptions extends SamplingOptions {
  /** The most tokens of the answer (default 256). */
  maxTokens?: number;
  /** Texts that end the answer; they are not part of it. */
  stop?: readonly string[];
  signal?: AbortSignal;
  /** Token ids that end the answer; default: the model's own. */
  endTokens?: readonly number[];
  /** Told each token's id as it is chosen, the one that ends the answer too; it may not throw. */
  onToken?: (id: number) => void;
  /** Drafts tokens where the text repeats what stood in it before: the same answer, sooner if it does. Default: the session's. */
  speculate?: boolean | SpeculateOptions;
}

/** Options of a session; those of sampling and `speculate` are the defaults of its answers. */
export interface SessionOptions extends SamplingOptions {
  /** The system message, where the chat template has one. */
  system?: string;
  /** The blend; default: the one that is active when the session is made. */
  adapters?: Blend;
  /** Starts the sampler: same seed, same text. */
  seed?: number;
  /** The longest that this session's sequence may get (default: the model's context). */
  contextLength?: number;
  /** What becomes of the cache when the blend changes within the conversation. */
  kv?: KvPolicy;
  /** What becomes of an answer that reaches the context's end (default `'stop'`), and of a prompt that is longer. */
  whenFull?: WhenFull;
  /** Tokens at the beginning that a shift of {@link Session.complete} keeps (default 4). `say` keeps the system messages. */
  keepTokens?: number;
  /** Off by default. */
  speculate?: boolean | SpeculateOptions;
  /** Further variables of the chat template, by name (`enable_thinking`, `tools`, `date_string` …): plain JSON. */
  templateOptions?: Readonly<Record<string, unknown>>;
}

/** What of a session's options stays as it is for its whole life. */
export interface SessionSettings {
  readonly contextLength: number;
  readonly kv: KvPolicy;
  readonly whenFull: WhenFull;
  readonly keepTokens: number;
  readonly speculate: boolean | SpeculateOptions;
  readonly templateOptions: Readonly<Record<string, unknown>>;
  /** As given, defaults not filled in. */
  readonly sampling: SamplingOptions;
}

/** Checked options of an answer. */
export interface GenerateSettings {
  readonly maxTokens: number;
  readonly stop: readonly string[];
  readonly endTokens: readonly number[];
  readonly onToken: ((id: number) => void) | undefined;
  readonly sampling: Sampling;
  readonly speculate: Required<SpeculateOptions> | null;
}

function oneOf<T extends string>(option: string, value: unknown, choices: readonly T[]): T {
  if (choices.includes(value as T)) return value as T;
  throw new LorikeetError(`session/${option === 'kv' ? 'kv' : 'when-full'}`, `"${option}" expected ${choices.map((choice) => `'${choice}'`).join(' or ')}, got ${String(value)}.`, { expected: choices, found: value });
}

/**
 * Checks a session's options; `longest` is the model's context.
 *
 * @throws LorikeetError `session/context`, `session/kv`, `session/when-full`, `session/keep-tokens`, `session/speculate`, `session/template-options`, `sample/option`
 */
export function sessionSettings(options: SessionOptions, longest: number): SessionSettings {
  const { contextLength = longest, kv = 'recompute', whenFull = 'stop', speculate = false, templateOptions = {}, temperature, topK, topP, minP, repetitionPenalty } = options;
  if (!Number.isInteger(contextLength) || contextLength < 1 || contextLength > longest) throw new LorikeetError('session/context', `"contextLength" expected 1 to ${longest}, got ${String(contextLength)}.`, { expected: longest, found: contextLength });
  // Behind what is kept there must be room for a token that stays and one that comes.
  const mostKept = Math.max(0, contextLength - 2);
  const { keepTokens = Math.min(KEEP_TOKENS, mostKept) } = options;
  if (!Number.isInteger(keepTokens) || keepTokens < 0 || keepTokens > mostKept) throw new LorikeetError('session/keep-tokens', `"keepTokens" expected 0 to ${mostKept}, got ${String(keepTokens)}.`, { expected: mostKept, found: keepTokens });
  const sampling = { temperature, topK, topP, minP, repetitionPenalty };
  samplingOptions(sampling);
  speculateOptions(speculate);
  return {
    contextLength, keepTokens, speculate, sampling,
    kv: oneOf('kv', kv, ['recompute', 'keep']),
    whenFull: oneOf('whenFull', whenFull, ['stop', 'error', 'shift']),
    templateOptions: plainRecord(templateOptions),
  };
}

/** A copy as JSON has it, so that a saved session renders the same prompts. */
function plainRecord(value: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  let copy: unknown;
  try {
    copy = JSON.parse(JSON.stringify(value));
  } catch {
    copy = null; // cycles, bigints: said below
  }
  if (typeof copy === 'object' && copy !== null && !Array.isArray(copy)) return Object.freeze(copy as Record<string, unknown>);
  throw new LorikeetError('session/template-options', `"templateOptions" expected a plain object that JSON can hold, got ${typeof value}.`, { expected: 'a plain object', found: value });
}

/**
 * Checks the options of an answer and fills in the session's defaults and the model's end tokens.
 *
 * @throws LorikeetError `session/max-tokens`, `session/stop`, `session/end-tokens`, `session/speculate`, `sample/option`
 */
export function generateSettings(options: GenerateOptions, { sampling, speculate }: SessionSettings, modelEndTokens: readonly number[]): GenerateSettings {
  const { maxTokens = 256, stop = [], endTokens = modelEndTokens } = options;
  if (!Number.isInteger(maxTokens) || maxTokens < 1) throw new LorikeetError('session/max-tokens', `"maxTokens" expected a whole number of at least 1, got ${String(maxTokens)}.`, { expected: 'at least 1', found: maxTokens });
  if (!Array.isArray(stop) || !stop.every((text) => typeof text === 'string')) throw new LorikeetError('session/stop', `"stop" expected a list of texts, got ${String(stop)}.`, { expected: 'a list of texts', found: stop });
  if (!Array.isArray(endTokens) || !endTokens.every((id) => Number.isInteger(id))) throw new LorikeetError('session/end-tokens', `"endTokens" expected a list of token ids, got ${String(endTokens)}.`, { expected: 'a list of token ids', found: endTokens });
  return { maxTokens, stop, endTokens, onToken: options.onToken, sampling: samplingOptions({ ...sampling, ...given(options) }), speculate: speculateOptions(options.speculate ?? speculate) };
}

/** The sampling options that an answer sets itself. */
const given = (options: GenerateOptions): SamplingOptions => Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
