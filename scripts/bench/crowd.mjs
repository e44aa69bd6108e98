// Decoding with one active adapter while many others lie in memory beside it: rank 4 on q and v, as a studio's whole cast would.
import { readFileSync } from 'node:fs';
import { createEngine } from '../../build/lorikeet.js';
import { median, ratio, spread } from './measure.mjs';
import { adapterConfig, adapterTensors, safetensors } from './synthetic.mjs';

const ROOT = new URL('../../', import.meta.url);
const TAVERN = { layers: 6, shape: { hidden: 192, kv: 96, inner: 384 } };
const SMALL = { ...TAVERN, rank: 4, targets: ['q_proj', 'v_proj'] };

export async function crowd({ quick }) {
  const counts = quick ? [1, 100, 1000] : [1, 10, 100, 300, 1000];
  const files = { 'adapter_config.json': JSON.stringify(adapterConfig(SMALL)), 'adapter_model.safetensors': safetensors(adapterTensors(SMALL), 'F32') };
  const { num_hidden_layers: layers, hidden_size: hidden } = JSON.parse(readFileSync(new URL('models/tavern/config.json', ROOT), 'utf8'));
  if (layers !== TAVERN.layers || hidden !== TAVERN.shape.hidden) throw new Error('The demo model has other shapes than this benchmark makes adapters for.');
  const make = async () => createEngine({ model: new URL('models/tavern', ROOT).pathname, build: 'simd', threads: 1 });
  const [alone, crowded] = [await make(), await make()];
  await alone.adapters.load('0', files);
  const rows = [];
  let loaded = 0;
  await decode(alone);
  for (const count of counts) {
    for (; loaded < count; loaded++) await crowded.adapters.load(String(loaded), files);
    const samples = { alone: [], crowded: [] };
    await decode(crowded);
    for (let round = 0; round < (quick ? 4 : 12); round++) {
      for (const name of round % 2 ? ['alone', 'crowded'] : ['crowded', 'alone']) samples[name].push(await decode(name === 'alone' ? alone : crowded));
    }
    const { used } = crowded.memory().adapters;
    rows.push({ count, usPerToken: median(samples.crowded), beside: ratio(samples.crowded, samples.alone).median, spread: spread(samples.crowded), bytes: used, samples });
  }
  alone.dispose();
  crowded.dispose();
  return rows;
}

/** Microseconds per token. */
async function decode(engine) {
  const session = engine.session({ adapters: { 0: 1 } });
  for await (const _ of session.complete('Where is the treasure?', { maxTokens: 128, endTokens: [] }));
  const { tokens, decodeMs } = session.stats;
  session.dispose();
  return (decodeMs * 1000) / (tokens - 1);
}
