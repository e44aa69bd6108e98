// Loading an adapter from memory, and giving it back: a large one, so that what every load costs doesn't rule, and a small one.
import { performance } from 'node:perf_hooks';
import { readFileSync } from 'node:fs';
import { AdapterBank } from '../../build/js/src/adapters/bank.js';
import { createRuntime } from '../../build/js/src/arena/runtime.js';
import { loadModel } from '../../build/js/src/models/model.js';
import { median, processorTime, spread } from './measure.mjs';
import { adapterConfig, adapterTensors, ALL_LINEAR, modelConfig, modelTensors, safetensors } from './synthetic.mjs';

const ROOT = new URL('../../', import.meta.url);

export async function loading({ quick }) {
  const layers = 30;
  const shape = { layers, vocab: 256 };
  const model = { 'config.json': JSON.stringify(modelConfig(shape)), 'model.safetensors': safetensors(modelTensors(shape), 'BF16') };
  const adapters = Object.fromEntries(['F32', 'BF16', 'F16'].map((dtype) => [`rank 64, ${dtype}`, folder({ layers, rank: 64, targets: ALL_LINEAR }, dtype)]));
  const large = await overModel(model, adapters, quick ? 4 : 24);
  const demo = (path) => ({ ...Object.fromEntries(['config.json', 'model.safetensors'].map((file) => [file, read(`models/tavern/${file}`)])), ...path });
  const small = await overModel(demo(), { 'the demo\'s pirate': Object.fromEntries(['adapter_config.json', 'adapter_model.safetensors'].map((file) => [file, read(`adapters/pirate/${file}`)])) }, quick ? 40 : 400);
  return { ...large, ...small };
}

const read = (path) => new Uint8Array(readFileSync(new URL(path, ROOT)));
const folder = (shape, dtype) => ({ 'adapter_config.json': JSON.stringify(adapterConfig(shape)), 'adapter_model.safetensors': safetensors(adapterTensors(shape), dtype) });

async function overModel(modelFiles, adapters, rounds) {
  const runtime = await createRuntime();
  const model = await loadModel(runtime, modelFiles);
  const bank = new AdapterBank(runtime, model.modules, model.modelType);
  const result = {};
  for (const [label, files] of Object.entries(adapters)) {
    const bytes = files['adapter_model.safetensors'].length;
    const samples = { load: [], clock: [], unload: [] };
    for (let round = 0; round <= rounds; round++) {
      const started = performance.now();
      const used = processorTime();
      await bank.load('it', files);
      samples.load.push(bytes / (processorTime() - used)); // bytes per us = MB/s
      samples.clock.push(bytes / (performance.now() - started) / 1000);
      const loaded = performance.now();
      bank.unload('it');
      samples.unload.push((performance.now() - loaded) * 1000);
    }
    const first = samples.load.shift(); // into memory that was never touched, by code that is not warm
    samples.clock.shift();
    samples.unload.shift();
    result[label] = { bytes, mbps: median(samples.load), spread: spread(samples.load), clock: median(samples.clock), us: bytes / median(samples.load), first, unloadUs: median(samples.unload), samples };
  }
  return result;
}
