// The same models in Chromium, all by the clock: ours beside wllama on the same files, and beside transformers.js, which has the model in formats of its own; and how long a fresh page takes to its first token.
import { modelUrl, openChromium } from './chromium.mjs';
import { median } from './measure.mjs';
import { FORMATS, missingOnnx, modelFile, ONNX } from './model-files.mjs';
import { stretches } from './texts.mjs';
import { answerInTurns, beside, medians, openAll } from './turns.mjs';

/** wllama takes half a minute for a prompt of 512: beside it prompts are shorter, ours too. */
const SHORT = 128;
const PROMPT = 512;
const QUESTION = 'Where is the treasure?';
const DTYPES = ['fp32', 'q8', 'q4'];
export const WLLAMA = { 'wllama 3': 3, 'wllama 2': 2 };
const two = (name) => name.endsWith(', 2 threads');
const clock = () => true;

export async function browser({ quick }) {
  FORMATS.forEach(modelFile);
  const text = await stretches();
  const chromium = await openChromium();
  try {
    const cold = await coldPages(chromium, quick ? 1 : 5);
    const wllama = {};
    for (const format of FORMATS) wllama[format] = await besideWllama(chromium, format, text, quick);
    return { chromium: chromium.version, cold, wllama, transformers: await besideTransformers(chromium, text, quick) };
  } finally {
    await chromium.close();
  }
}

async function coldPages(chromium, times) {
  const result = {};
  for (const format of FORMATS) {
    const runs = [];
    for (let i = 0; i < times; i++) runs.push(await chromium.cold({ model: modelUrl(format), question: QUESTION }));
    result[format] = { ms: median(runs.map(({ ms }) => ms)), worst: Math.max(...runs.map(({ ms }) => ms)), samples: runs };
  }
  return result;
}

async function besideWllama(chromium, format, text, quick) {
  const model = modelUrl(format);
  const ours = (build, threads) => () => chromium.open('ours', { model, build, threads });
  const { engines, missing } = await openAll({
    simd: ours('simd', 1), best: ours('best', 1), 'simd, 2 threads': ours('simd', 2), 'best, 2 threads': ours('best', 2),
    ...Object.fromEntries(Object.entries(WLLAMA).flatMap(([name, version]) => [1, 2].map((threads) => [`${name}${threads === 2 ? ', 2 threads' : ''}`, () => chromium.open('wllama', { model, version, threads })]))),
  });
  const samples = await answerInTurns(engines, text, { rounds: quick ? 1 : 3, prompt: SHORT, count: 16, every: (name) => (two(name) && name.startsWith('wllama') ? 3 : 1) });
  for (const engine of Object.values(engines)) await engine.dispose();
  const peers = Object.keys(WLLAMA);
  return {
    prompt: SHORT, missing, facts: factsOf(engines), rows: medians(samples, clock),
    beside: Object.fromEntries(['simd', 'best'].map((name) => [name, beside(samples, name, peers)])),
    besideTwo: Object.fromEntries(['simd', 'best'].map((name) => [name, beside(samples, `${name}, 2 threads`, peers.map((peer) => `${peer}, 2 threads`))])),
    samples,
  };
}

/** Ours in each format beside transformers.js in each of its own. */
async function besideTransformers(chromium, text, quick) {
  const missingModel = missingOnnx();
  const theirs = (dtype, threads) => async () => {
    if (missingModel !== null) throw new Error(missingModel);
    return chromium.open('transformers', { folder: ONNX.split('/').at(-1), dtype, threads });
  };
  const result = {};
  for (const threads of [1, 2]) {
    const { engines, missing } = await openAll({
      ...Object.fromEntries(FORMATS.map((format) => [format, () => chromium.open('ours', { model: modelUrl(format), build: 'best', threads })])),
      ...Object.fromEntries(DTYPES.map((dtype) => [dtype, theirs(dtype, threads)])),
    });
    const samples = await answerInTurns(engines, text, { rounds: quick ? 1 : 3, prompt: PROMPT, count: quick ? 16 : 32 });
    for (const engine of Object.values(engines)) await engine.dispose();
    result[threads] = { prompt: PROMPT, missing, facts: factsOf(engines), rows: medians(samples, clock), beside: Object.fromEntries(FORMATS.map((format) => [format, beside(samples, format, DTYPES)])), samples };
  }
  return result;
}

const factsOf = (engines) => Object.fromEntries(Object.entries(engines).map(([name, engine]) => [name, engine.facts]));
