// wllama: llama.cpp as WebAssembly, in a worker of its own. Version 3 works as llama-server does and times itself: what is told are its own figures, without the way to its worker and back.
// Of version 2 the steps that its createCompletion is made of are called and timed, since that one stops where an answer ends by itself.
const told = (tokens, ms) => ({ tokens, us: ms * 1000, clockUs: ms * 1000 });
const SETTINGS = { n_ctx: 1024, n_batch: 512 };

export async function open({ version, model, threads }) {
  const { Wllama, LoggerWithoutDebug } = await import(`/modules/${version === 2 ? 'wllama-2' : '@wllama/wllama'}/esm/index.js`);
  const paths = version === 2
    ? { 'single-thread/wllama.wasm': '/modules/wllama-2/esm/single-thread/wllama.wasm', 'multi-thread/wllama.wasm': '/modules/wllama-2/esm/multi-thread/wllama.wasm' }
    : { default: '/modules/@wllama/wllama/esm/wasm/wllama.wasm' };
  const wllama = new Wllama(paths, { logger: LoggerWithoutDebug });
  const bytes = await (await fetch(model)).blob();
  await wllama.loadModel([bytes], { ...SETTINGS, n_threads: threads, ...(version === 2 ? {} : { n_gpu_layers: 0 }) });
  if (wllama.isMultithread() !== threads > 1) throw new Error(`wllama ${version} was asked for ${threads} threads, and has ${wllama.getNumThreads()}`);
  return { facts: { threads }, ...(version === 2 ? steps(wllama) : server(wllama)) };
}

function server(wllama) {
  const complete = async (prompt, count) => (await wllama.createCompletion({ prompt, max_tokens: count, temperature: 0, ignore_eos: true, cache_prompt: false })).timings;
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

function steps(wllama) {
  const begin = async (ids) => {
    await wllama.kvClear();
    await wllama.samplingInit({ temp: 0 });
    await wllama.samplingAccept(ids);
    const started = performance.now();
    await wllama.decode(ids, {});
    const { token } = await wllama.samplingSample();
    return { token, ms: performance.now() - started };
  };
  return {
    prompt: async ({ ids }) => told(ids.length, (await begin(ids)).ms),
    async decode({ ids }, count) {
      let { token } = await begin(ids);
      const started = performance.now();
      for (let i = 0; i < count; i++) {
        await wllama.samplingAccept([token]);
        await wllama.decode([token], {});
        ({ token } = await wllama.samplingSample());
      }
      return told(count, performance.now() - started);
    },
  };
}
