// Language models as a whole: SmolLM2-135M-Instruct in Q4_1, Q8_0 and Q4_0, prompts and decoding, on one thread and on two, beside llama.cpp itself.
// Every engine reads the same file in a process of its own. One thread is timed by the processor time (see measure.mjs), two by the clock.
import { statSync } from 'node:fs';
import { openEngine } from './engine-process.mjs';
import { FORMATS, modelFile } from './model-files.mjs';
import { newerNode } from './nodes.mjs';
import { stretches } from './texts.mjs';
import { answerInTurns, beside, medians, openAll } from './turns.mjs';

const PROMPT = 512;
export const NATIVE = ['native', 'native, flash attention'];
export const twoThreads = (name) => `${name}, 2 threads`;

const ENGINES = {
  simd: (options) => openEngine('ours', { ...options, build: 'simd' }),
  best: async (options) => openEngine('ours', { ...options, build: 'best', node: newerNode() }),
  native: (options) => openEngine('native', { ...options, flashAttention: false }),
  'native, flash attention': (options) => openEngine('native', { ...options, flashAttention: true }),
};

export async function language({ quick }) {
  const text = await stretches();
  const result = {};
  for (const format of FORMATS) result[format] = await oneFormat(modelFile(format), text, quick);
  return result;
}

async function oneFormat(model, text, quick) {
  const { engines, missing } = await openAll(Object.fromEntries(Object.entries(ENGINES).flatMap(([name, open]) => [
    [name, () => open({ model, threads: 1 })], [twoThreads(name), () => open({ model, threads: 2 })],
  ])));
  const two = (name) => name.endsWith(twoThreads(''));
  const samples = await answerInTurns(engines, text, { rounds: quick ? 2 : 5, prompt: PROMPT, count: quick ? 32 : 64, every: (name) => (two(name) ? 2 : 1) });
  const facts = Object.fromEntries(Object.entries(engines).map(([name, engine]) => [name, engine.facts]));
  for (const engine of Object.values(engines)) await engine.dispose();
  return {
    bytes: statSync(model).size, facts, missing, rows: medians(samples, two),
    beside: Object.fromEntries(['simd', 'best'].map((name) => [name, beside(samples, name, NATIVE)])),
    besideTwo: Object.fromEntries(['simd', 'best'].map((name) => [name, beside(samples, twoThreads(name), NATIVE.map(twoThreads), { clock: true })])),
    twoOverOne: Object.fromEntries(['simd', 'best', ...NATIVE].map((name) => [name, beside(samples, twoThreads(name), [name], { clock: true })])),
    samples,
  };
}
