import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createEngine } from '../../src/index.js';
import { adapterNames, adapters, folder, golden } from './files.js';
import { greedy } from './greedy.js';

// The trained adapters on the float32 base beside PEFT (tests/golden/smollm2/make.py): logits within 1e-3, where they are about 10 large, and greedy text.
interface Case {
  readonly ids: number[];
  readonly positions: number[];
  readonly vocabulary: number[];
  readonly logits: number[][];
  readonly best: number[];
  readonly chosen: number[];
  readonly nearest: number;
}
const test = suite('smollm2/peft');
const path = folder();
if (path !== null) {
  const { adapters: kept } = golden<{ adapters: Record<string, Case[]> }>('adapters.json');
  const engine = await createEngine({ model: path });
  for (const name of adapterNames) await engine.adapters.load(name, `${adapters}${name}`);
  for (const name of adapterNames) {
    for (const [i, { ids, positions, vocabulary, logits, best, chosen, nearest }] of kept[name]!.entries()) {
      test(`${name}, prompt ${i}: logits`, () => {
        const found = engine.logits(ids, { adapters: { [name]: 1 } });
        const base = engine.logits(ids);
        let moved = 0;
        positions.forEach((position, p) => {
          const row = found.subarray(position * engine.model.outputSize, (position + 1) * engine.model.outputSize);
          vocabulary.forEach((id, v) => {
            assert.ok(Math.abs(row[id]! - logits[p]![v]!) < 1e-3, `position ${position}, token ${id}: ${row[id]!}, PEFT ${logits[p]![v]!}`);
            moved = Math.max(moved, Math.abs(row[id]! - base[position * engine.model.outputSize + id]!));
          });
          assert.is(row.indexOf(Math.max(...row)), best[p]);
        });
        assert.ok(moved > 0.1, 'the adapter changes the logits');
      });
      test(`${name}, prompt ${i}: greedy`, async () => {
        const sure = nearest >= 1e-3 ? chosen.length : 1; // a decision nearer than this is rounding's
        assert.equal((await greedy(engine, ids, sure, { [name]: 1 })), chosen.slice(0, sure));
      });
    }
  }
  test.after(() => { engine.dispose(); });
  test.run();
}
