import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Blend, ChatMessage, Engine, SavedSession, SessionOptions } from '../../src/index.js';
import { shiftMessages, shiftTokens } from '../../src/runtime/context-policy.js';
import { answer, engineOf, TOKENS } from '../adapters/answers.js';
import { goldenAdapter } from '../adapters/folders.js';
import { collect, inTavern, LINES, rejects } from './tavern.js';

const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

const pure = suite('what a shift keeps');
pure('the first tokens and the newest half of the room behind them', () => {
  assert.equal(shiftTokens(upTo(16), 6, 4, 16), { ids: [0, 1, 2, 3, 10, 11, 12, 13, 14, 15], prompt: 4, messages: [] });
  assert.equal(shiftTokens(upTo(40), 40, 0, 16), { ids: [32, 33, 34, 35, 36, 37, 38, 39], prompt: 8, messages: [] });
  assert.equal(shiftTokens(upTo(16), 12, 1, 16), { ids: [0, 9, 10, 11, 12, 13, 14, 15], prompt: 4, messages: [] });
  assert.equal(shiftTokens(upTo(16), 3, 8, 16), { ids: [0, 1, 2, 3, 4, 5, 6, 7, 12, 13, 14, 15], prompt: 3, messages: [] });
  assert.equal(shiftTokens(upTo(2), 2, 0, 2), { ids: [1], prompt: 1, messages: [] });
});
/** Each message is as many tokens as its content has characters. */
const encode = (messages: readonly ChatMessage[]): number[] => messages.flatMap(({ content }, i) => [...content].map(() => i));
const talk = (...contents: string[]): ChatMessage[] => contents.map((content, i) => ({ role: i % 2 === 0 ? 'user' : 'assistant', content }));
const contents = (messages: readonly ChatMessage[]): string[] => messages.map(({ content }) => content);
pure('whole turns go, the oldest first, as few as make the context half empty; system messages stay', () => {
  const turns = talk('aaaa', 'AAAA', 'bbbb', 'BBBB', 'cccc', 'CCCC', 'dddd');
  const system: ChatMessage = { role: 'system', content: 'ss' };
  assert.equal(contents(shiftMessages(turns, encode, [], 28)!.messages), ['aaaa', 'AAAA', 'bbbb', 'BBBB']);
  assert.equal(contents(shiftMessages([system, ...turns], encode, [], 28)!.messages), ['aaaa', 'AAAA', 'bbbb', 'BBBB']);
  assert.is(shiftMessages([system, ...turns], encode, [], 28)!.prompt, 14);
  assert.equal(contents(shiftMessages(turns, encode, [], 56)!.messages), ['aaaa', 'AAAA']);
  const shifted = shiftMessages(turns, encode, [9, 9, 9], 30)!;
  assert.equal(contents(shifted.messages), ['aaaa', 'AAAA', 'bbbb', 'BBBB']);
  assert.is(shifted.prompt, 12);
  assert.equal(shifted.ids.slice(12), [9, 9, 9]);
});
pure('what is longer than half the context stays if there is room for a token, else nothing can be done', () => {
  assert.equal(contents(shiftMessages(talk('aaaa', 'AAAA', 'bbbbbbbb'), encode, [], 9)!.messages), ['aaaa', 'AAAA']);
  assert.is(shiftMessages(talk('aaaa', 'AAAA', 'bbbbbbbb'), encode, [], 8), null);
  assert.is(shiftMessages(talk('aaaaaaaaa'), encode, [], 8), null);
  assert.is(shiftMessages([{ role: 'system', content: 'ssssssssss' }], encode, [], 8), null);
  assert.is(shiftMessages([], encode, [], 8), null);
});
pure('messages of other roles go with their turn', () => {
  const turns: ChatMessage[] = [{ role: 'user', content: 'aaaa' }, { role: 'assistant', content: 'call' }, { role: 'tool', content: 'tttt' }, { role: 'assistant', content: 'AAAA' }, { role: 'user', content: 'b' }];
  assert.equal(contents(shiftMessages(turns, encode, [], 10)!.messages), ['aaaa', 'call', 'tttt', 'AAAA']);
});
pure.run();

const stop = suite('stop and error');
stop('an answer ends at the context, and its stats say so', inTavern(async (engine) => {
  const session = engine.session({ contextLength: 40 });
  await collect(session.say(LINES[0], { maxTokens: 1000, endTokens: [] }));
  assert.equal([session.stats.ended, session.tokens.length, session.stats.dropped], ['context', 40, 0]);
  await rejects(() => collect(session.say(LINES[0])), 'context/full');
  session.dispose();
}));
stop("whenFull 'error': the stream throws behind its last piece, and the session can be used again", inTavern(async (engine) => {
  for (const speculate of [false, true]) {
    const plain = engine.session({ contextLength: 60 });
    const whole = await collect(plain.say(LINES[0], { maxTokens: 1000, endTokens: [] }));
    const session = engine.session({ contextLength: 60, whenFull: 'error', speculate });
    let text = '';
    await rejects(async () => { for await (const piece of session.say(LINES[0], { maxTokens: 1000, endTokens: [] })) text += piece; }, 'context/full');
    assert.is(text, whole);
    assert.equal([session.stats.ended, session.busy, session.messages.at(-1)!.content], ['context', false, whole]);
    await rejects(() => collect(session.say(LINES[0])), 'context/full');
    assert.ok((await collect(session.complete([5, 6, 7], { maxTokens: 5, endTokens: [] }))).length > 0);
    // An answer that fits is none.
    await collect(session.complete([5, 6, 7], { maxTokens: 57, endTokens: [] }));
    assert.is(session.stats.ended, 'length');
    plain.dispose();
    session.dispose();
  }
}));
stop('options that are none', inTavern(async (engine) => {
  await rejects(() => engine.session({ whenFull: 'burst' as never }), 'session/when-full');
  for (const keepTokens of [-1, 1.5, 39, NaN]) await rejects(() => engine.session({ contextLength: 40, keepTokens }), 'session/keep-tokens');
  engine.session({ contextLength: 40, keepTokens: 38, whenFull: 'shift' }).dispose();
  engine.session({ contextLength: 1 }).dispose();
  await rejects(() => engine.session({ templateOptions: 'x' as never }), 'session/template-options');
  await rejects(() => engine.session({ templateOptions: { big: 1n } }), 'session/template-options');
}));
stop.run();

const shift = suite("whenFull 'shift'");

/** The generated ids of a long answer by hand: sessions that each begin afresh on the tokens that remain, with the generator as the one before left it. */
async function byHand(engine: Engine, options: SessionOptions, prompt: readonly number[], count: number): Promise<number[]> {
  const { contextLength, keepTokens = Math.min(4, contextLength - 2) } = options as { contextLength: number; keepTokens?: number };
  const made: number[] = [];
  let saved: SavedSession = (() => { const session = engine.session({ ...options, whenFull: 'stop', speculate: false }); const empty = session.save(); session.dispose(); return empty; })();
  for (let ids = [...prompt]; made.length < count;) {
    if (ids.length >= contextLength) ids = [...shiftTokens(ids, ids.length, keepTokens, contextLength).ids];
    const session = engine.restore(saved);
    await collect(session.complete(ids, { maxTokens: Math.min(count - made.length, contextLength - ids.length), endTokens: [] }));
    made.push(...session.tokens.slice(ids.length));
    ids = [...session.tokens];
    saved = { ...session.save(), tokens: [], messages: [] };
    session.dispose();
  }
  return made;
}

const OPTIONS: readonly SessionOptions[] = [
  { contextLength: 48 },
  { contextLength: 50, adapters: { pirate: 1 }, temperature: 0.8, topK: 30, seed: 4, keepTokens: 0 },
  { contextLength: 64, adapters: { ghost: 0.7, goblin: 0.2 }, repetitionPenalty: 1.2, keepTokens: 20, speculate: true },
  { contextLength: 33, adapters: { herald: 1 }, temperature: 0.5, seed: 9, keepTokens: 31, speculate: { maxDraft: 15, minMatch: 1 } },
  { contextLength: 6, temperature: 1, seed: 2, keepTokens: 1, speculate: true },
  { contextLength: 2 },
];
for (const options of OPTIONS) {
  for (const length of [1, 40, 90]) {
    shift(`${length} tokens and 120 more, ${JSON.stringify(options)}: after each shift what a fresh session says on what remains`, inTavern(async (engine) => {
      const prompt = Array.from({ length }, (_, i) => 100 + ((i * i * 7) % 300));
      const expected = await byHand(engine, options, prompt, 120);
      const found: number[] = [];
      const session = engine.session({ ...options, whenFull: 'shift' });
      await collect(session.complete(prompt, { maxTokens: 120, endTokens: [], onToken: (id) => { found.push(id); } }));
      assert.equal(found, expected);
      assert.equal([session.stats.ended, session.stats.tokens], ['length', 120]);
      assert.is(session.stats.dropped, length + 120 - session.tokens.length);
      if (options.speculate && options.contextLength! > 40) assert.ok(session.stats.drafted > 0);
      session.dispose();
    }));
  }
}
shift('under an aLoRA: what was given stays what can invoke it, and it is gone when that is dropped', async () => {
  const engine = await engineOf('llama', 'manual');
  for (const name of ['alora', 'qv']) await engine.adapters.load(name, goldenAdapter('llama', name));
  const prompt = [...TOKENS.slice(0, 3), 11, 12, ...TOKENS]; // 11, 12 invoke the aLoRA
  const run = (adapters: Blend, keepTokens: number): Promise<number[]> => {
    const session = engine.session({ adapters, contextLength: 32, whenFull: 'shift', keepTokens });
    const found: number[] = [];
    return answer(engine, session, prompt, { maxTokens: 60, endTokens: [], onToken: (id) => { found.push(id); } }).then(() => found);
  };
  const first = 32 - prompt.length; // tokens before the first shift
  const kept = await run({ alora: 3 }, 8);
  const gone = await run({ alora: 3 }, 2);
  const base = await run({}, 2);
  assert.equal(kept.slice(0, first), gone.slice(0, first));
  assert.not.equal(gone.slice(0, first), base.slice(0, first));
  // Without its invocation the rest is the base's.
  const remaining = shiftTokens([...prompt, ...gone.slice(0, first)], prompt.length, 2, 32).ids;
  const rest = await answer(engine, engine.session(), remaining, { maxTokens: 32 - remaining.length, endTokens: [] });
  assert.equal(gone.slice(first, first + rest.length), rest);
  engine.dispose();
});
shift('a blend that changes, and one that is rescaled, between shifts', inTavern(async (engine) => {
  const run = async (speculate: boolean): Promise<number[]> => {
    const session = engine.session({ contextLength: 40, whenFull: 'shift', adapters: { pirate: 1 }, speculate });
    const found: number[] = [];
    engine.adapters.rescale('pirate', 1);
    await collect(session.complete([5, 6, 7, 8, 9, 10], { maxTokens: 120, endTokens: [], onToken: (id) => { found.push(id); } }), (text) => {
      if (text.length > 100) session.adapters = { pirate: 1, ghost: 0.2 };
      if (text.length > 200) engine.adapters.rescale('pirate', 0.5);
    });
    session.dispose();
    return found;
  };
  assert.equal(await run(true), await run(false));
}));
shift.run();

const turns = suite("whenFull 'shift', in a conversation");
const promptOf = (engine: Engine, messages: readonly ChatMessage[]): number[] =>
  engine.tokenizer.encode(`<|begin|>${messages.map(({ role, content }) => `<|${role}|>${content}<|end|>`).join('')}<|assistant|>`, false);

turns('a long one goes on, over the newest turns and the system message', inTavern(async (engine) => {
  for (const speculate of [false, true]) {
    const session = engine.session({ system: 'You are Mara.', contextLength: 128, whenFull: 'shift', adapters: { pirate: 1 }, temperature: 0.6, seed: 8, speculate });
    let messages = 0;
    let dropped = 0;
    for (let turn = 0; turn < 14; turn++) {
      const line = LINES[turn % LINES.length]!;
      const before = session.save();
      const text = await collect(session.say(line, { maxTokens: 24 }));
      const { stats } = session;
      messages += stats.droppedMessages;
      dropped += stats.dropped;
      assert.is(session.messages.length, 1 + 2 * (turn + 1) - messages);
      assert.is(session.messages[0]!.role, 'system');
      assert.is(session.messages[1]!.role, 'user');
      assert.equal(session.messages.slice(-2), [{ role: 'user', content: line }, { role: 'assistant', content: text }]);
      // The same by a session that never had more than what remains.
      const fresh = engine.restore({ ...before, tokens: [], messages: session.messages.slice(0, -2), options: { ...before.options, whenFull: 'stop', speculate: false } });
      assert.equal(await collect(fresh.say(line, { maxTokens: 24 })), text, `turn ${turn}`);
      assert.equal(fresh.save().sampler, session.save().sampler);
      assert.equal(fresh.tokens, session.tokens);
      fresh.dispose();
    }
    assert.ok(messages >= 8 && dropped > 150, `${messages} messages, ${dropped} tokens`);
    session.dispose();
  }
}));
turns('an answer that reaches the end within itself: the prompt of the turns that remain, and the answer so far', inTavern(async (engine) => {
  for (const speculate of [false, true]) {
    const session = engine.session({ contextLength: 128, whenFull: 'shift', speculate });
    for (const line of LINES.slice(0, 2)) await collect(session.say(line, { maxTokens: 20 }));
    const made: number[] = [];
    let cut: { tokens: number[]; saved: SavedSession } | null = null;
    let length = 0;
    const onToken = (id: number): void => {
      made.push(id);
      if (session.tokens.length < length) cut ??= { tokens: [...session.tokens], saved: session.save() };
      length = session.tokens.length;
    };
    const line = LINES[2];
    const text = await collect(session.say(line, { maxTokens: 100, endTokens: [], onToken }));
    assert.is(made.length, 100);
    assert.equal([session.stats.ended, session.stats.droppedMessages, session.messages.length], ['length', 4, 2]);
    assert.equal(session.messages, [{ role: 'user', content: line }, { role: 'assistant', content: text }]);
    const prompt = promptOf(engine, [{ role: 'user', content: line }]);
    assert.equal(session.tokens, [...prompt, ...made]);
    const { tokens, saved } = cut!;
    assert.equal(tokens, [...prompt, ...made.slice(0, tokens.length - prompt.length)]);
    const fresh = engine.restore({ ...saved, tokens: [] });
    await collect(fresh.complete(tokens, { maxTokens: 20, endTokens: [], speculate: false }));
    assert.equal(fresh.tokens, session.tokens.slice(0, tokens.length + 20));
    fresh.dispose();
    session.dispose();
  }
}));
turns('where no turn can go the answer ends and says so; a line that never fits is refused, and nothing is lost', inTavern(async (engine) => {
  const session = engine.session({ contextLength: 40, whenFull: 'shift' });
  await collect(session.say(LINES[0], { maxTokens: 100, endTokens: [] }));
  assert.equal([session.stats.ended, session.tokens.length, session.stats.dropped], ['context', 40, 0]);
  const before = session.save();
  await rejects(() => collect(session.say(Array.from({ length: 60 }, () => 'treasure').join(' '))), 'context/full');
  assert.equal(session.save(), before);
  await collect(session.say(LINES[1], { maxTokens: 8 }));
  assert.is(session.stats.droppedMessages, 2);
  session.dispose();
}));
turns('a template that fails in the midst of an answer fails that answer alone', inTavern(async (engine) => {
  const session = engine.session({ contextLength: 128, whenFull: 'shift' });
  for (const line of LINES.slice(0, 2)) await collect(session.say(line, { maxTokens: 20 }));
  const other = engine.session();
  const expected = await collect(other.say(LINES[0], { maxTokens: 100, endTokens: [] }));
  const bystander = engine.session();
  const watched = collect(bystander.say(LINES[0], { maxTokens: 100, endTokens: [] }));
  const { encode: encodeText } = engine.tokenizer;
  let said = 0;
  const onToken = (): void => { if (++said === 3) engine.tokenizer.encode = () => { throw new RangeError('the tokenizer fails'); }; };
  const failed: unknown = await collect(session.say(LINES[2], { maxTokens: 100, endTokens: [], onToken })).then(() => null, (error: unknown) => error);
  engine.tokenizer.encode = encodeText;
  assert.instance(failed, RangeError);
  assert.is(session.stats.ended, 'context');
  assert.is(await watched, expected);
  for (const of of [session, other, bystander]) of.dispose();
}));
turns.run();
