// llama.cpp itself, on the CPU, through node-llama-cpp.
import { between } from './ours.mjs';

/** llama.cpp's model and one sequence of it. */
export async function nativeSequence(path, { flashAttention, threads = 1 }) {
  const { getLlama } = await import('node-llama-cpp');
  const llama = await getLlama({ gpu: false, build: 'never', skipDownload: true, logLevel: 'error', maxThreads: threads });
  const model = await llama.loadModel({ modelPath: path, gpuLayers: 0 });
  const context = await model.createContext({ contextSize: 1024, batchSize: 512, threads, flashAttention });
  if (context.currentThreads > threads) throw new Error(`llama.cpp has ${context.currentThreads} threads, expected ${threads}.`);
  return { llama, model, sequence: context.getSequence() };
}

/** As `ourEngine`. */
export async function nativeEngine({ model, ...options }, stamp) {
  const { llama, sequence } = await nativeSequence(model, options);
  const evaluate = async function* (ids) {
    await sequence.clearHistory();
    yield* sequence.evaluate(ids, { temperature: 0, yieldEogToken: true });
  };
  return {
    facts: { build: llama.buildType, threads: options.threads },
    async prompt({ ids }) {
      await sequence.clearHistory();
      const started = stamp();
      for await (const _ of sequence.evaluate(ids, { temperature: 0, yieldEogToken: true })) break;
      return { tokens: ids.length, ...between(started, stamp()) };
    },
    async decode({ ids }, count) {
      let [started, tokens] = [null, 0];
      for await (const _ of evaluate(ids)) {
        if (started === null) started = stamp();
        else if (++tokens === count) break;
      }
      return { tokens, ...between(started, stamp()) };
    },
    dispose: () => llama.dispose(),
  };
}
