// Language models as a whole: SmolLM2-135M-Instruct in Q4_1 and Q8_0, prompts and decoding, beside llama.cpp: native (node-llama-cpp), and wllama in Chromium.
// Every engine reads the same file and has one thread. In this process ours and native are timed by the processor time (see measure.mjs), in Chromium by the clock.
import { spawn } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createEngine } from '../../build/js/src/index.js';
import { openChromium } from './chromium.mjs';
import { median, processorTime, ratio, spread } from './measure.mjs';
import { FORMATS, modelFile } from './model-files.mjs';
import { nativeEngine } from './native.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const PROMPT = 512;
const LEAD = 16; // the prompt of a decode
const CHROMIUM = 3; // wllama takes half a minute for a prompt: the page works in every third round

export async function language({ quick }) {
  const result = {};
  for (const format of FORMATS) result[format] = await oneFormat(modelFile(format), quick);
  return result;
}

async function oneFormat(path, quick) {
  const count = quick ? 32 : 96;
  const rounds = quick ? 3 : 9;
  const cold = await coldStarts(path, quick ? 2 : 5);
  const candidates = {
    ours: await ourEngine(path),
    native: await nativeEngine(path, { flashAttention: false }),
    'native, flash attention': await nativeEngine(path, { flashAttention: true }),
  };
  const chromium = await openChromium(path);
  if (chromium !== null) for (const name of ['ours', 'wllama']) candidates[`${name}, Chromium`] = chromium.engine(name);
  const texts = slices(candidates.ours.tokenizer);
  const names = Object.keys(candidates);
  const samples = Object.fromEntries(names.map((name) => [name, { prompt: [], decode: [], promptClock: [], decodeClock: [] }]));
  for (let round = -1; round < rounds; round++) {
    for (let i = 0; i < names.length; i++) {
      const name = names[(i + round + names.length) % names.length];
      if (name.endsWith('Chromium') && round > 0 && round % CHROMIUM !== 0) continue;
      const prompt = await candidates[name].prompt(texts(PROMPT));
      const decode = await candidates[name].decode(texts(LEAD), count);
      if (round < 0) continue; // the first round warms up
      for (const [kind, { tokens, us, clockUs }] of [['prompt', prompt], ['decode', decode]]) {
        samples[name][kind].push((tokens * 1e6) / us);
        samples[name][`${kind}Clock`].push((tokens * 1e6) / clockUs);
      }
    }
  }
  for (const name of names) await candidates[name].dispose();
  await chromium?.close();
  return { bytes: statSync(path).size, ...summary(samples), cold, samples };
}

function summary(samples) {
  const rows = Object.fromEntries(Object.entries(samples).map(([name, { prompt, decode }]) => [name, { prompt: median(prompt), promptSpread: spread(prompt), decode: median(decode), decodeSpread: spread(decode) }]));
  const better = (kind) => ['native', 'native, flash attention'].reduce((a, b) => (median(samples[a][kind]) >= median(samples[b][kind]) ? a : b));
  const beside = { native: { prompt: ratio(samples.ours.prompt, samples[better('prompt')].prompt), decode: ratio(samples.ours.decode, samples[better('decode')].decode) } };
  if (samples['wllama, Chromium']) {
    beside.wllama = Object.fromEntries(['prompt', 'decode'].map((kind) => [kind, ratio(samples['ours, Chromium'][kind], samples['wllama, Chromium'][kind])]));
  }
  return { rows, beside };
}

/** Each call another stretch of one text, told to every engine as it takes it: no prompt is met a second time, so no cache of prompts answers. */
function slices(tokenizer) {
  const ids = tokenizer.encode(readFileSync(`${here}../../tests/golden/smollm2/text.txt`, 'utf8'), false);
  let at = 0;
  return (length) => {
    at = at + length > ids.length - PROMPT ? 1 + (at % 97) : at + length;
    const part = ids.slice(at, at + length);
    return { ids: part, text: tokenizer.decode(part) };
  };
}

/** The engine as an application calls it, on the binary that runs everywhere. */
async function ourEngine(path) {
  const engine = await createEngine({ model: path });
  const stamp = () => [processorTime(), performance.now()];
  const answer = async (ids, maxTokens) => {
    const session = engine.session({ temperature: 0 });
    const stamps = [stamp()];
    for await (const _ of session.complete(ids, { maxTokens, endTokens: [], onToken: () => { stamps.push(stamp()); } })) void _;
    session.dispose();
    return stamps;
  };
  const between = ([us, ms], [laterUs, laterMs]) => ({ us: laterUs - us, clockUs: (laterMs - ms) * 1000 });
  return {
    tokenizer: engine.tokenizer,
    async prompt({ ids }) {
      const [start, first] = await answer(ids, 1);
      return { tokens: ids.length, ...between(start, first) };
    },
    async decode({ ids }, count) {
      const [, first, ...others] = await answer(ids, count + 1);
      return { tokens: others.length, ...between(first, others.at(-1)) };
    },
    dispose: () => { engine.dispose(); },
  };
}

/** Milliseconds from the start of a fresh process to the first token of an answer, the file being in the page cache; and how its resident set grew. */
async function coldStarts(path, times) {
  readFileSync(path);
  const result = {};
  for (const engine of ['ours', 'native']) {
    const runs = [];
    for (let i = 0; i < times; i++) runs.push(await child('cold.mjs', [engine, path]));
    result[engine] = { ms: median(runs.map(({ ms }) => ms)), worst: Math.max(...runs.map(({ ms }) => ms)), loadMs: median(runs.map(({ loadMs }) => loadMs)), resident: median(runs.map(({ resident }) => resident)), kv: runs[0].kv, linear: runs[0].linear, samples: runs };
  }
  return result;
}

function child(script, args) {
  return new Promise((resolve, reject) => {
    const started = performance.now();
    const running = spawn(process.execPath, ['--expose-gc', `${here}${script}`, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    let [output, errors, ms] = ['', '', 0];
    running.stdout.on('data', (data) => { output += data; if (ms === 0 && output.includes('first\n')) ms = performance.now() - started; });
    running.stderr.on('data', (data) => { errors += data; });
    running.on('close', (code) => (code === 0 ? resolve({ ms, ...JSON.parse(output.trim().split('\n').at(-1)) }) : reject(new Error(`${script} ${args.join(' ')} ended with code ${code}:\n${errors}`))));
  });
}
