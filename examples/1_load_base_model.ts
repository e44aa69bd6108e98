// Shows what this machine offers, loads a base model from a Hugging Face folder as it is, and lets it answer.
//
//   npm run example 1_load_base_model
//   npm run example 1_load_base_model -- MODEL_DIR --tokens 1,2,3     (tokens: also for models without a tokenizer.json)
import { existsSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createEngine } from '../src/index.js';

const root = fileURLToPath(new URL('../../../', import.meta.url)); // examples run from build/js/examples
const { values, positionals } = parseArgs({ allowPositionals: true, options: { tokens: { type: 'string', default: '1,2,3' } } });
const [model = `${root}models/tavern`] = positionals;

const started = performance.now();
const engine = await createEngine({ model, onProgress: (done, total) => { if (process.stderr.isTTY) process.stderr.write(`\rloading ${Math.round((100 * done) / total)} %\r`); } });
const loadMs = performance.now() - started;

const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(2)} MiB`;
const { backend } = engine;
const { bytes, weights } = engine.memory();
console.log(`engine   Node ${process.versions.node} (V8 ${process.versions.v8}), ${availableParallelism()} cores, ${(totalmem() / 2 ** 30).toFixed(1)} GiB of memory`);
console.log(`kernels  ${backend.build}, ${backend.threads} thread(s)${Object.entries(backend.why).map(([build, reason]) => `; not ${build}: ${reason}`).join('')}`);
console.log(`model    ${engine.model.modelType}, ${engine.model.vocabSize} tokens known, ${engine.model.contextLength} in the context, loaded in ${loadMs.toFixed(0)} ms`);
console.log(`memory   ${mebibytes(weights.used)} of weights in a linear memory of ${mebibytes(bytes)}`);

// A model is a function of token ids: one row of logits for each.
const tokens = values.tokens.split(',').map(Number);
const logits = engine.logits(tokens).subarray(-engine.model.outputSize);
console.log(`logits   after ${tokens.join(',')}: ${[...logits.subarray(0, 4)].map((x) => x.toFixed(5)).join(' ')} …`);

// With a tokenizer and a chat template in the folder it is also somebody to talk to.
if (existsSync(`${model}/tokenizer.json`)) {
  const session = engine.session();
  process.stdout.write('\nHello there!\n→ ');
  for await (const piece of session.say('Hello there!', { maxTokens: 64 })) process.stdout.write(piece);
  const { tokens: count, decodeMs, firstTokenMs } = session.stats;
  console.log(`\n\n${count} tokens: the first after ${firstTokenMs.toFixed(1)} ms, then ${((count - 1) / (decodeMs / 1000)).toFixed(0)} a second`);
}
engine.dispose();
