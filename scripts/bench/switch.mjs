// What changes cost a conversation of the demo model: another blend, another scale; and how fast it speaks with 0, 1, 2 and 5 adapters.
import { performance } from 'node:perf_hooks';
import { createEngine } from '../../build/js/src/index.js';
import { median, quantile, spread } from './measure.mjs';

const ROOT = new URL('../../', import.meta.url).pathname;
const CAST = ['herald', 'pirate', 'ghost', 'goblin', 'automaton'];
const PROMPT = 'Where is the treasure?';
/** Tokens between two changes: the one after the change, and steady ones on either side. */
const PERIOD = 4;
const LENGTH = 400;

async function demoEngine() {
  const engine = await createEngine({ model: `${ROOT}models/tavern` });
  for (const name of CAST) await engine.adapters.load(name, `${ROOT}adapters/${name}`);
  return engine;
}

export async function switching({ quick }) {
  const engine = await demoEngine();
  const streams = quick ? 4 : 20;
  const pair = [{ herald: 1 }, { pirate: 1 }]; // of the same rank on the same modules: a steady token costs the same under either
  const turn = (session, count) => { session.adapters = pair[count & 1]; };
  const kinds = {
    switch: { change: turn },
    rescale: { change: (session, count) => { engine.adapters.rescale('herald', 0.5 + (count & 1) / 2); } },
    nothing: { change: () => {} },
    recompute: { change: turn, kv: 'recompute', period: 40 },
  };
  const result = {};
  await everyToken(engine, pair[0], kinds.nothing); // warm up
  for (const [name, kind] of Object.entries(kinds)) {
    const { period = PERIOD } = kind;
    const samples = { first: [], steady: [], difference: [], call: [], perToken: [] };
    for (let i = 0; i < streams; i++) {
      const tokens = await everyToken(engine, pair[0], kind);
      for (let at = period; at + 1 < tokens.length; at += period) {
        if (![at - 1, at, at + 1].every((t) => tokens[t].whole)) continue;
        const first = tokens[at].us + tokens[at].call;
        const steady = (tokens[at - 1].us + tokens[at + 1].us) / 2;
        samples.call.push(tokens[at].call);
        samples.first.push(first);
        samples.steady.push(steady);
        samples.difference.push(first - steady);
        samples.perToken.push((first - steady) / tokens[at].position);
      }
    }
    result[name] = {
      us: median(samples.difference), late: quantile(samples.difference, 0.95), call: median(samples.call), first: median(samples.first), steady: median(samples.steady),
      perToken: median(samples.perToken), changes: samples.call.length, samples: samples.difference,
    };
  }
  result.rescaleCall = rescaleCalls(engine, quick ? 20 : 200);
  engine.dispose();
  return result;
}

/** Microseconds of every token of one answer; at every `period`-th, `change` is made before it. */
async function everyToken(engine, adapters, { change, kv = 'keep', period = PERIOD }) {
  const session = engine.session({ adapters, kv });
  const tokens = [];
  let count = 0;
  let call = 0;
  let before = 0;
  let started = performance.now();
  for await (const _ of session.complete(PROMPT, { maxTokens: LENGTH, endTokens: [] })) {
    const now = performance.now();
    // A piece of text that took two tokens (half a character) is no measure of one.
    tokens.push({ us: (now - started) * 1000, call: call * 1000, position: session.tokens.length, whole: session.stats.tokens === before + 1 });
    before = session.stats.tokens;
    call = 0;
    if (tokens.length % period === 0) {
      const from = performance.now();
      change(session, ++count);
      call = performance.now() - from;
    }
    started = performance.now();
  }
  session.dispose();
  return tokens;
}

/** The bare call, many at a time. */
function rescaleCalls(engine, rounds) {
  const samples = [];
  for (let round = 0; round < rounds; round++) {
    const started = performance.now();
    for (let i = 0; i < 1000; i++) engine.adapters.rescale('herald', i / 1000);
    samples.push(performance.now() - started); // ms per 1000 = us per call
  }
  return { us: median(samples), samples };
}

export async function decoding({ quick }) {
  const engine = await demoEngine();
  const blends = Object.fromEntries([0, 1, 2, 5].map((count) => [count, Object.fromEntries(CAST.slice(0, count).map((name) => [name, 1 / count]))]));
  const samples = Object.fromEntries(Object.keys(blends).map((count) => [count, []]));
  const rounds = quick ? 4 : 16;
  for (let round = -1; round < rounds; round++) { // the first warms up
    for (const [count, adapters] of Object.entries(blends)) {
      const { tokens, seconds } = await speak(engine, adapters);
      if (round >= 0) samples[count].push(tokens / seconds);
    }
  }
  engine.dispose();
  return Object.fromEntries(Object.entries(samples).map(([count, rates]) => [count, { perSecond: median(rates), spread: spread(rates), beside: median(rates.map((rate, i) => rate / samples[0][i])), samples: rates }]));
}

async function speak(engine, adapters) {
  const session = engine.session({ adapters });
  for await (const _ of session.complete(PROMPT, { maxTokens: 128, endTokens: [] }));
  const { tokens, decodeMs } = session.stats;
  session.dispose();
  return { tokens: tokens - 1, seconds: decodeMs / 1000 };
}
