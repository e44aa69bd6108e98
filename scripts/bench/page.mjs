// In the page: each engine answers prompt({ ids, text }) and decode({ ids, text }, count) with { tokens, us, clockUs }.
import { createEngine } from '/build/lorikeet.js';
import { Wllama, LoggerWithoutDebug } from '/scripts/bench/node_modules/@wllama/wllama/esm/index.js';

const told = (tokens, ms) => ({ tokens, us: ms * 1000, clockUs: ms * 1000 });
globalThis.engines = {};
globalThis.ready = load();

async function load() {
  const model = await (await fetch('/model.gguf')).blob();
  globalThis.engines.ours = await ours(model);
  globalThis.engines.wllama = await wllama(model);
}

async function ours(model) {
  const engine = await createEngine({ model });
  const answer = async (ids, maxTokens) => {
    const session = engine.session({ temperature: 0 });
    const stamps = [performance.now()];
    for await (const _ of session.complete(ids, { maxTokens, endTokens: [], onToken: () => { stamps.push(performance.now()); } })) void _;
    session.dispose();
    return stamps;
  };
  return {
    async prompt({ ids }) {
      const [start, first] = await answer(ids, 1);
      return told(ids.length, first - start);
    },
    async decode({ ids }, count) {
      const [, first, ...others] = await answer(ids, count + 1);
      return told(others.length, others.at(-1) - first);
    },
  };
}

/** wllama works as llama-server does and times itself: what is told are its own figures, without the way to its worker and back. */
async function wllama(model) {
  const instance = new Wllama({ default: '/scripts/bench/node_modules/@wllama/wllama/esm/wasm/wllama.wasm' }, { logger: LoggerWithoutDebug });
  await instance.loadModel([model], { n_threads: 1, n_ctx: 1024, n_batch: 512, n_gpu_layers: 0 });
  if (instance.isMultithread()) throw new Error('wllama has threads: expected none in a page that is not isolated');
  const complete = async (prompt, count) => (await instance.createCompletion({ prompt, max_tokens: count, temperature: 0, ignore_eos: true, cache_prompt: false })).timings;
  return {
    async prompt({ text }) {
      const { prompt_n: tokens, prompt_ms: ms } = await complete(text, 1);
      return told(tokens, ms);
    },
    async decode({ text }, count) {
      const { predicted_n: tokens, predicted_ms: ms } = await complete(text, count);
      return told(tokens, ms);
    },
  };
}
