// transformers.js on onnxruntime-web's WebAssembly, from a folder that the benchmark's own server has.
import { AutoModelForCausalLM, Tensor, env } from '/modules/@huggingface/transformers/dist/transformers.web.js';

const told = (tokens, ms) => ({ tokens, us: ms * 1000, clockUs: ms * 1000 });

export async function open({ folder, dtype, threads }) {
  env.allowLocalModels = true;
  env.allowRemoteModels = false;
  env.localModelPath = '/build/models/';
  env.useBrowserCache = false;
  env.backends.onnx.wasm.numThreads = threads;
  env.backends.onnx.wasm.wasmPaths = '/modules/@huggingface/transformers/node_modules/onnxruntime-web/dist/';
  const model = await AutoModelForCausalLM.from_pretrained(folder, { dtype, device: 'wasm' });
  /** The moments at which the prompt's own ids and each new token are handed out. */
  const generate = async (ids, count) => {
    const shape = [1, ids.length];
    const stamps = [];
    const started = performance.now();
    await model.generate({
      input_ids: new Tensor('int64', BigInt64Array.from(ids, BigInt), shape), attention_mask: new Tensor('int64', new BigInt64Array(ids.length).fill(1n), shape),
      max_new_tokens: count, min_new_tokens: count, do_sample: false, streamer: { put: () => { stamps.push(performance.now()); }, end: () => {} },
    });
    return [started, ...stamps.slice(1)]; // the first is the prompt
  };
  return {
    facts: { threads },
    async prompt({ ids }) {
      const [started, first] = await generate(ids, 1);
      return told(ids.length, first - started);
    },
    async decode({ ids }, count) {
      const [, first, ...others] = await generate(ids, count + 1);
      return told(others.length, others.at(-1) - first);
    },
  };
}
