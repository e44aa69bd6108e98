// llama.cpp itself, on the CPU with one thread, through node-llama-cpp.
import { processorTime } from './measure.mjs';

const stamp = () => [processorTime(), performance.now()];
const since = ([us, ms]) => ({ us: processorTime() - us, clockUs: (performance.now() - ms) * 1000 });

/** llama.cpp's model and one sequence of it. */
export async function nativeSequence(path, { flashAttention }) {
  const { getLlama } = await import('node-llama-cpp');
  const llama = await getLlama({ gpu: false, build: 'never', skipDownload: true, logLevel: 'error', maxThreads: 1 });
  const model = await llama.loadModel({ modelPath: path, gpuLayers: 0 });
  const context = await model.createContext({ contextSize: 1024, batchSize: 512, threads: 1, flashAttention });
  if (context.currentThreads > 1) throw new Error(`llama.cpp has ${context.currentThreads} threads, expected one.`);
  return { llama, model, sequence: context.getSequence() };
}

export async function nativeEngine(path, options) {
  const { llama, sequence } = await nativeSequence(path, options);
  return {
    async prompt({ ids }) {
      await sequence.clearHistory();
      const started = stamp();
      for await (const _ of sequence.evaluate(ids, { temperature: 0, yieldEogToken: true })) break;
      return { tokens: ids.length, ...since(started) };
    },
    async decode({ ids }, count) {
      await sequence.clearHistory();
      let [started, tokens] = [null, 0];
      for await (const _ of sequence.evaluate(ids, { temperature: 0, yieldEogToken: true })) {
        if (started === null) started = stamp();
        else if (++tokens === count) break;
      }
      return { tokens, ...since(started) };
    },
    dispose: () => llama.dispose(),
  };
}
