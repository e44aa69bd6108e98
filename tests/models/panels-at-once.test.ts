import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createRuntime, type Runtime } from '../../src/arena/runtime.js';
import { ModuleList } from '../../src/layers/module-list.js';
import type { Model } from '../../src/models/model.js';
import { choosePanelsAtOnce } from '../../src/models/panels-at-once.js';
import { DTYPES, packedBytes } from '../../src/tensor/matrix.js';
import { reopen } from '../../src/wasm/remembered.js';

const cache = mkdtempSync(join(tmpdir(), 'lorikeet-panels-'));
process.env['LORIKEET_CACHE'] = cache;

/** A model of linear layers of `mebibytes` in all, most of them in `most`, all weights zero. */
function modelOf(runtime: Runtime, mebibytes: number, most: 'F32' | 'Q8_0'): Model {
  const list = new ModuleList();
  const add = (name: 'F32' | 'Q8_0', share: number): void => {
    const dtype = DTYPES[name];
    const k = 1024;
    const n = Math.floor((share * mebibytes * 2 ** 20) / packedBytes(8, k, dtype)) * 8;
    list.linear({ path: `layers.${list.modules.length}`, bias: null, weight: { ptr: runtime.weights.alloc(packedBytes(n, k, dtype)), dtype, n, k } });
  };
  add(most, 0.5);
  add(most, 0.4);
  add(most === 'F32' ? 'Q8_0' : 'F32', 0.1);
  return { modules: list.modules } as unknown as Model;
}

/** A runtime that tells what was preferred. */
async function spied(): Promise<{ runtime: Runtime; preferred: [dtype: number, count: number][] }> {
  const runtime = await createRuntime({ build: 'simd' });
  const preferred: [number, number][] = [];
  const kernels = { ...runtime.kernels, preferPanels: (dtype: number, count: number): void => { preferred.push([dtype, count]); runtime.kernels.preferPanels(dtype, count); } };
  return { runtime: { ...runtime, kernels }, preferred };
}

const panels = suite('how many panels at once');
for (const dtype of ['F32', 'Q8_0'] as const) {
  panels(`both are timed for ${dtype} once, and the choice is remembered`, async () => {
    const { runtime, preferred } = await spied();
    const model = modelOf(runtime, 40, dtype);
    const used = runtime.scratch.report().used;
    await choosePanelsAtOnce(runtime, model);
    assert.equal([...new Set(preferred.map(([code]) => code))], [DTYPES[dtype]], 'that of most of the weights');
    assert.equal([...new Set(preferred.map(([, count]) => count))].sort(), [1, 4]);
    const [, chosen] = preferred.at(-1)!;
    assert.ok(Object.values(JSON.parse(readFileSync(join(cache, 'kernels.json'), 'utf8')) as Record<string, Record<string, unknown>>).some((kept) => Object.entries(kept).some(([question, count]) => question.includes('panels at once') && count === chosen)));
    assert.is(runtime.scratch.report().used, used);
    reopen();
    preferred.length = 0;
    await choosePanelsAtOnce(runtime, model);
    assert.equal(preferred, [[DTYPES[dtype], chosen]], 'without timing');
    runtime.dispose();
  });
}
panels('a model that fits into a cache is left alone', async () => {
  const { runtime, preferred } = await spied();
  await choosePanelsAtOnce(runtime, modelOf(runtime, 4, 'F32'));
  assert.equal(preferred, []);
  runtime.dispose();
});
panels.after(() => { rmSync(cache, { recursive: true }); });
panels.run();
