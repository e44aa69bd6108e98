// What an adapter of rank 16 on all linear layers costs SmolLM2-135M-Instruct, in decoding and in prompts; and what several sessions with as many adapters gain by sharing a batch.
// Adapters are BF16, as PEFT trains them beside a base in BF16; their numbers mean nothing. One thread, by the processor time.
import { createEngine } from '../../build/lorikeet.js';
import { median, processorTime, ratio, spread } from './measure.mjs';
import { modelFile } from './model-files.mjs';
import { answers } from './ours.mjs';
import { adapterConfig, adapterTensors, ALL_LINEAR, safetensors } from './synthetic.mjs';
import { LEAD, stretches } from './texts.mjs';

const RANK16 = { layers: 30, rank: 16, targets: ALL_LINEAR };
const BASES = { F32: { format: 'Q4_1', dtype: 'f32' }, Q8_0: { format: 'Q8_0' }, Q4_1: { format: 'Q4_1' } };
const PROMPT = 256;
const stamp = () => [processorTime(), performance.now() * 1000];

/** Files of an adapter for SmolLM2-135M, or for another shape of as many layers. */
export const rank16 = (shape) => ({ 'adapter_config.json': JSON.stringify(adapterConfig(RANK16)), 'adapter_model.safetensors': safetensors(adapterTensors({ ...RANK16, shape }), 'BF16') });

/** `build` 'best' is whatever the engine takes by itself. */
export async function engineOf({ format, ...options }, build) {
  const engine = await createEngine({ model: modelFile(format), threads: 1, prefixCache: false, ...(build === 'best' ? {} : { build }), ...options });
  const told = engine.backend;
  if ((build !== 'best' && told.build !== build) || told.threads !== 1) throw new Error(`expected the build ${build} on one thread, found ${told.build} on ${told.threads}`);
  return engine;
}

export async function adapterCost({ quick, build }) {
  const text = await stretches();
  const rows = {};
  let taken = build;
  for (const [name, base] of Object.entries(BASES)) {
    const engine = await engineOf(base, build);
    taken = engine.backend.build;
    await engine.adapters.load('it', rank16());
    const { prompt, decode } = answers(engine, stamp);
    const kinds = { decode: (blend) => decode(text(LEAD), quick ? 16 : 24, blend), prompt: (blend) => prompt(text(PROMPT), blend) };
    rows[name] = {};
    for (const [kind, run] of Object.entries(kinds)) rows[name][kind] = await withAndWithout(run, quick ? 2 : kind === 'decode' ? 9 : 3);
    engine.dispose();
  }
  return { node: process.versions.node, build: taken, rows };
}

/** `cost`: how much longer a token takes with the adapter, as a share. */
async function withAndWithout(run, rounds) {
  const blends = { base: {}, adapted: { it: 1 } };
  const samples = { base: [], adapted: [] };
  for (let round = -1; round < rounds; round++) { // the first warms up
    for (const name of round % 2 ? ['adapted', 'base'] : ['base', 'adapted']) {
      const { tokens, us } = await run(blends[name]);
      if (round >= 0) samples[name].push(us / tokens);
    }
  }
  const { median: times, spread: around } = ratio(samples.adapted, samples.base);
  return { cost: times - 1, spread: around, usPerToken: median(samples.base), samples };
}

/** Several sessions at once, on each base. */
export async function batch({ quick, build }) {
  const counts = quick ? [1, 8] : [1, 2, 4, 8, 16];
  const text = await stretches();
  const bases = {};
  let taken = build;
  for (const [name, base] of Object.entries(BASES)) {
    const engine = await engineOf(base, build);
    taken = engine.backend.build;
    for (let i = 0; i < Math.max(...counts); i++) await engine.adapters.load(String(i), rank16());
    const samples = Object.fromEntries(counts.map((count) => [count, []]));
    for (let round = -1; round < (quick ? 2 : 4); round++) {
      for (let i = 0; i < counts.length; i++) {
        const count = counts[(i + Math.max(round, 0)) % counts.length];
        const rate = await together(engine, text, count, quick ? 12 : 20);
        if (round >= 0) samples[count].push(rate);
      }
    }
    engine.dispose();
    bases[name] = { rows: counts.map((count) => ({ count, perSecond: median(samples[count]), spread: spread(samples[count]), beside: ratio(samples[count], samples[1]) })), samples };
  }
  return { node: process.versions.node, build: taken, bases };
}

/** Tokens/s of `count` sessions, each with an adapter of its own, from the moment that all of them have their first token to the one at which the first is done. Their prompts are worked before. */
async function together(engine, text, count, length) {
  const talks = Array.from({ length: count }, (_, i) => ({ session: engine.session({ temperature: 0, adapters: { [i]: 1 } }), ids: text(LEAD).ids, stamps: [] }));
  const complete = async ({ session, ids }, maxTokens, onToken) => { for await (const _ of session.complete(ids, { maxTokens, endTokens: [], onToken })) void _; };
  for (const talk of talks) await complete(talk, 1, () => {});
  await Promise.all(talks.map((talk) => complete(talk, length + 1, () => { talk.stamps.push(processorTime()); })));
  for (const { session } of talks) session.dispose();
  const from = Math.max(...talks.map(({ stamps }) => stamps[0]));
  const to = Math.min(...talks.map(({ stamps }) => stamps.at(-1)));
  return (talks.flatMap(({ stamps }) => stamps.filter((us) => us > from && us <= to)).length * 1e6) / (to - from);
}
