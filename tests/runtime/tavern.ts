import * as assert from 'uvu/assert';
import { createEngine, isLorikeetError, type Blend, type ChatMessage, type Engine, type EngineOptions, type GenerateOptions, type Session, type SessionOptions } from '../../src/index.js';
import { ROOT } from '../models/golden.js';

// What the tests of sessions share: the demo model with its five voices, and answers as data.

export const LINES = ['Where is the treasure?', 'Who are you?', 'Tell me about the harbour.', 'What is in the chest? What is in the chest? What is in the'] as const;
export const VOICES = ['automaton', 'ghost', 'goblin', 'herald', 'pirate'] as const;

export async function tavern(options: Partial<EngineOptions> = {}): Promise<Engine> {
  const engine = await createEngine({ model: `${ROOT}models/tavern`, ...options });
  for (const voice of VOICES) await engine.adapters.load(voice, `${ROOT}adapters/${voice}`);
  return engine;
}

/** Runs with an engine whose sessions must leave nothing behind. */
export const inTavern = (work: (engine: Engine) => Promise<void>, options: Partial<EngineOptions> = {}): (() => Promise<void>) => async () => {
  const engine = await tavern(options);
  const { kv } = engine.memory();
  try {
    await work(engine);
    assert.is(engine.memory().kv.used, kv.used, 'a session left its cache behind');
  } finally {
    engine.dispose();
  }
  for (const arena of ['weights', 'adapters', 'kv', 'activations', 'scratch'] as const) assert.is(engine.memory()[arena].used, 0, arena);
};

export async function collect(stream: AsyncIterable<string>, onPiece: (text: string) => void = () => {}): Promise<string> {
  let text = '';
  for await (const piece of stream) onPiece(text += piece);
  return text;
}

/** All that an answer leaves behind: what is equal here goes on equally. */
export const left = (session: Session, text: string) => ({ text, tokens: [...session.tokens], sampler: session.save().sampler, messages: [...session.messages], ended: session.stats.ended, count: session.stats.tokens });

/** One line said by a session of its own, after the given conversation: where the line stood there, the model likes to say what it said then. */
export async function said(engine: Engine, line: string, options: SessionOptions, generate: GenerateOptions = {}, before: readonly ChatMessage[] = []) {
  const session = engine.session(options);
  try {
    session.messages.push(...before);
    const text = await collect(session.say(line, generate));
    return { ...left(session, text), stats: { ...session.stats } };
  } finally {
    session.dispose();
  }
}

/** A line and its greedy answer. */
export async function turn(engine: Engine, line: string, adapters: Blend = {}): Promise<readonly ChatMessage[]> {
  return [{ role: 'user', content: line }, { role: 'assistant', content: await collect(engine.chat(line, { adapters, maxTokens: 64 })) }];
}

export async function rejects(work: () => unknown, code: string): Promise<void> {
  try {
    await work();
  } catch (error) {
    assert.ok(isLorikeetError(error, code), `expected ${code}, got ${String(error)}`);
    return;
  }
  assert.unreachable(`expected ${code}`);
}
