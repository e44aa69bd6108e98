import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createEngine } from '../../src/index.js';
import { difference, GOLDEN, goldenCases, goldenModels, readTensors } from './golden.js';

// Logits of every model under every set of adapters, beside transformers and PEFT in f32 (tests/golden). 1e-4 of the values' size is the issue's bound;
// what comes out is below 2e-5, the rest is the order of additions.
const TOLERANCE = 1e-4;

for (const name of goldenModels()) {
  const test = suite(`golden ${name}`);
  const folder = `${GOLDEN}models/${name}`;
  const golden = readTensors(`${folder}/golden.safetensors`);
  for (const { name: title, tokens, adapters, logits, selective } of goldenCases(name)) {
    test(title, async () => {
      const engine = await createEngine({ model: folder });
      try {
        const base = engine.logits(tokens);
        for (const adapter of Object.keys(adapters)) await engine.adapters.load(adapter, `${folder}/adapters/${adapter}`, { selective: selective ?? false });
        const found = engine.logits(tokens, { adapters });
        const off = difference(found, golden.get(logits)!.data);
        assert.ok(off <= TOLERANCE, `largest difference ${off}`);
        // Scale 0 and unload give the base's bits.
        assert.equal(engine.logits(tokens, { adapters: Object.fromEntries(Object.keys(adapters).map((a) => [a, 0])) }), base);
        for (const adapter of Object.keys(adapters)) engine.adapters.unload(adapter);
        assert.equal(engine.logits(tokens), base);
        assert.is(engine.memory().adapters.used, 0);
      } finally {
        engine.dispose();
      }
    });
  }
  test.run();
}
