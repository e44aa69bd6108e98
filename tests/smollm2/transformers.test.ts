import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createEngine } from '../../src/index.js';
import { folder, golden } from './files.js';
import { greedy } from './greedy.js';

// Greedy text of the dequantised weights in float32 beside transformers (tests/golden/smollm2/make.py). No decision there is nearer than 5e-4.
const test = suite('smollm2/transformers');
const path = folder();
if (path !== null) {
  const { greedy: kept } = golden<{ greedy: Record<string, { prompt: string; ids: number[]; chosen: number[] }> }>('transformers.json');
  const engine = await createEngine({ model: path });
  for (const [name, { prompt, ids, chosen }] of Object.entries(kept)) {
    test(name, async () => {
      assert.equal(engine.tokenizer.encode(prompt, false), ids);
      assert.equal(await greedy(engine, ids, chosen.length), chosen);
    });
  }
  test.after(() => { engine.dispose(); });
  test.run();
}
