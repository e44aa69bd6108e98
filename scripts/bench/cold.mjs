// A fresh process up to the first token of an answer: node --expose-gc cold.mjs ours|native FILE. Prints "first" then, and facts as JSON at the end.
const [engine, path] = process.argv.slice(2);
const QUESTION = 'Where is the treasure?';

globalThis.gc();
const before = process.memoryUsage().rss;
const facts = await { ours, native }[engine]();
console.log(JSON.stringify({ ...facts, resident: process.resourceUsage().maxRSS * 1024 - before }));
process.exit(0);

async function ours() {
  const { createEngine } = await import('../../build/lorikeet.js');
  const started = performance.now();
  const engine = await createEngine({ model: path });
  const loadMs = performance.now() - started;
  const session = engine.session({ temperature: 0 });
  let count = 0;
  for await (const _ of session.say(QUESTION, { maxTokens: 8, endTokens: [] })) if (count++ === 0) console.log('first');
  const { bytes, kv } = engine.memory();
  return { loadMs, kv: kv.used, linear: bytes };
}

async function native() {
  const { nativeSequence } = await import('./native.mjs');
  const started = performance.now();
  const { model, sequence } = await nativeSequence(path, { flashAttention: false });
  const loadMs = performance.now() - started;
  const ids = model.tokenize(`<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n<|im_start|>user\n${QUESTION}<|im_end|>\n<|im_start|>assistant\n`, true);
  let count = 0;
  for await (const _ of sequence.evaluate(ids, { temperature: 0, yieldEogToken: true })) {
    if (count++ === 0) console.log('first');
    if (count === 8) break;
  }
  return { loadMs, kv: 0, linear: null };
}
