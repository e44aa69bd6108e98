// What llama.cpp (node-llama-cpp) says of SmolLM2 Q4_1: greedy tokens of the prompts, and the perplexity of text.txt; to llama.json.
//   node tests/golden/smollm2/llama.mjs PEERS [--check]
// PEERS is a folder whose node_modules hold node-llama-cpp: scripts/bench, where its peers are installed. One thread, on the CPU, flash attention off.
// With --check nothing is written; the run fails where the tokens leave the kept ones other than at a near tie, or the log-likelihood of one of the first chunks differs by more than 0.2 %:
// llama.cpp picks kernels by the machine's CPU, so its last bits differ from one to the next.
import { createRequire } from 'node:module';
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const TOKENS = 128;
const CHUNK = 512;
const CHECKED = 4; // chunks
const here = (file) => fileURLToPath(new URL(file, import.meta.url));
const [peers, option] = process.argv.slice(2);
if (peers === undefined) throw new Error('Expected: llama.mjs PEERS [--check]');
const require = createRequire(join(resolve(peers), 'package.json'));
const { getLlama } = await import(pathToFileURL(require.resolve('node-llama-cpp')).href);

const llama = await getLlama({ gpu: false, build: 'never', skipDownload: true, logLevel: 'error', maxThreads: 1 });
const modelPath = process.env.LORIKEET_SMOLLM2 ?? here('../../../build/models/SmolLM2-135M-Instruct-Q4_1.gguf');
const model = await llama.loadModel({ modelPath, gpuLayers: 0 });
const context = await model.createContext({ contextSize: 1024, batchSize: CHUNK, threads: 1, flashAttention: false });
const sequence = context.getSequence();

const prompts = JSON.parse(readFileSync(here('prompts.json'), 'utf8'));
const { chat_template: template } = model.fileInfo.metadata.tokenizer;
const made = { version: JSON.parse(readFileSync(join(resolve(peers), 'node_modules/node-llama-cpp/package.json'), 'utf8')).version, greedy: {} };
for (const prompt of prompts) made.greedy[prompt.name] = await greedy(textOf(prompt));
made.perplexity = await perplexity(option === '--check' ? CHECKED : Infinity);
if (option === '--check') check(JSON.parse(readFileSync(here('llama.json'), 'utf8')));
else writeFileSync(here('llama.json'), `${JSON.stringify(made).replace(/("\w+":\[|"perplexity")/g, '\n  $1')}\n`);
console.log(`llama.cpp: perplexity ${made.perplexity.perplexity.toFixed(4)} over ${made.perplexity.tokens} tokens`);
await llama.dispose();

/** The template of this file, written out; what it gives is compared with transformers' in make.py. */
function textOf({ text, messages }) {
  if (text !== undefined) return text;
  if (!template?.includes('You are a helpful AI assistant named SmolLM')) throw new Error('The model carries another chat template than the one written out here.');
  const system = messages[0].role === 'system' ? [] : [{ role: 'system', content: 'You are a helpful AI assistant named SmolLM, trained by Hugging Face' }];
  return `${[...system, ...messages].map(({ role, content }) => `<|im_start|>${role}\n${content}<|im_end|>\n`).join('')}<|im_start|>assistant\n`;
}

async function greedy(text) {
  await sequence.clearHistory();
  const ids = model.tokenize(text, true);
  const chosen = [];
  for await (const token of sequence.evaluate(ids, { temperature: 0, yieldEogToken: true })) {
    chosen.push(token);
    if (chosen.length === TOKENS || model.isEogToken(token)) break;
  }
  return { ids, chosen };
}

/** Each chunk alone, each position after its first scored: log p = logit − max − ln Σ exp(logit − max). `sums` are those of the chunks. */
async function perplexity(chunks) {
  const ids = model.tokenize(readFileSync(here('text.txt'), 'utf8'), false);
  const sums = [];
  let tokens = 0;
  for (let at = 0; at < ids.length && sums.length < chunks; at += CHUNK) {
    const chunk = ids.slice(at, at + CHUNK);
    await sequence.clearHistory();
    const results = await sequence.controlledEvaluate(chunk.slice(0, -1).map((id, i) => [id, { generateNext: { logits: { filter: { tokens: [chunk[i + 1]], includeTop: 1 } }, totalLogitWeight: true } }]));
    let sum = 0;
    results.forEach(({ next }, i) => { sum += next.logits.get(chunk[i + 1]) - Math.max(...next.logits.values()) - Math.log(next.totalLogitWeight); });
    sums.push(Number(sum.toFixed(3)));
    tokens += results.length;
  }
  return { perplexity: Math.exp(-sums.reduce((a, b) => a + b, 0) / tokens), tokens, chunk: CHUNK, sums };
}

function check(kept) {
  const near = JSON.parse(readFileSync(here('near.json'), 'utf8'));
  for (const [name, { ids, chosen }] of Object.entries(made.greedy)) {
    if (JSON.stringify(ids) !== JSON.stringify(kept.greedy[name].ids)) throw new Error(`${name}: the prompt has other ids.`);
    const at = chosen.findIndex((id, i) => id !== kept.greedy[name].chosen[i]);
    if (at >= 0 && !near[name]?.[at]?.some(([id]) => id === chosen[at])) throw new Error(`${name}: token ${at} is ${chosen[at]}, kept ${kept.greedy[name].chosen[at]}, no near tie.`);
  }
  made.perplexity.sums.forEach((sum, i) => {
    const drift = sum / kept.perplexity.sums[i] - 1;
    if (Math.abs(drift) > 2e-3) throw new Error(`The log-likelihood of chunk ${i} differs by ${(drift * 100).toFixed(3)} %.`);
  });
}
