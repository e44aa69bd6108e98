import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Blend, type Engine, type GenerateOptions, type Session, type SessionOptions } from '../../src/index.js';
import { Speculation, speculateOptions } from '../../src/runtime/speculate.js';
import { answer, engineOf, TOKENS } from '../adapters/answers.js';
import { goldenAdapter } from '../adapters/folders.js';
import { spiedOn } from '../adapters/spies.js';
import { collect, inTavern, left, LINES, rejects, said, turn } from './tavern.js';

const draft = suite('drafts');
const proposed = (tokens: readonly number[], room = 15, options = {}): number[] => {
  const speculation = new Speculation(speculateOptions({ maxDraft: 6, ...options })!);
  speculation.propose(tokens, room);
  return [...speculation.draft.subarray(0, speculation.rows)];
};
draft('what followed the last tokens before, after the longest match and of equal ones the latest', () => {
  assert.equal(proposed([1, 2, 3, 4, 5, 6, 7, 8, 9, 2, 3]), [4, 5, 6, 7, 8, 9]);
  assert.equal(proposed([1, 2, 3, 50, 60, 9, 2, 3, 70, 80, 2, 3], 2), [70, 80]);
  assert.equal(proposed([1, 2, 3, 50, 60, 9, 2, 3, 70, 80, 1, 2, 3], 2), [50, 60]);
});
draft('none without a match, below minMatch, or without room', () => {
  assert.equal(proposed([1, 2, 3, 4]), []);
  assert.equal(proposed([]), []);
  assert.equal(proposed([7]), []);
  assert.equal(proposed([1, 9, 2, 9]), []);
  assert.equal(proposed([1, 9, 2, 9], 15, { minMatch: 1 }), [2, 9, 2, 9, 2, 9]);
  assert.equal(proposed([1, 2, 3, 1, 2, 3, 1], 0), []);
  assert.equal(proposed([1, 2, 3, 1, 2, 3, 1], -1), []);
});
draft('a text of one period goes on with it', () => {
  assert.equal(proposed([4, 4, 4]), [4, 4, 4, 4, 4, 4]);
  assert.equal(proposed([8, 1, 2, 1, 2]), [1, 2, 1, 2, 1, 2]);
});
draft('drafts get as short as what held, and longer again', () => {
  const speculation = new Speculation({ maxDraft: 8, minMatch: 1 });
  const rounds: number[] = [];
  for (const held of [8, 0, 1, 2, 4, 3]) {
    speculation.propose([5, 5], 15);
    rounds.push(speculation.rows);
    for (let at = 0; ; at++) if (!speculation.choose(at < held ? 5 : 6, 0, 0)) break;
    speculation.settle();
  }
  assert.equal(rounds, [8, 8, 1, 2, 4, 8]);
});
draft('options that are none', () => {
  for (const option of [1, 'yes', null, { maxDraft: 0 }, { maxDraft: 16 }, { maxDraft: 1.5 }, { minMatch: 0 }, { minMatch: 13 }]) assert.throws(() => speculateOptions(option as never), /"speculate" expected/);
  assert.is(speculateOptions(false), null);
  assert.equal(speculateOptions(true), { maxDraft: 7, minMatch: 2 });
  assert.equal(speculateOptions({ minMatch: 3 }), { maxDraft: 7, minMatch: 3 });
});
draft.run();

const BLENDS: readonly Blend[] = [{}, { pirate: 1 }, { ghost: 0.6, herald: 0.5 }, { goblin: -0.4 }];
const SAMPLINGS: readonly GenerateOptions[] = [{}, { temperature: 0.3, topK: 20 }, { temperature: 1, topP: 0.9, minP: 0.02, repetitionPenalty: 1.15 }, { repetitionPenalty: 1.3 }];

const same = suite('the same answer');
same('over lines, blends, sampling and seeds: text, tokens and the generator', inTavern(async (engine) => {
  let accepted = 0;
  let drafted = 0;
  for (const [i, line] of LINES.entries()) {
    for (const [j, adapters] of BLENDS.entries()) {
      const before = await turn(engine, line, adapters);
      for (const [k, sampling] of SAMPLINGS.entries()) {
        const session: SessionOptions = { adapters, seed: 100 * i + 10 * j + k, ...sampling };
        const generate: GenerateOptions = { maxTokens: 48 };
        const { stats: _, ...plain } = await said(engine, line, session, generate, before);
        for (const speculate of [true, { maxDraft: 15, minMatch: 1 }]) {
          const { stats, ...found } = await said(engine, line, { ...session, speculate }, generate, before);
          assert.equal(found, plain, `${line} ${JSON.stringify(session)}`);
          accepted += stats.accepted;
          drafted += stats.drafted;
        }
      }
    }
  }
  assert.ok(accepted > 300 && drafted >= accepted, `${accepted} of ${drafted} were accepted`);
}));
same('exactly so many were accepted', inTavern(async (engine) => {
  const counts: Record<string, number[]> = {};
  for (const [title, ids] of [['the demo', engine.tokenizer.encode('The captain')], ['a refrain', Array.from({ length: 40 }, (_, i) => 100 + (i % 12))]] as const) {
    const session = engine.session({ speculate: true });
    await collect(session.complete(ids, { maxTokens: 200, endTokens: [] }));
    counts[title] = [session.stats.tokens, session.stats.drafted, session.stats.accepted];
    session.dispose();
  }
  assert.equal(counts, { 'the demo': [200, 151, 117], 'a refrain': [200, 146, 86] }, 'tokens, drafted, accepted');
}));
same('a pass for every token that was not accepted', async () => {
  const { made: engine, spy } = await spiedOn(() => engineOf('llama', 'manual'));
  let passes = 0;
  spy.called = new (class extends Set<string> { // a pass gathers its rows of the embedding once
    override add(kernel: string): this { if (kernel === 'gather') passes++; return this; }
  })();
  for (const speculate of [false, true]) {
    const session = engine.session();
    passes = 0;
    const stream = collect(session.complete([5, 6, 5, 6, 5, 6, 5], { maxTokens: 50, endTokens: [], speculate: speculate && { minMatch: 1 } }));
    await new Promise((resolve) => { setImmediate(resolve); });
    engine.step(1e6); // no budget cuts the prompt
    await stream;
    const { tokens, accepted } = session.stats;
    assert.is(passes + accepted, tokens);
    assert.is(accepted > 5, speculate, `${accepted} accepted`);
    session.dispose();
  }
  engine.dispose();
});
same.run();

const ends = suite('ends within a draft');
ends('maxTokens, end tokens, stop texts and the context end the answer where it ended', inTavern(async (engine) => {
  const line = LINES[3];
  const before = await turn(engine, line);
  const whole = await said(engine, line, {}, { maxTokens: 60, endTokens: [] }, before);
  const prompt = whole.tokens.length - whole.count;
  const cases: [SessionOptions, GenerateOptions][] = [];
  for (let n = 1; n <= 40; n++) cases.push([{}, { maxTokens: n, endTokens: [] }], [{ contextLength: prompt + n }, { maxTokens: 60, endTokens: [] }]);
  for (const id of new Set(whole.tokens.slice(prompt))) cases.push([{}, { maxTokens: 60, endTokens: [id] }]);
  for (let at = 0; at < whole.text.length - 4; at += 5) cases.push([{ temperature: 0.3, seed: at }, { maxTokens: 60, endTokens: [], stop: [whole.text.slice(at, at + 4)] }]);
  const ways = new Set<string>();
  let accepted = 0;
  for (const [session, generate] of cases) {
    const { stats: _, ...plain } = await said(engine, line, session, generate, before);
    const { stats, ...found } = await said(engine, line, { ...session, speculate: { maxDraft: 12, minMatch: 1 } }, generate, before);
    assert.equal(found, plain, JSON.stringify([session, generate]));
    ways.add(found.ended);
    accepted += stats.accepted;
  }
  assert.equal([...ways].sort(), ['context', 'end token', 'length', 'stop']);
  assert.ok(accepted > 100, `${accepted} accepted`);
}));
ends('leaving, saying the next line, and the line after that', inTavern(async (engine) => {
  const history = await turn(engine, LINES[0], { pirate: 1 });
  const run = async (speculate: boolean, leaveAt: number): Promise<unknown> => {
    const session = engine.session({ adapters: { pirate: 1 }, temperature: 0.2, seed: 3, speculate });
    session.messages.push(...history);
    let pieces = 0;
    for await (const _ of session.say(LINES[0], { maxTokens: 40, endTokens: [] })) if (++pieces === leaveAt) break;
    const before = left(session, '');
    const after = left(session, await collect(session.say(LINES[0], { maxTokens: 20 })));
    session.dispose();
    return [before, after];
  };
  for (let at = 1; at < 25; at += 3) assert.equal(await run(true, at), await run(false, at), `left at piece ${at}`);
}));
ends.run();

const changes = suite('a blend that changes within an answer');
const CHANGES: readonly (readonly [string, (engine: Engine, session: Session) => void])[] = [
  ['another blend', (_, session) => { session.adapters = { pirate: 0.8, ghost: 0.1 }; }],
  ['the base', (_, session) => { session.adapters = {}; }],
  ['a rescale', (engine) => { engine.adapters.rescale('pirate', 0.7); }],
];
for (const kv of ['recompute', 'keep'] as const) {
  for (const [title, change] of CHANGES) {
    changes(`${title}, ${kv}: from the next token on`, inTavern(async (engine) => {
      const history = await turn(engine, LINES[0], { pirate: 1 });
      let accepted = 0;
      for (let at = 1; at < 24; at += 2) {
        const run = async (speculate: boolean): Promise<unknown> => {
          engine.adapters.rescale('pirate', 1);
          const session = engine.session({ adapters: { pirate: 1 }, kv, temperature: 0.2, seed: at, speculate });
          session.messages.push(...history);
          let pieces = 0;
          const text = await collect(session.say(LINES[0], { maxTokens: 40, endTokens: [] }), () => { if (++pieces === at) change(engine, session); });
          accepted += session.stats.accepted;
          const found = left(session, text);
          session.dispose();
          return found;
        };
        assert.equal(await run(true), await run(false), `changed at piece ${at}`);
      }
      assert.ok(accepted > 30, `${accepted} accepted`);
    }));
  }
}
changes.run();

const batches = suite('in a batch');
batches('sessions that speculate and sessions that do not, each as alone', inTavern(async (engine) => {
  const sessions = Array.from({ length: 11 }, (_, i) => ({
    line: LINES[i % LINES.length]!, generate: { maxTokens: 20 + 3 * i, endTokens: [] },
    options: { adapters: BLENDS[i % BLENDS.length]!, ...SAMPLINGS[i % 3]!, seed: i, speculate: i % 4 !== 1 } satisfies SessionOptions,
  }));
  const turns = await Promise.all(sessions.map(({ line, options: { adapters } }) => turn(engine, line, adapters)));
  const alone: Awaited<ReturnType<typeof said>>[] = [];
  for (const [i, { line, options, generate }] of sessions.entries()) alone.push(await said(engine, line, { ...options, speculate: false }, generate, turns[i]));
  const together = await Promise.all(sessions.map(({ line, options, generate }, i) => said(engine, line, options, generate, turns[i])));
  together.forEach(({ stats, ...found }, i) => {
    const { stats: _, ...plain } = alone[i]!;
    assert.equal(found, plain, `session ${i}`);
    if (!sessions[i]!.options.speculate) assert.is(stats.drafted, 0);
  });
  assert.ok(together.reduce((sum, { stats }) => sum + stats.accepted, 0) > 30);
}));
batches('with an aLoRA, DoRA, replaced weights and a game that steps op by op', async () => {
  const engine = await engineOf('llama', 'manual');
  const blends: readonly Blend[] = [{ alora: 3 }, { alora: 2, dora: 1 }, { save_head: 1 }, { tokens: 1 }, { dora: 0.5, all: -1 }, {}];
  for (const name of new Set(blends.flatMap((blend) => Object.keys(blend)))) await engine.adapters.load(name, goldenAdapter('llama', name));
  const prompt = (i: number): number[] => [...TOKENS, 11, 12, 20 + i, 5, 6, 5, 6, 5]; // 11, 12 invoke the aLoRA
  const run = async (i: number, speculate: boolean, at = Infinity): Promise<unknown> => {
    const session = engine.session({ adapters: blends[i]!, seed: i, temperature: i % 2, topK: 4, speculate: speculate && { minMatch: 1 } });
    const found = await answer(engine, session, prompt(i), { maxTokens: 40, endTokens: [] }, at, () => { session.adapters = blends[(i + 1) % blends.length]!; });
    const { accepted } = session.stats;
    session.dispose();
    if (speculate) total += accepted;
    return found;
  };
  let total = 0;
  const alone: unknown[] = [];
  for (let i = 0; i < blends.length; i++) alone.push(await run(i, false));
  assert.equal(await Promise.all(blends.map((_, i) => run(i, true))), alone);
  for (let i = 0; i < blends.length; i++) assert.equal(await run(i, true, 9), await run(i, false, 9), `${JSON.stringify(blends[i])}, changed after 9 tokens`);
  assert.ok(total > 10, `${total} accepted`);
  engine.dispose();
});
batches('an option that is none is refused, of a session and of an answer', inTavern(async (engine) => {
  await rejects(() => engine.session({ speculate: { maxDraft: 99 } }), 'session/speculate');
  await rejects(() => collect(engine.chat(LINES[0], { speculate: 3 as never })), 'session/speculate');
  const session = engine.session();
  await rejects(() => collect(session.say(LINES[0], { speculate: { minMatch: 0 } })), 'session/speculate');
  session.dispose();
}));
batches.run();
