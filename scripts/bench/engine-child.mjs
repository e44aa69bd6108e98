// One engine in a process of its own, so that nothing of another's counts as its processor time: node engine-child.mjs ours|native OPTIONS, forked by engine-process.mjs.
import { processorTime } from './measure.mjs';
import { nativeEngine } from './native.mjs';
import { ourEngine } from './ours.mjs';

const stamp = () => [processorTime(), performance.now() * 1000];
const OPEN = {
  ours: async (options) => ourEngine((await import('../../build/lorikeet.js')).createEngine, options, stamp),
  native: async (options) => nativeEngine(options, stamp),
};

process.on('disconnect', () => process.exit());
const [kind, options] = process.argv.slice(2);
const told = async (work) => {
  try {
    process.send({ result: await work() });
  } catch (error) {
    process.send({ error: error.message });
  }
};

let engine;
await told(async () => {
  engine = await OPEN[kind](JSON.parse(options));
  return { ...engine.facts, node: process.versions.node };
});
process.on('message', ({ method, args }) => void told(() => engine[method](...args)));
