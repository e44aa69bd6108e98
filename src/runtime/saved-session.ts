import { LorikeetError, isLorikeetError } from '../errors.js';
import type { Blend } from '../adapters/adapter.js';
import type { Model } from '../models/model.js';
import type { ChatMessage } from '../text/chat-template.js';
import type { SessionOptions } from './session-options.js';

const VERSION = 1;

/** What tells one model's tokens from another's; its dtype doesn't: a quantised base goes on with a conversation of the float one, in its own numbers. */
export interface ModelFingerprint {
  readonly type: string;
  readonly vocabSize: number;
  readonly layers: number;
  readonly kvHeads: number;
  readonly headDim: number;
  /** Weights of all its matrices. */
  readonly weights: number;
}

/** A session as plain JSON, frozen: {@link Session.save} gives it, {@link Engine.restore} takes it. */
export interface SavedSession {
  readonly version: typeof VERSION;
  readonly model: ModelFingerprint;
  readonly tokens: readonly number[];
  readonly messages: readonly ChatMessage[];
  readonly adapters: Blend;
  readonly seed: number;
  /** The sampler's generator as it stands: its 64 bits, the low half first. */
  readonly sampler: readonly [number, number];
  readonly options: Omit<SessionOptions, 'system' | 'adapters' | 'seed'>;
}

/** The fingerprint of a loaded model. */
export function fingerprint({ modelType, vocabSize, kv, modules }: Model): ModelFingerprint {
  let weights = 0;
  for (const module of modules) if (module.kind !== 'norm') weights += module.weight.n * module.weight.k;
  return { type: modelType, vocabSize, layers: kv?.layers ?? 0, kvHeads: kv?.kvHeads ?? 0, headDim: kv?.headDim ?? 0, weights };
}

/** A frozen copy that JSON can hold, of what a session has at this moment. */
export function savedSession(state: Omit<SavedSession, 'version'>): SavedSession {
  return freeze(JSON.parse(JSON.stringify({ version: VERSION, ...state })) as SavedSession);
}

function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) Object.values(Object.freeze(value)).forEach(freeze);
  return value;
}

/**
 * Checks what claims to be a saved session against the model that shall go on with it. What the options hold is checked where every session's are.
 *
 * @returns a copy
 * @throws LorikeetError `session/saved-invalid`, `session/saved-version`, `session/saved-model`, `session/saved-tokens`
 */
export function checkSaved(given: unknown, model: Model): SavedSession {
  const saved = record(plain(given), 'the saved session');
  if (saved.version !== VERSION) throw new LorikeetError('session/saved-version', `The saved session expected version ${VERSION}, found ${JSON.stringify(saved.version)}; save it with this version of lorikeet.`, { expected: VERSION, found: saved.version });
  checkModel(record(saved.model, '"model"'), fingerprint(model));
  const tokens = list(saved.tokens, '"tokens"');
  for (const [i, id] of tokens.entries()) {
    if (!wholeBelow(id, model.vocabSize)) throw new LorikeetError('session/saved-tokens', `Token ${i} of the saved session expected an id from 0 to ${model.vocabSize - 1}, found ${JSON.stringify(id)}.`, { expected: model.vocabSize, found: id });
  }
  const options = record(saved.options, '"options"');
  const contextLength = Math.min(model.contextLength, typeof options.contextLength === 'number' ? options.contextLength : Infinity);
  if (tokens.length > contextLength) throw new LorikeetError('session/saved-tokens', `The saved session has ${tokens.length} tokens: expected at most the ${contextLength} of the context.`, { expected: contextLength, found: tokens.length });
  for (const [i, message] of list(saved.messages, '"messages"').entries()) {
    const { role, content } = record(message, `message ${i}`);
    if (typeof role !== 'string' || typeof content !== 'string') throw invalid(`message ${i}`, 'a role and a content, both texts', message);
  }
  record(saved.adapters, '"adapters"');
  const sampler = list(saved.sampler, '"sampler"');
  if (sampler.length !== 2 || !sampler.every((half) => wholeBelow(half, 2 ** 32))) throw invalid('"sampler"', 'two whole numbers below 2^32', sampler);
  if (!wholeBelow(saved.seed, Number.MAX_SAFE_INTEGER + 1)) throw invalid('"seed"', 'a whole number from 0 to 2^53 - 1', saved.seed);
  return saved as unknown as SavedSession;
}

/** What the checks of a session's options say, as said of a saved one. */
export function savedError(error: unknown): unknown {
  if (!isLorikeetError(error)) return error;
  const code = error.code.startsWith('adapter/') ? 'session/saved-adapter' : /^(session|sample)\//.test(error.code) ? 'session/saved-invalid' : null;
  return code ? new LorikeetError(code, `The saved session can't be restored: ${error.message}`, { expected: error.expected, found: error.found, cause: error }) : error;
}

/** Reads a value once, as JSON would: no getters, cycles or prototypes of others are met behind this line. */
function plain(given: unknown): unknown {
  try {
    return JSON.parse(JSON.stringify(given));
  } catch (cause) {
    throw new LorikeetError('session/saved-invalid', 'The saved session expected what save() gave, as plain JSON, got something that JSON can\'t hold.', { expected: 'plain JSON', found: typeof given, cause });
  }
}

function checkModel(found: Record<string, unknown>, expected: ModelFingerprint): void {
  for (const [key, value] of Object.entries(expected)) {
    if (found[key] !== value) throw new LorikeetError('session/saved-model', `The saved session belongs to another model: expected ${key} ${value}, found ${JSON.stringify(found[key])}.`, { expected, found });
  }
}

const wholeBelow = (value: unknown, limit: number): boolean => typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < limit;

const invalid = (what: string, expected: string, found: unknown): LorikeetError =>
  new LorikeetError('session/saved-invalid', `In the saved session ${what} expected ${expected}, found ${String(JSON.stringify(found)).slice(0, 60)}.`, { expected, found });

function record(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid(what, 'an object', value);
  return value as Record<string, unknown>;
}

function list(value: unknown, what: string): unknown[] {
  if (!Array.isArray(value)) throw invalid(what, 'a list', value);
  return value;
}
