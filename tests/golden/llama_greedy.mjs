// Greedy tokens of llama.cpp (node-llama-cpp) behind some tokens, and the ids of some texts, as one JSON object.
//   node tests/golden/llama_greedy.mjs PEERS FILE.gguf COUNT '[1,2,3]' '["a text"]'
// PEERS is a folder whose node_modules hold node-llama-cpp: scripts/bench, where its peers are installed. One thread, on the CPU, flash attention off.
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const [peers, modelPath, count, ids, texts] = process.argv.slice(2);
const { getLlama } = await import(pathToFileURL(createRequire(join(resolve(peers), 'package.json')).resolve('node-llama-cpp')).href);
const llama = await getLlama({ gpu: false, build: 'never', skipDownload: true, logLevel: 'error', maxThreads: 1 });
const model = await llama.loadModel({ modelPath, gpuLayers: 0 });
const context = await model.createContext({ contextSize: 128, threads: 1, flashAttention: false });
const tokens = [];
for await (const token of context.getSequence().evaluate(JSON.parse(ids), { temperature: 0, yieldEogToken: true })) if (tokens.push(token) >= Number(count)) break;
console.log(JSON.stringify({ tokens, encoded: JSON.parse(texts).map((text) => Array.from(model.tokenize(text, true))) }));
await llama.dispose();
