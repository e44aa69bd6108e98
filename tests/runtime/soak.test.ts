import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isLorikeetError, type Blend, type Engine, type GenerateOptions, type SavedSession, type Session, type SessionOptions } from '../../src/index.js';
import { ROOT } from '../models/golden.js';
import { collect, LINES, tavern, VOICES } from './tavern.js';

// A crowd of sessions that are made, talk, change, are aborted, left, saved, restored and disposed in any order. What is restored goes on as on an engine of its own, and
// in the end every byte is back. LORIKEET_SOAK says how many actions (default 250).
const ACTIONS = Number(process.env.LORIKEET_SOAK ?? 250);

/** Deterministic numbers below n. */
function randoms(seed: number): (n: number) => number {
  let state = seed >>> 0;
  return (n) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
}

/** What may happen to a stream that others disturb. */
const EXPECTED = ['session/busy', 'session/disposed', 'context/full', 'adapter/unknown', 'adapter/merged', 'memory/exhausted'];
const LEFT = new Error('left');

class Crowd {
  readonly sessions: Session[] = [];
  readonly streams = new Set<Promise<void>>();
  readonly aborts = new Map<Session, AbortController>();
  readonly done: Record<string, number> = {};
  readonly ended: Record<string, number> = {};
  checked = 0;
  accepted = 0;
  dropped = 0;

  constructor(readonly engine: Engine, readonly apart: Engine, readonly random: (n: number) => number) {}

  of<T>(list: readonly T[]): T {
    return list[this.random(list.length)]!;
  }

  blend(): Blend {
    return Object.fromEntries(Array.from({ length: this.random(3) }, () => [this.of(VOICES), this.random(11) / 5 - 1]));
  }

  options(): SessionOptions {
    const { random } = this;
    return {
      adapters: this.blend(), seed: random(1e6), temperature: this.of([0, 0, 0.3, 1]), topK: this.of([0, 30]), repetitionPenalty: this.of([1, 1, 1.2]), kv: this.of(['recompute', 'recompute', 'keep']),
      contextLength: this.of([512, 150, 96]), whenFull: this.of(['stop', 'error', 'shift', 'shift']), speculate: this.of([false, true, { maxDraft: 15, minMatch: 1 }]), ...(random(3) === 0 && { system: 'You are Mara.' }),
    };
  }

  start(session: Session): void {
    const controller = new AbortController();
    const options: GenerateOptions = { maxTokens: 1 + this.random(80), signal: controller.signal, ...(this.random(2) === 0 && { endTokens: [] }), ...(this.random(6) === 0 && { stop: ['the'] }) };
    const stream = this.random(3) > 0 ? session.say(this.of(LINES), options) : session.complete(Array.from({ length: 1 + this.random(120) }, () => 10 + this.random(40)), options);
    const leaveAt = this.random(4) === 0 ? 1 + this.random(10) : Infinity;
    if (!session.busy) this.aborts.set(session, controller);
    const reading = (async () => {
      let pieces = 0;
      try {
        for await (const _ of stream) if (++pieces >= leaveAt) break;
        this.ended[session.stats.ended] = (this.ended[session.stats.ended] ?? 0) + 1;
        this.accepted += session.stats.accepted;
        this.dropped += session.stats.dropped;
      } catch (error) {
        assert.ok(error === LEFT || EXPECTED.some((code) => isLorikeetError(error, code)), String(error));
      }
    })();
    this.streams.add(reading);
    void reading.finally(() => this.streams.delete(reading)).catch(() => {});
  }

  /** A restored session says what it says on an engine where nothing else happens. */
  async check(saved: SavedSession): Promise<void> {
    const run = async (engine: Engine): Promise<unknown> => {
      const session = engine.restore(saved);
      try {
        const text = await collect(session.say(LINES[1], { maxTokens: 12 }));
        return [text, [...session.tokens], session.save().sampler];
      } catch (error) {
        if (!isLorikeetError(error, 'context/full')) throw error;
        return error.code;
      } finally {
        session.dispose();
      }
    };
    const { rescaled } = this;
    for (const voice of VOICES) this.apart.adapters.rescale(voice, rescaled[voice] ?? 1);
    const expected = await run(this.apart);
    if (this.rescaled === rescaled) {
      assert.equal(await run(this.engine), expected);
      this.checked++;
    }
  }

  rescaled: Readonly<Record<string, number>> = {};

  readonly actions: Record<string, () => unknown> = {
    make: () => { if (this.sessions.length < 12) this.sessions.push(this.engine.session(this.options())); },
    talk: () => this.start(this.of(this.sessions)),
    chat: () => this.start(this.of(this.sessions)),
    wait: async () => { for (let i = this.random(12); i > 0; i--) await new Promise((resolve) => { setImmediate(resolve); }); },
    'let them speak': async () => { for (let i = this.random(60); i > 0; i--) await new Promise((resolve) => { setImmediate(resolve); }); },
    abort: () => this.aborts.get(this.of(this.sessions))?.abort(LEFT),
    dispose: () => { if (this.random(2) === 0) this.sessions.splice(this.random(this.sessions.length), 1)[0]!.dispose(); },
    blend: () => { this.of(this.sessions).adapters = this.blend(); },
    rescale: () => {
      const voice = this.of(VOICES);
      const scale = this.random(5) / 4;
      this.engine.adapters.rescale(voice, scale);
      this.rescaled = { ...this.rescaled, [voice]: scale };
    },
    restore: () => { if (this.sessions.length < 12) this.sessions.push(this.engine.restore(this.of(this.sessions).save())); },
    check: async () => this.check(JSON.parse(JSON.stringify(this.of(this.sessions).save())) as SavedSession),
    reload: async () => { await this.engine.adapters.load(this.of(VOICES.slice(0, 2)), `${ROOT}adapters/${VOICES[0]}`).catch((error: unknown) => { assert.ok(isLorikeetError(error, 'adapter/superseded'), String(error)); }); },
    evaluate: () => { this.engine.logits([5, 9, 11], { adapters: this.blend() }); },
    merge: () => {
      try {
        this.engine.adapters.merge({ pirate: 0.5 });
        this.engine.adapters.unmerge();
      } catch (error) {
        assert.ok(isLorikeetError(error, 'adapter/merge'), String(error));
      }
    },
  };

  async run(count: number): Promise<void> {
    const names = Object.keys(this.actions);
    for (let i = 0; i < count; i++) {
      const name = this.sessions.length === 0 ? 'make' : this.of(names);
      this.done[name] = (this.done[name] ?? 0) + 1;
      await this.actions[name]!();
    }
    await Promise.all(this.streams);
  }
}

/** A game's loop in the background: steps of all sizes, between two ops mostly. */
function game(engine: Engine, random: (n: number) => number): { stop: () => Promise<void> } {
  let playing = true;
  const loop = (async () => {
    while (playing) {
      engine.step(random(3) === 0 ? 2 : 0.02 * (1 + random(20)));
      await new Promise((resolve) => { setImmediate(resolve); });
    }
  })();
  return { stop: () => { playing = false; return loop; } };
}

const soak = suite('soak');
for (const loop of ['auto', 'manual'] as const) {
  soak(`${ACTIONS} random actions, ${loop} loop: every restored session right, every byte back`, async () => {
    const engine = await tavern({ loop });
    const apart = await tavern({ prefixCache: false });
    // The second voice is loaded anew from the first one's files from time to time: so it is from the start.
    for (const of of [engine, apart]) await of.adapters.load(VOICES[1], `${ROOT}adapters/${VOICES[0]}`);
    const play = loop === 'manual' ? game(engine, randoms(3)) : null;
    await collect(engine.chat(LINES[0], { adapters: { pirate: 1, ghost: 1 }, maxTokens: 2 }));
    const before = engine.memory();
    const crowd = new Crowd(engine, apart, randoms(7));
    await crowd.run(ACTIONS);
    await play?.stop();
    console.log(JSON.stringify({ ...crowd.done, ended: crowd.ended, checked: crowd.checked, accepted: crowd.accepted, dropped: crowd.dropped }));
    for (const session of crowd.sessions) session.dispose();
    const after = engine.memory();
    for (const arena of ['weights', 'adapters', 'kv', 'activations', 'scratch'] as const) assert.is(after[arena].used, before[arena].used, arena);
    for (const { name } of engine.adapters.list()) assert.is(engine.adapters.get(name).pins, 0, name);
    assert.ok(crowd.checked > ACTIONS / 40, `${crowd.checked} checked`);
    for (const of of [engine, apart]) {
      of.dispose();
      const end = of.memory();
      for (const arena of ['weights', 'adapters', 'kv', 'activations', 'scratch'] as const) assert.is(end[arena].used, 0, arena);
    }
  });
}
soak.run();
