// A page has one engine: open(name, options), then engine.prompt({ ids, text }) and engine.decode({ ids, text }, count), which answer { tokens, us, clockUs }. Or it is there for cold().
import { cold } from './ours.mjs';

const OPEN = {
  ours: async (options) => (await import('./ours.mjs')).open(options),
  wllama: async (options) => (await import('./wllama.mjs')).open(options),
  transformers: async (options) => (await import('./transformers.mjs')).open(options),
};

globalThis.cold = cold;
globalThis.openEngine = async (name, options) => {
  if (!globalThis.crossOriginIsolated) throw new Error('expected a cross-origin isolated page');
  globalThis.engine = await OPEN[name](options);
  return globalThis.engine.facts;
};
