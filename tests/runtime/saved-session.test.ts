import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createEngine, type Blend, type Engine, type GenerateOptions, type SavedSession, type Session, type SessionOptions } from '../../src/index.js';
import { answer, engineOf, TOKENS } from '../adapters/answers.js';
import { goldenAdapter } from '../adapters/folders.js';
import { collect, inTavern, left, LINES, rejects, tavern } from './tavern.js';

/** As it comes out of a file. */
const stored = (saved: SavedSession): SavedSession => JSON.parse(JSON.stringify(saved)) as SavedSession;

const SESSIONS: readonly SessionOptions[] = [
  {},
  { system: 'You are Mara, captain of the Gull.', adapters: { pirate: 0.8, herald: 0.2 }, seed: 7 },
  { adapters: { ghost: 1 }, seed: 2 ** 40 + 3, temperature: 0.9, topK: 30, topP: 0.95, minP: 0.01, repetitionPenalty: 1.1 },
  { adapters: { goblin: -0.5 }, seed: 11, temperature: 1.2, speculate: true, contextLength: 300, whenFull: 'shift', keepTokens: 9 },
];
const BLENDS: readonly Blend[] = [{}, { pirate: 1 }, { automaton: 0.3, ghost: 0.4 }];

const saved: SavedSession = await (async () => {
  const engine = await tavern();
  const session = engine.session({ ...SESSIONS[1], temperature: 0.5 });
  await collect(session.say(LINES[0], { maxTokens: 8 }));
  const made = stored(session.save());
  engine.dispose();
  return made;
})();

const save = suite('saved sessions');
save('go on as if they had never been saved: on the same engine, on another, and more than once', inTavern(async (engine) => {
  const other = await tavern({ prefixCache: false });
  for (const options of SESSIONS) {
    const session = engine.session(options);
    for (const [turn, line] of LINES.entries()) {
      const saved = stored(session.save());
      const generate: GenerateOptions = { maxTokens: 24, ...(turn === 2 && { temperature: 0.7 }) };
      const restored = [engine.restore(saved), other.restore(saved), other.restore(stored(other.restore(saved).save()))];
      const blend = BLENDS[turn % BLENDS.length]!; // from this turn on
      const run = async (of: Session): Promise<unknown> => {
        if (turn > 0) of.adapters = blend;
        return [left(of, await collect(of.say(line, generate))), of.adapters, of.seed];
      };
      const expected = await run(session);
      for (const again of restored) {
        assert.equal(await run(again), expected);
        again.dispose();
      }
    }
    session.dispose();
  }
  other.dispose();
}));
save('are small, plain, frozen JSON of this version', inTavern(async (engine) => {
  const session = engine.session(SESSIONS[2]);
  await collect(session.say(LINES[0], { maxTokens: 16 }));
  const saved = session.save();
  assert.equal(saved, stored(saved));
  assert.equal(Object.keys(saved), ['version', 'model', 'tokens', 'messages', 'adapters', 'seed', 'sampler', 'options']);
  assert.is(saved.version, 1);
  assert.equal(saved.options, { contextLength: 512, keepTokens: 4, speculate: false, kv: 'recompute', whenFull: 'stop', templateOptions: {}, temperature: 0.9, topK: 30, topP: 0.95, minP: 0.01, repetitionPenalty: 1.1 });
  assert.ok(JSON.stringify(saved).length < 1500, `${JSON.stringify(saved).length} characters`);
  for (const part of [saved, saved.tokens, saved.messages, saved.messages[0], saved.adapters, saved.options]) assert.ok(Object.isFrozen(part));
  const before = [...saved.tokens];
  await collect(session.say(LINES[1], { maxTokens: 16 }));
  assert.equal(saved.tokens, before, 'what the session does later is not in it');
  session.dispose();
}));
save('before the first line, and one whose tokens are given as ids', async () => {
  const engine = await engineOf('llama', 'manual');
  await engine.adapters.load('qv', goldenAdapter('llama', 'qv'));
  const options = { adapters: { qv: 1 }, seed: 5, temperature: 1 };
  const expected = await answer(engine, engine.session(options), TOKENS);
  const restored = engine.restore(engine.session(options).save());
  assert.equal(await answer(engine, restored, TOKENS), expected);
  // The rest of an answer: the same tokens, since the generator goes on where it stood.
  const begun = engine.session(options);
  const first = await answer(engine, begun, TOKENS, { maxTokens: 9, endTokens: [] });
  const rest = engine.restore(stored(begun.save()));
  assert.equal(rest.tokens, [...TOKENS, ...first]);
  assert.equal([...first, ...await answer(engine, rest, rest.tokens.slice(), { maxTokens: expected.length - 9, endTokens: [] })], expected);
  engine.dispose();
});
for (const speculate of [false, true]) {
  save(`while an answer is under way: what leaving it would leave${speculate ? ', what is ahead forgotten' : ''}`, inTavern(async (engine) => {
    const options: SessionOptions = { adapters: { pirate: 0.9 }, temperature: 0.4, seed: 21, speculate };
    for (let at = 1; at < 20; at += 3) {
      const session = engine.session(options);
      await collect(session.say(LINES[0], { maxTokens: 30 }));
      let kept: SavedSession | null = null;
      let pieces = 0;
      let told = '';
      for await (const piece of session.say(LINES[0], { maxTokens: 30 })) {
        told += piece;
        if (++pieces === at) {
          kept = stored(session.save());
          break;
        }
      }
      assert.equal(kept, session.save(), 'the save within the loop is the one behind it');
      assert.equal(kept!.messages.slice(-2), [{ role: 'user', content: LINES[0] }, { role: 'assistant', content: told }]);
      const restored = engine.restore(kept!);
      const run = async (of: Session): Promise<unknown> => left(of, await collect(of.say(LINES[1], { maxTokens: 20 })));
      assert.equal(await run(restored), await run(session), `saved at piece ${at}`);
      restored.dispose();
      session.dispose();
    }
  }));
}
save('a cache that was kept under another blend is computed under the present one', inTavern(async (engine) => {
  const session = engine.session({ adapters: { pirate: 1 }, kv: 'keep' });
  await collect(session.say(LINES[0], { maxTokens: 20 }));
  session.adapters = { ghost: 1 };
  const restored = engine.restore(session.save());
  const exact = engine.session({ adapters: { ghost: 1 } });
  exact.messages.push(...session.messages);
  assert.equal(left(restored, await collect(restored.say(LINES[1], { maxTokens: 20 }))), left(exact, await collect(exact.say(LINES[1], { maxTokens: 20 }))));
  for (const of of [session, restored, exact]) of.dispose();
}));
save.run();

const bad = suite('saved sessions that are none');
const cycle: Record<string, unknown> = { version: 1 };
cycle.model = cycle;
let deep: unknown = {};
for (let i = 0; i < 1e5; i++) deep = [deep];
const without = (key: string): unknown => Object.fromEntries(Object.entries(saved).filter(([name]) => name !== key));
const withOption = (option: object): unknown => ({ ...saved, options: { ...saved.options, ...option } });

const CASES: readonly (readonly [title: string, code: string, value: unknown])[] = [
  ['nothing', 'invalid', undefined], ['null', 'invalid', null], ['a text', 'invalid', JSON.stringify(saved)], ['a list', 'invalid', [saved]], ['a function', 'invalid', () => saved],
  ['a cycle', 'invalid', cycle], ['what is nested too deep', 'invalid', { ...saved, messages: deep }], ['a getter that throws', 'invalid', { get version() { throw new Error('no'); } }],
  ['a big integer', 'invalid', { ...saved, seed: 1n }],
  ['an empty object', 'version', {}], ['another version', 'version', { ...saved, version: 2 }], ['a version as a text', 'version', { ...saved, version: '1' }],
  ...Object.keys(saved).map((key) => [`without ${key}`, key === 'version' ? 'version' : 'invalid', without(key)] as const),
  ...Object.keys(saved).filter((key) => key !== 'version').map((key) => [`${key} null`, 'invalid', { ...saved, [key]: null }] as const),
  ...Object.keys(saved.model).map((key) => [`another ${key}`, 'model', { ...saved, model: { ...saved.model, [key]: 7 } }] as const),
  ['a model without facts', 'model', { ...saved, model: {} }],
  ...[-1, 1.5, 1e9, '5', null, NaN, saved.model.vocabSize].map((id) => [`token ${String(id)}`, 'tokens', { ...saved, tokens: [5, id] }] as const),
  ['more tokens than the context', 'tokens', { ...saved, tokens: Array.from({ length: 513 }, () => 5) }],
  ['more tokens than its own context', 'tokens', { ...saved, tokens: Array.from({ length: 65 }, () => 5), options: { contextLength: 64 } }],
  ['tokens in an object', 'invalid', { ...saved, tokens: { length: 1e9 } }],
  ['a message without content', 'invalid', { ...saved, messages: [{ role: 'user' }] }], ['a message that is a text', 'invalid', { ...saved, messages: ['hello'] }], ['a role that is a number', 'invalid', { ...saved, messages: [{ role: 1, content: '' }] }],
  ...[[1], [1, 2, 3], [-1, 0], [0.5, 0], [0, 2 ** 32], ['1', '2']].map((sampler) => [`sampler ${JSON.stringify(sampler)}`, 'invalid', { ...saved, sampler }] as const),
  ...[-1, 0.5, 2 ** 53, '7'].map((seed) => [`seed ${seed}`, 'invalid', { ...saved, seed }] as const),
  ['an adapter that is not there', 'adapter', { ...saved, adapters: { kraken: 1 } }], ['a scale that is none', 'adapter', { ...saved, adapters: { pirate: 'loud' } }], ['adapters in a list', 'invalid', { ...saved, adapters: ['pirate'] }],
  ['an adapter by the name of a prototype', 'adapter', JSON.parse(JSON.stringify(saved).replace('"pirate"', '"__proto__"'))],
  ['a context beyond the model', 'invalid', withOption({ contextLength: 1e6 })], ['a context of no number', 'invalid', withOption({ contextLength: {} })], ['a policy that is none', 'invalid', withOption({ whenFull: 'burst' })],
  ['a kv that is none', 'invalid', withOption({ kv: 1 })], ['a temperature below 0', 'invalid', withOption({ temperature: -1 })], ['a speculation of 1e9', 'invalid', withOption({ speculate: { maxDraft: 1e9 } })],
  ['more kept than there is', 'invalid', withOption({ keepTokens: 600 })], ['template options in a list', 'invalid', withOption({ templateOptions: [] })],
];
for (const [title, code, value] of CASES) {
  bad(`${title}: session/saved-${code}`, async () => {
    const before = engine.memory();
    await rejects(() => engine.restore(value as SavedSession), `session/saved-${code}`);
    assert.equal(engine.memory(), before);
  });
}
let engine: Engine;
bad.before(async () => { engine = await tavern(); });
bad('of another model: session/saved-model', async () => {
  const other = await engineOf('llama');
  await rejects(() => other.restore(saved), 'session/saved-model');
  other.dispose();
});
bad('cut off anywhere: no JSON, or a typed error', async () => {
  const text = JSON.stringify(saved);
  for (let length = 0; length < text.length; length += 7) assert.throws(() => JSON.parse(text.slice(0, length)));
});
bad('extra fields are not taken over', async () => {
  const session = engine.restore({ ...saved, options: { ...saved.options, adapters: { ghost: 1 }, system: 'intruder', seed: 99 }, extra: 1 } as unknown as SavedSession);
  assert.equal(session.save(), saved);
  session.dispose();
});
bad('without memory for it nothing remains', async () => {
  const small = await createEngine({ model: 'models/tavern', memoryLimit: 8 * 2 ** 20 });
  const { kv } = small.memory();
  const sessions: Session[] = [];
  const { adapters: _, ...plain } = saved;
  await rejects(() => { for (;;) sessions.push(small.restore({ ...plain, adapters: {} })); }, 'memory/exhausted');
  for (const session of sessions) session.dispose();
  assert.is(small.memory().kv.used, kv.used);
  small.dispose();
});
bad('on a disposed engine, and of a disposed session', async () => {
  const session = engine.restore(saved);
  session.dispose();
  await rejects(() => session.save(), 'session/disposed');
  engine.dispose();
  await rejects(() => engine.restore(saved), 'engine/disposed');
});
bad.run();
