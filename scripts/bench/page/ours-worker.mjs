import { createEngine } from '/build/lorikeet.js';
import { ourEngine } from '/scripts/bench/ours.mjs';

const stamp = () => [performance.now() * 1000, performance.now() * 1000];
let engine;
const METHODS = {
  async open(options) {
    engine = await ourEngine(createEngine, options, stamp);
    return engine.facts;
  },
  prompt: (text) => engine.prompt(text),
  decode: (text, count) => engine.decode(text, count),
  /** An engine as it comes, up to the first token of an answer. */
  async cold(model, question) {
    const fresh = await createEngine({ model });
    for await (const _ of fresh.session({ temperature: 0 }).say(question, { maxTokens: 1, endTokens: [] })) void _;
    return fresh.backend.build;
  },
};
globalThis.onmessage = async ({ data: { method, args } }) => {
  try {
    globalThis.postMessage({ result: await METHODS[method](...args) });
  } catch (error) {
    globalThis.postMessage({ error: error.message });
  }
};
