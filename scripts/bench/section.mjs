// One section of the benchmark in a process of its own: node section.mjs NAME OPTIONS, forked by main.mjs, which takes the result.
const SECTIONS = {
  matmul: async (options) => (await import('./matmul.mjs')).matmul(options),
  language: async (options) => (await import('./language.mjs')).language(options),
  browser: async (options) => (await import('./browser.mjs')).browser(options),
  starts: async (options) => (await import('./starts.mjs')).starts(options),
  adapters: async (options) => (await import('./adapters.mjs')).adapterCost(options),
  batch: async (options) => (await import('./adapters.mjs')).batch(options),
  switching: async (options) => (await import('./switch.mjs')).switching(options),
  decoding: async (options) => (await import('./switch.mjs')).decoding(options),
  loading: async (options) => (await import('./load.mjs')).loading(options),
  base: async (options) => (await import('./base.mjs')).baseLoading(options),
  attention: async (options) => (await import('./attention.mjs')).attention(options),
  crowd: async (options) => (await import('./crowd.mjs')).crowd(options),
};

// Whoever asked is gone, or wants no more: what was started goes with it (a browser is closed when this process exits).
process.on('disconnect', () => process.exit(1));
for (const [signal, code] of [['SIGINT', 130], ['SIGTERM', 143]]) process.once(signal, () => process.exit(code));

const [name, options] = process.argv.slice(2);
const result = await SECTIONS[name](JSON.parse(options));
process.send(result, () => process.exit(0));
