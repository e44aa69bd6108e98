// llama.cpp's ids (node-llama-cpp) for the tokenizers of tests/text/gguf-keys.ts, and of SmolLM2 where it is there, over tokens/strings.json; checksums to tokens/llama.json.
//   node scripts/build.mjs && node tests/golden/tokens_llama.mjs PEERS [--check]
// PEERS is a folder whose node_modules hold node-llama-cpp: scripts/bench, where its peers are installed.
import { createRequire } from 'node:module';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { streamGguf } from '../../build/js/src/formats/gguf-write.js';
import { GGUF_CASES, ggufFields } from '../../build/js/tests/text/gguf-keys.js';
import { BLOCK, checksum, STRINGS } from '../../build/js/tests/text/tokens.js';

const [peers, option] = process.argv.slice(2);
if (peers === undefined) throw new Error('Expected: tokens_llama.mjs PEERS [--check]');
const require = createRequire(join(resolve(peers), 'package.json'));
const { getLlama } = await import(pathToFileURL(require.resolve('node-llama-cpp')).href);
const llama = await getLlama({ gpu: false, build: 'never', skipDownload: true, logLevel: 'disabled', maxThreads: 1 });
const target = fileURLToPath(new URL('tokens/llama.json', import.meta.url));
const made = {};

const folder = mkdtempSync(join(tmpdir(), 'lorikeet-tokens-'));
try {
  for (const name of Object.keys(GGUF_CASES)) {
    const path = join(folder, 'tokenizer.gguf');
    const chunks = [];
    for await (const chunk of streamGguf([], ggufFields(name))) chunks.push(chunk);
    writeFileSync(path, Buffer.concat(chunks));
    made[name] = await sumsOf(path);
  }
} finally {
  rmSync(folder, { recursive: true });
}
const smollm2 = process.env.LORIKEET_SMOLLM2 ?? fileURLToPath(new URL('../../build/models/SmolLM2-135M-Instruct-Q4_1.gguf', import.meta.url));
if (existsSync(smollm2)) made.SmolLM2 = await sumsOf(smollm2);
else console.log('SmolLM2 is not there: npm run models gets it');

if (option === '--check') {
  const kept = JSON.parse(readFileSync(target, 'utf8'));
  const off = Object.keys(made).filter((name) => JSON.stringify(made[name]) !== JSON.stringify(kept[name]));
  console.log(off.length === 0 ? `${Object.keys(made).length} tokenizers agree with llama.cpp` : `differ: ${off.join(', ')}`);
  process.exitCode = off.length === 0 ? 0 : 1;
} else writeFileSync(target, `{\n${Object.entries(made).map(([name, sums]) => `${JSON.stringify(name)}:${JSON.stringify(sums)}`).join(',\n')}\n}\n`);
await llama.dispose();
process.exit();

/** The checksum of each block of strings' ids, special tokens in them recognised. */
async function sumsOf(modelPath) {
  const model = await llama.loadModel({ modelPath, vocabOnly: true });
  const ids = STRINGS.map((text) => (text === '' ? [] : Array.from(model.tokenize(text, true))));
  await model.dispose();
  return Array.from({ length: Math.ceil(ids.length / BLOCK) }, (_, block) => checksum(ids.slice(block * BLOCK, (block + 1) * BLOCK).map((one) => JSON.stringify(one))));
}
