// What changes cost a conversation: another adapter, another weight of the same one, another scale, with adapters of rank 16 on all linear layers. On SmolLM2-135M-Instruct, and on a model with as many layers and modules of a sixth of its width,
// since what a change does goes by modules, not by their width, and beside tokens so short microseconds show. And how fast the demo speaks with 0, 1, 2 and 5 adapters.
import { readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { createEngine } from '../../build/lorikeet.js';
import { engineOf, rank16 } from './adapters.mjs';
import { median, quantile, spread } from './measure.mjs';
import { modelConfig, modelTensors, safetensors } from './synthetic.mjs';

const ROOT = new URL('../../', import.meta.url).pathname;
const CAST = ['herald', 'pirate', 'ghost', 'goblin', 'automaton'];
const PROMPT = 'Where is the treasure?';
/** Tokens between two changes: the one after the change, and steady ones on either side. */
const PERIOD = 2;
const LENGTH = 400;
/** In turn within one answer, so that whatever else goes on falls on all of them. */
const KINDS = ['switch', 'reweigh', 'rescale', 'nothing'];

async function demoEngine() {
  const engine = await createEngine({ model: `${ROOT}models/tavern`, build: 'simd', threads: 1 });
  for (const name of CAST) await engine.adapters.load(name, `${ROOT}adapters/${name}`);
  return engine;
}

/** SmolLM2's 30 layers, narrow, with the demo's tokenizer. */
const NARROW = { hidden: 96, kv: 32, inner: 256, heads: 3, kvHeads: 1, headDim: 32 };

async function narrowEngine() {
  const read = (file) => new Uint8Array(readFileSync(`${ROOT}models/tavern/${file}`));
  const shape = { layers: 30, vocab: JSON.parse(readFileSync(`${ROOT}models/tavern/config.json`, 'utf8')).vocab_size, shape: NARROW };
  const model = { 'config.json': JSON.stringify(modelConfig(shape)), 'model.safetensors': safetensors(modelTensors(shape), 'BF16'), ...Object.fromEntries(['tokenizer.json', 'tokenizer_config.json'].map((file) => [file, read(file)])) };
  return createEngine({ model, build: 'simd', threads: 1 });
}

async function withPair(engine, shape) {
  for (const name of CAST.slice(0, 2)) await engine.adapters.load(name, rank16(shape));
  return engine;
}

export async function switching({ quick }) {
  const rounds = quick ? 20 : 200;
  const smollm2 = await changes(await withPair(await engineOf({ format: 'Q4_1' }, 'simd')), quick ? 1 : 16, rounds);
  const narrow = await changes(await withPair(await narrowEngine(), NARROW), quick ? 4 : 20, rounds);
  return { smollm2, narrow };
}

async function changes(engine, streams, callRounds) {
  const samples = Object.fromEntries(KINDS.map((kind) => [kind, { first: [], steady: [], difference: [], call: [] }]));
  await everyToken(engine, KINDS, 40); // warm up
  for (let i = 0; i < streams; i++) {
    const tokens = await everyToken(engine, KINDS, LENGTH);
    for (let at = 1; at + 1 < tokens.length; at++) {
      const { kind } = tokens[at];
      if (kind === null || ![at - 1, at, at + 1].every((t) => tokens[t].whole)) continue;
      const first = tokens[at].us + tokens[at].call;
      const steady = (tokens[at - 1].us + tokens[at + 1].us) / 2;
      samples[kind].call.push(tokens[at].call);
      samples[kind].first.push(first);
      samples[kind].steady.push(steady);
      samples[kind].difference.push(first - steady);
    }
  }
  const recompute = await recomputing(engine);
  const calls = rescaleCalls(engine, callRounds);
  engine.dispose();
  return { ...Object.fromEntries(KINDS.map((kind) => [kind, summary(samples[kind])])), recompute, rescaleCall: calls };
}

/** `error`: the standard error of the median of differences, by their quartiles. */
function summary({ first, steady, difference, call }) {
  const quartiles = quantile(difference, 0.75) - quantile(difference, 0.25);
  return { us: median(difference), error: (0.93 * quartiles) / Math.sqrt(difference.length), late: quantile(difference, 0.95), call: median(call), first: median(first), steady: median(steady), changes: call.length, samples: difference };
}

/** Microseconds of every token of one answer, and which change, if any, was made before it. */
async function everyToken(engine, kinds, length, { kv = 'keep', period = PERIOD } = {}) {
  let speaker = 0;
  let scale = 1;
  let weight = 1;
  const change = {
    // Of the same rank on the same modules: a steady token costs the same under either.
    switch: (session) => { speaker = 1 - speaker; session.adapters = { [CAST[speaker]]: weight }; },
    // The same call, but the factors stay those that the last token read.
    reweigh: (session) => { weight = 1.5 - weight; session.adapters = { [CAST[speaker]]: weight }; },
    rescale: () => { scale = 1.5 - scale; engine.adapters.rescale(CAST[speaker], scale); },
    nothing: () => {},
  };
  const session = engine.session({ adapters: { [CAST[speaker]]: 1 }, kv });
  const tokens = [];
  let [turn, call, before, made] = [0, 0, 0, null];
  let started = performance.now();
  for await (const _ of session.complete(PROMPT, { maxTokens: length, endTokens: [] })) {
    const now = performance.now();
    // A piece of text that took two tokens (half a character) is no measure of one.
    tokens.push({ us: (now - started) * 1000, call: call * 1000, kind: made, position: session.tokens.length, whole: session.stats.tokens === before + 1 });
    before = session.stats.tokens;
    [call, made] = [0, null];
    if (tokens.length % period === 0) {
      made = kinds[turn++ % kinds.length];
      const from = performance.now();
      change[made](session);
      call = performance.now() - from;
    }
    started = performance.now();
  }
  session.dispose();
  for (const name of CAST.slice(0, 2)) engine.adapters.rescale(name, 1);
  return tokens;
}

/** What a switch costs for each token of the conversation so far where the cache is computed anew (the default). */
async function recomputing(engine) {
  const period = 25;
  const tokens = await everyToken(engine, ['switch'], 4 * period + 1, { kv: 'recompute', period });
  const samples = tokens.flatMap(({ us, call, kind, position }, at) => (kind === null ? [] : [(us + call - tokens[at - 1].us) / position]));
  return { perToken: median(samples), samples };
}

/** The bare call, many at a time. */
function rescaleCalls(engine, rounds) {
  const samples = [];
  for (let round = 0; round < rounds; round++) {
    const started = performance.now();
    for (let i = 0; i < 1000; i++) engine.adapters.rescale(CAST[0], i / 1000);
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
