import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createEngine, createRuntime, isLorikeetError, LorikeetError, memoryReport, type Engine } from '../../src/index.js';
import { disposeModel, loadModel } from '../../src/models/model.js';
import { openFolder } from '../../src/store/open.js';
import type { Folder, FolderFiles } from '../../src/store/source.js';
import { goldenAdapter, goldenModel } from './folders.js';
import { failAllocation, spiedOn } from './spies.js';

// Whatever fails, at whatever moment: a typed error, memory as before, the former adapter at work with the same bits, and the next load succeeds.

const KINDS: readonly (readonly [kind: string, model: string, adapter: string, former: string])[] = [
  ['plain', 'llama', 'qv', 'all'], ['patterns', 'llama', 'patterns', 'qv'], ['lora_bias', 'llama', 'lora_bias', 'qv'], ['DoRA', 'llama', 'dora', 'qv'], ['DoRA embedding', 'llama', 'dora_embed', 'embed'],
  ['embedding', 'llama', 'embed', 'qv'], ['base weight beside', 'llama', 'embed_head_qv', 'qv'], ['saved modules', 'llama', 'save_embed', 'save_norms'], ['tokens', 'llama', 'tokens', 'qv'],
  ['f16', 'llama', 'f16', 'bf16'], ['aLoRA', 'llama', 'alora', 'qv'], ['tied', 'llama_tied', 'embed_ensure', 'tokens'], ['trained biases', 'qwen2', 'bias_all', 'all'], ['transposed', 'gpt2', 'all', 'dora'],
  ['conv', 'kitchen_sink', 'everything', 'conv1d'], ['DoRA conv', 'kitchen_sink', 'dora', 'everything'], ['saved conv', 'kitchen_sink', 'save_conv1d', 'conv1d'],
];
const TOKENS = [5, 3, 17, 40, 9, 2, 3, 4];

/** Runs `work`, which must reject, and returns its error. */
async function failure(work: () => unknown): Promise<unknown> {
  try {
    await work();
  } catch (error) {
    return error;
  }
  return assert.unreachable('it succeeded');
}

/** A folder whose files are read through `onRead`: what that returns is handed out instead. */
function watched(files: FolderFiles, onRead: (index: number, bytes: Uint8Array) => Uint8Array): Folder {
  let reads = 0;
  const made = openFolder(files);
  return {
    name: 'watched',
    has: async (path) => (await made).has(path),
    text: async (path, limit) => (await made).text(path, limit),
    async open(path) {
      const source = await (await made).open(path);
      return { name: source.name, size: source.size, close: () => source.close(), read: async (begin, end) => onRead(reads++, await source.read(begin, end)) };
    },
  };
}

const reads = suite('faults: reading');
const allocations = suite('faults: allocations');

for (const [kind, model, adapter, former] of KINDS) {
  /** An engine with the former adapter under the name, what must not change, and the check that it did not. */
  const stage = async () => {
    const { made: engine, spy } = await spiedOn(() => createEngine({ model: goldenModel(model) }));
    await engine.adapters.load('a', goldenAdapter(model, adapter));
    engine.logits(TOKENS, { adapters: { a: 1 } }); // the workspace of both is there before anything is measured
    engine.adapters.unload('a');
    await engine.adapters.load('a', goldenAdapter(model, former));
    const logits = engine.logits(TOKENS, { adapters: { a: 0.7 } });
    const memory = engine.memory();
    const generation = engine.adapters.get('a').generation;
    const unchanged = (): void => {
      const now = engine.memory();
      assert.equal({ ...now, adapters: { ...now.adapters, highWater: 0 }, scratch: { ...now.scratch, highWater: 0 } }, { ...memory, adapters: { ...memory.adapters, highWater: 0 }, scratch: { ...memory.scratch, highWater: 0 } });
      assert.is(engine.adapters.get('a').generation, generation);
      assert.equal(engine.logits(TOKENS, { adapters: { a: 0.7 } }), logits);
    };
    /** The load succeeds now, and does what it does on an engine of its own. */
    const succeeds = async (): Promise<void> => {
      await engine.adapters.load('a', goldenAdapter(model, adapter));
      const other = await createEngine({ model: goldenModel(model) });
      await other.adapters.load('a', goldenAdapter(model, adapter));
      assert.equal(engine.logits(TOKENS, { adapters: { a: 0.7 } }), other.logits(TOKENS, { adapters: { a: 0.7 } }));
      other.dispose();
      engine.adapters.unload('a');
      assert.is(engine.memory().adapters.used, 0);
      engine.dispose();
    };
    return { engine, heap: spy.heap, unchanged, succeeds };
  };

  allocations(`each of a load, ${kind}`, async () => {
    const { engine, heap, unchanged, succeeds } = await stage();
    const free = failAllocation(heap, -1);
    await engine.adapters.load('b', goldenAdapter(model, adapter));
    const allocated = free.count();
    engine.adapters.unload('b');
    free.stop();
    assert.ok(allocated >= 1);
    for (let i = 0; i < allocated; i++) {
      const fault = failAllocation(heap, i);
      const error = await failure(() => engine.adapters.load('a', goldenAdapter(model, adapter)));
      fault.stop();
      assert.ok(isLorikeetError(error, 'memory/exhausted'), `allocation ${i}: ${String(error)}`);
      assert.is(fault.count(), i + 1);
      unchanged();
    }
    await succeeds();
  });

  reads(`each fails, is cut or comes after an abort, ${kind}`, async () => {
    const { engine, unchanged, succeeds } = await stage();
    const files = goldenAdapter(model, adapter);
    let count = 0;
    await engine.adapters.load('b', watched(files, (index, bytes) => { count = index + 1; return bytes; }));
    engine.adapters.unload('b');
    assert.ok(count >= 3);
    for (let i = 0; i < count; i++) {
      const broken = new LorikeetError('store/unreadable', 'The disk is on fire.');
      assert.is(await failure(() => engine.adapters.load('a', watched(files, (index, bytes) => { if (index === i) throw broken; return bytes; }))), broken);
      unchanged();

      const cut = await failure(() => engine.adapters.load('a', watched(files, (index, bytes) => (index === i ? bytes.subarray(0, bytes.length - 1) : bytes))));
      assert.ok(cut instanceof LorikeetError && /^(store|safetensors)\//.test(cut.code), `read ${i}: ${String(cut)}`);
      unchanged();

      const controller = new AbortController();
      const reason = new Error('the player left');
      assert.is(await failure(() => engine.adapters.load('a', watched(files, (index, bytes) => { if (index === i) controller.abort(reason); return bytes; }), { signal: controller.signal })), reason);
      unchanged();
    }
    await succeeds();
  });
}
allocations.run();
reads.run();

const model = suite('faults: a model');
for (const name of ['llama_tied', 'gpt2', 'kitchen_sink', 'gemma3']) {
  model(`${name}: each allocation and each read`, async () => {
    const runtime = await createRuntime();
    const files = goldenModel(name);
    let count = 0;
    const whole = failAllocation(runtime.heap, -1);
    disposeModel(runtime, await loadModel(runtime, watched(files, (index, bytes) => { count = index + 1; return bytes; })));
    whole.stop();
    const { bytes: _, ...before } = memoryReport(runtime);
    const unchanged = (): void => {
      const { bytes: __, ...now } = memoryReport(runtime);
      assert.equal(now, before);
    };
    for (let i = 0; i < whole.count(); i++) {
      const fault = failAllocation(runtime.heap, i);
      assert.ok(isLorikeetError(await failure(() => loadModel(runtime, files)), 'memory/exhausted'));
      fault.stop();
      unchanged();
    }
    for (let i = 0; i < count; i++) {
      const broken = new Error('the network is gone');
      assert.is(await failure(() => loadModel(runtime, watched(files, (index, bytes) => { if (index === i) throw broken; return bytes; }))), broken);
      unchanged();
      const cut = await failure(() => loadModel(runtime, watched(files, (index, bytes) => (index === i ? bytes.subarray(0, bytes.length >> 1) : bytes))));
      assert.ok(cut instanceof LorikeetError, String(cut));
      unchanged();
    }
    disposeModel(runtime, await loadModel(runtime, files));
    unchanged();
  });
}
model.run();

const other = suite('faults: sessions and merges');

other('each allocation of a session and of the start of an answer', async () => {
  const { made: engine, spy: { heap } } = await spiedOn(() => createEngine({ model: goldenModel('llama') }));
  await engine.adapters.load('a', goldenAdapter('llama', 'dora'));
  const answer = async (): Promise<number[]> => {
    const session = engine.session({ adapters: { a: 1 } });
    try {
      for await (const _ of session.complete(TOKENS, { maxTokens: 40, endTokens: [] }));
      return [...session.tokens];
    } finally {
      session.dispose();
    }
  };
  const used = ({ weights, adapters, kv }: ReturnType<Engine['memory']>): number[] => [weights.used, adapters.used, kv.used, kv.blocks];
  const before = used(engine.memory());
  const counting = failAllocation(heap, -1);
  const cold = await answer();
  counting.stop();
  for (let i = 0; i < counting.count(); i++) {
    const fault = failAllocation(heap, i);
    const error = await failure(answer).catch(() => null); // warm, fewer are made: the last ones don't happen
    fault.stop();
    if (fault.count() <= i) break;
    assert.ok(isLorikeetError(error, 'memory/exhausted'), String(error));
    assert.equal(used(engine.memory()), before);
    assert.equal(await answer(), cold);
  }
  assert.equal(used(engine.memory()), before);
  engine.dispose();
});

for (const [name, blend] of [['llama', { qv: 1, lora_bias: 0 }], ['llama', { dora: 0.5 }], ['llama', { save_head: 1, qv: 0.5 }], ['llama', { embed: 1 }], ['kitchen_sink', { everything: 0.5 }], ['gpt2', { dora: 1 }], ['qwen2', { bias_all: 1 }]] as const) {
  other(`each allocation of a merge, ${name} ${Object.keys(blend).join(' + ')}`, async () => {
    const { made: engine, spy: { heap } } = await spiedOn(() => createEngine({ model: goldenModel(name) }));
    for (const adapter of Object.keys(blend)) await engine.adapters.load(adapter, goldenAdapter(name, adapter));
    const base = engine.logits(TOKENS);
    const blended = engine.logits(TOKENS, { adapters: blend });
    const counting = failAllocation(heap, -1);
    engine.adapters.merge(blend);
    const merged = engine.logits(TOKENS);
    engine.adapters.unmerge();
    counting.stop();
    assert.not.equal(merged, base);
    const { adapters: { highWater: _, ...before } } = engine.memory();
    let failed = 0;
    for (let i = 0; i < counting.count(); i++) {
      const fault = failAllocation(heap, i);
      let error: unknown = null;
      try {
        engine.adapters.merge(blend);
      } catch (caught) {
        error = caught;
      }
      fault.stop();
      if (error === null) break;
      failed++;
      assert.ok(isLorikeetError(error, 'memory/exhausted'));
      const { adapters: { highWater: __, ...now } } = engine.memory();
      assert.equal(now, before);
      assert.equal(engine.adapters.merged, []);
      assert.equal(engine.logits(TOKENS), base);
      assert.equal(engine.logits(TOKENS, { adapters: blend }), blended);
    }
    assert.ok(failed >= 1);
    engine.adapters.unmerge();
    engine.adapters.merge(blend);
    assert.equal(engine.logits(TOKENS), merged);
    engine.dispose();
  });
}
other.run();
