import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createEngine, isLorikeetError, type Blend, type Engine, type GenerateOptions, type Session } from '../../src/index.js';
import { ROOT } from '../models/golden.js';

const MODEL = `${ROOT}models/tavern`;
const LINE = 'Where is the treasure?';

const collect = async (stream: AsyncIterable<string>): Promise<string> => {
  let text = '';
  for await (const piece of stream) text += piece;
  return text;
};
const rejects = async (work: () => Promise<unknown>, code: string): Promise<void> => {
  try {
    await work();
  } catch (error) {
    assert.ok(isLorikeetError(error, code), `expected ${code}, got ${String(error)}`);
    return;
  }
  assert.unreachable(`expected ${code}`);
};
/** Runs with an engine of its own, which must hold nothing when it is disposed. */
const withEngine = async (work: (engine: Engine) => Promise<void>, options: { loop?: 'auto' | 'manual' } = {}): Promise<void> => {
  const engine = await createEngine({ model: MODEL, ...options });
  await engine.adapters.load('pirate', `${ROOT}adapters/pirate`);
  await engine.adapters.load('ghost', `${ROOT}adapters/ghost`);
  const rest = engine.memory();
  try {
    await work(engine);
    assert.is(engine.memory().kv.used, rest.kv.used, 'a session left its cache behind');
  } finally {
    engine.dispose();
  }
  for (const arena of ['weights', 'adapters', 'kv', 'activations', 'scratch'] as const) assert.is(engine.memory()[arena].used, 0, arena);
};
const answer = async (session: Session, options: GenerateOptions = {}): Promise<string> => collect(session.say(LINE, { maxTokens: 40, ...options }));

const sampling = suite('sampling');
sampling('the same seed gives the same text, another seed another', () => withEngine(async (engine) => {
  const options = { temperature: 1, topK: 40, topP: 0.95, minP: 0.01, repetitionPenalty: 1.1, maxTokens: 40, endTokens: [] };
  const texts = [];
  for (const seed of [7, 7, 8]) {
    const session = engine.session({ seed });
    texts.push(await answer(session, options));
    session.dispose();
  }
  assert.is(texts[0], texts[1]);
  assert.is.not(texts[0], texts[2]);
}));
sampling('top-k 1 and tiny top-p are greedy', () => withEngine(async (engine) => {
  const greedy = await collect(engine.chat(LINE));
  assert.is(await collect(engine.chat(LINE, { temperature: 2, topK: 1 })), greedy);
  assert.is(await collect(engine.chat(LINE, { temperature: 1, topP: 1e-6 })), greedy);
  assert.is(await collect(engine.chat(LINE, { temperature: 1, minP: 1 })), greedy);
}));
sampling('a repetition penalty changes what comes', () => withEngine(async (engine) => {
  const plain = await collect(engine.chat(LINE, { maxTokens: 60, endTokens: [] }));
  assert.is.not(await collect(engine.chat(LINE, { maxTokens: 60, endTokens: [], repetitionPenalty: 5 })), plain);
}));
for (const [key, value] of [['temperature', -1], ['temperature', NaN], ['topK', 1.5], ['topP', 0], ['topP', 1.1], ['minP', -0.1], ['repetitionPenalty', 0]] as const) {
  sampling(`${key} ${value} is refused`, () => withEngine(async (engine) => rejects(() => collect(engine.chat(LINE, { [key]: value })), 'sample/option')));
}
sampling('a seed that is no whole number is refused', () => withEngine(async (engine) => { assert.throws(() => engine.session({ seed: 1.5 }), (e: unknown) => isLorikeetError(e, 'sample/seed')); }));
sampling.run();

const stops = suite('ends');
stops('a stop string is cut off, also across tokens, and nothing follows it', () => withEngine(async (engine) => {
  const whole = await collect(engine.chat(LINE, { maxTokens: 40 }));
  const stop = whole.slice(8, 14);
  const session = engine.session();
  assert.is(await collect(session.say(LINE, { maxTokens: 40, stop: ['never there', stop] })), whole.slice(0, 8));
  assert.is(session.stats.ended, 'stop');
  session.dispose();
}));
stops('maxTokens, the end token and the context end an answer, and stats say which', () => withEngine(async (engine) => {
  const session = engine.session({ contextLength: 64 });
  await answer(session, { maxTokens: 3 });
  assert.is(session.stats.tokens, 3);
  assert.is(session.stats.ended, 'length');
  await answer(session, { maxTokens: 1000, endTokens: [] });
  assert.is(session.stats.ended, 'context');
  assert.is(session.tokens.length, 64);
  await rejects(() => answer(session), 'context/full');
  session.dispose();
  const other = engine.session();
  await answer(other, { maxTokens: 100 });
  assert.is(other.stats.ended, 'end token');
  other.dispose();
}));
stops('leaving the loop, aborting and disposing end the stream; the session goes on', () => withEngine(async (engine) => {
  const session = engine.session();
  for await (const piece of session.say(LINE)) { assert.ok(piece.length > 0); break; }
  assert.is(session.busy, false);
  assert.is(session.stats.ended, 'broken off');
  assert.is(session.messages.at(-1)?.role, 'assistant');
  const controller = new AbortController();
  try {
    for await (const _ of session.say(LINE, { signal: controller.signal, endTokens: [] })) controller.abort(new Error('enough'));
    assert.unreachable();
  } catch (error) { assert.is((error as Error).message, 'enough'); }
  const aborted = AbortSignal.abort(new Error('before'));
  try { await collect(session.say(LINE, { signal: aborted })); assert.unreachable(); } catch (error) { assert.is((error as Error).message, 'before'); }
  assert.ok((await answer(session)).length > 0);
  const stream = session.say(LINE);
  await stream.next();
  session.dispose();
  await rejects(() => stream.next(), 'session/disposed');
  await rejects(() => answer(session), 'session/disposed');
}));
stops('a load that is aborted rejects with the reason, before it begins and in its midst', async () => {
  const reason = new Error('no more');
  const controller = new AbortController();
  for (const load of [
    () => createEngine({ model: MODEL, signal: AbortSignal.abort(reason) }),
    () => createEngine({ model: MODEL, signal: controller.signal, onProgress: () => controller.abort(reason) }),
  ]) {
    const error: unknown = await load().then(() => null, (found: unknown) => found);
    assert.is(error, reason);
  }
});
stops('options that are none', () => withEngine(async (engine) => {
  const chat = (options: object) => () => collect(engine.chat(LINE, options));
  await rejects(chat({ stop: 'treasure' }), 'session/stop');
  await rejects(chat({ stop: [7] }), 'session/stop');
  await rejects(chat({ endTokens: new Set([2]) }), 'session/end-tokens');
  await rejects(chat({ maxTokens: 0 }), 'session/max-tokens');
  await rejects(chat({ kv: 'forget' }), 'session/kv');
  await rejects(chat({ contextLength: 1e9 }), 'session/context');
  await rejects(chat({ seed: -1 }), 'sample/seed');
  await rejects(() => collect(engine.chat([{ role: 'user', content: LINE }, { role: 'assistant', content: 'Where?' }])), 'session/messages');
}));
stops('a model without a tokenizer, or without a chat template, says so', async () => {
  const names = ['config.json', 'model.safetensors', 'tokenizer.json'];
  const files = Object.fromEntries(names.map((name) => [name, readFileSync(`${MODEL}/${name}`)]));
  const plain = await createEngine({ model: files });
  await rejects(() => collect(plain.chat(LINE)), 'text/no-template');
  assert.ok((await collect(plain.complete(LINE, { maxTokens: 4, endTokens: [] }))).length > 0);
  const { 'tokenizer.json': _, ...rest } = files;
  const bare = await createEngine({ model: rest });
  await rejects(() => collect(bare.chat(LINE)), 'text/no-tokenizer');
  plain.dispose();
  bare.dispose();
});
stops('one answer at a time', () => withEngine(async (engine) => {
  const session = engine.session();
  const first = session.say(LINE);
  await first.next();
  await rejects(() => answer(session), 'session/busy');
  await first.return();
  session.dispose();
}));
stops('an abort holds inside a long prompt: the rest of it is not worked, and the session goes on', () => withEngine(async (engine) => {
  const ids = Array.from({ length: 500 }, (_, i) => 10 + (i % 900));
  const session = engine.session({ adapters: { pirate: 1 } });
  const controller = new AbortController();
  const stream = collect(session.complete(ids, { signal: controller.signal, maxTokens: 1 }));
  setTimeout(() => controller.abort(new Error('stop it')), 0);
  try { await stream; assert.unreachable(); } catch (error) { assert.is((error as Error).message, 'stop it'); }
  assert.ok(session.pending > 0, 'all of it was worked');
  const again = engine.session({ adapters: { pirate: 1 } });
  for (const of of [session, again]) await collect(of.complete(ids, { maxTokens: 8, endTokens: [] }));
  assert.equal(session.tokens, again.tokens);
  session.dispose();
  again.dispose();
}));
stops.run();

const conversation = suite('conversation');
conversation('a second turn works only what is new', () => withEngine(async (engine) => {
  const session = engine.session();
  await answer(session, { maxTokens: 30 });
  const before = session.tokens.length;
  await answer(session, { maxTokens: 30 });
  assert.ok(session.stats.promptTokens < before, `${session.stats.promptTokens} of ${session.tokens.length} tokens were worked again`);
  session.dispose();
}));
conversation("kv 'recompute' is what a fresh session under the new blend gives; 'keep' is not, and works nothing again", () => withEngine(async (engine) => {
  const texts: Record<string, string> = {};
  let history: { role: string; content: string }[] = [];
  for (const kv of ['recompute', 'keep'] as const) {
    const session = engine.session({ adapters: { pirate: 1 }, kv });
    await answer(session, { maxTokens: 30 });
    history = [...session.messages];
    session.adapters = { ghost: 1 };
    texts[kv] = await answer(session, { maxTokens: 30 });
    assert.is(session.stats.recomputed > 0, kv === 'recompute');
    session.dispose();
  }
  const fresh = engine.session({ adapters: { ghost: 1 } });
  fresh.messages.push(...history);
  assert.is(await answer(fresh, { maxTokens: 30 }), texts.recompute);
  fresh.dispose();
  assert.is.not(texts.keep, '');
}));
conversation('a blend set during an answer applies from the next token on', () => withEngine(async (engine) => {
  const ids = engine.tokenizer.encode('<|begin|><|user|>Where is the treasure?<|end|><|assistant|>', false);
  const session = engine.session({ adapters: { pirate: 1 } });
  let pieces = 0;
  let switched: readonly number[] = [];
  for await (const _ of session.complete(ids, { maxTokens: 20, endTokens: [] })) {
    if (++pieces === 5) {
      switched = [...session.tokens];
      session.adapters = { ghost: 1 };
    }
  }
  // From there on: what the ghost makes of the tokens so far.
  const rest = engine.session({ adapters: { ghost: 1 } });
  await collect(rest.complete(switched, { maxTokens: session.tokens.length - switched.length, endTokens: [] }));
  assert.equal(session.tokens, rest.tokens);
  session.dispose();
  rest.dispose();
}));
conversation('unknown names, NaN scales and impossible options are refused, and the session stays as it was', () => withEngine(async (engine) => {
  const session = engine.session({ adapters: { pirate: 1 } });
  assert.throws(() => { session.adapters = { nobody: 1 }; }, (e: unknown) => isLorikeetError(e, 'adapter/unknown'));
  assert.throws(() => { session.adapters = { ghost: NaN }; }, (e: unknown) => isLorikeetError(e, 'adapter/scale'));
  assert.equal(session.adapters, { pirate: 1 });
  await rejects(() => answer(session, { maxTokens: 0 }), 'session/max-tokens');
  await rejects(() => collect(session.complete([])), 'tokens/empty');
  await rejects(() => collect(session.complete([5000])), 'tokens/unknown');
  await rejects(() => collect(session.complete(Array.from({ length: 600 }, () => 5))), 'context/full');
  session.dispose();
  assert.throws(() => engine.session({ contextLength: 10 ** 9 }), (e: unknown) => isLorikeetError(e, 'session/context'));
  assert.throws(() => engine.session({ adapters: { nobody: 1 } }), (e: unknown) => isLorikeetError(e, 'adapter/unknown'));
}));
conversation.run();

const stepping = suite('a game steps');
stepping('a manual loop gets further only by step, and gives the same text', () => withEngine(async (engine) => {
  const session = engine.session({ adapters: { pirate: 1 } });
  let text = '';
  const reading = (async () => { for await (const piece of session.say(LINE, { maxTokens: 40 })) text += piece; })();
  await new Promise((resolve) => setTimeout(resolve, 30));
  assert.is(text, '');
  let steps = 0;
  while (engine.step(0.2)) {
    steps++;
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  await reading;
  assert.ok(steps > 5, `${steps} steps`);
  session.dispose();
  const auto = await createEngine({ model: MODEL });
  await auto.adapters.load('pirate', `${ROOT}adapters/pirate`);
  assert.is(await collect(auto.chat(LINE, { maxTokens: 40, adapters: { pirate: 1 } })), text);
  auto.dispose();
}, { loop: 'manual' }));
stepping('several characters at once each say what they say alone', () => withEngine(async (engine) => {
  const blends: Blend[] = [{}, { pirate: 1 }, { ghost: 1 }, { pirate: 0.5, ghost: 0.5 }, { pirate: -0.3 }];
  const solo = [];
  for (const adapters of blends) solo.push(await collect(engine.chat(LINE, { adapters, maxTokens: 30, temperature: 0.8, seed: 5 })));
  const together = await Promise.all(blends.map((adapters) => collect(engine.chat(LINE, { adapters, maxTokens: 30, temperature: 0.8, seed: 5 }))));
  assert.equal(together, solo);
}));
stepping('with hardly any budget everybody still gets further', () => withEngine(async (engine) => {
  const blends: Blend[] = [{}, { pirate: 1 }, { ghost: 1 }];
  const sessions = blends.map((adapters) => engine.session({ adapters }));
  const ends = sessions.map((session) => collect(session.say(LINE, { maxTokens: 500, endTokens: [] })).catch(() => {}));
  await new Promise((resolve) => setTimeout(resolve, 0));
  for (let i = 0; i < 3000; i++) engine.step(1e-6);
  for (const session of sessions) {
    assert.ok(session.stats.tokens > 0, `${session.stats.tokens} tokens`);
    session.dispose();
  }
  await Promise.all(ends);
}, { loop: 'manual' }));
stepping('a budget that is no number above 0 is refused', () => withEngine(async (engine) => { assert.throws(() => engine.step(0), (e: unknown) => isLorikeetError(e, 'engine/budget')); }));
stepping.run();

const bits = suite('the same bits however the prompt is cut');
bits('logits of a prefix are the prefix of the logits', () => withEngine(async (engine) => {
  const ids = Array.from({ length: 100 }, (_, i) => 5 + ((i * 37) % 1000));
  const whole = engine.logits(ids, { adapters: { pirate: 0.7, ghost: 0.2 } });
  const width = engine.model.outputSize;
  for (const length of [1, 2, 7, 8, 9, 31, 32, 33, 64, 65, 99]) {
    const part = engine.logits(ids.slice(0, length), { adapters: { pirate: 0.7, ghost: 0.2 } });
    assert.equal(part.subarray((length - 1) * width), whole.subarray((length - 1) * width, length * width), `${length} tokens`);
  }
}));
bits('log probabilities are those of the logits', () => withEngine(async (engine) => {
  const ids = [5, 80, 200, 7, 999, 13];
  const logits = engine.logits(ids);
  const width = engine.model.outputSize;
  engine.logProbabilities(ids).forEach((found, i) => {
    const row = logits.subarray(i * width, (i + 1) * width);
    const top = Math.max(...row);
    const sum = row.reduce((s, v) => s + Math.exp(v - top), 0);
    assert.ok(Math.abs(found - (row[ids[i + 1]!]! - top - Math.log(sum))) < 1e-5);
  });
}));
bits.run();
