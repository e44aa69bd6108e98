// One section of the benchmark in a process of its own: node section.mjs NAME OPTIONS, forked by main.mjs, which takes the result.
const SECTIONS = {
  matmul: async (options) => (await import('./matmul.mjs')).matmul(options),
  switching: async (options) => (await import('./switch.mjs')).switching(options),
  decoding: async (options) => (await import('./switch.mjs')).decoding(options),
  loading: async (options) => (await import('./load.mjs')).loading(options),
  base: async (options) => (await import('./base.mjs')).baseLoading(options),
  language: async (options) => (await import('./language.mjs')).language(options),
  crowd: async (options) => (await import('./crowd.mjs')).crowd(options),
};

const [name, options] = process.argv.slice(2);
const result = await SECTIONS[name](JSON.parse(options));
process.send(result, () => process.exit(0));
