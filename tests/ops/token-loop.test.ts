import { getHeapStatistics } from 'node:v8';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { AdapterBank } from '../../src/adapters/bank.js';
import type { Blend } from '../../src/adapters/adapter.js';
import { createRuntime } from '../../src/arena/runtime.js';
import { createEngine, type GenerateOptions } from '../../src/index.js';
import { KvCache } from '../../src/models/kv-cache.js';
import { KvPool } from '../../src/models/kv-pool.js';
import { loadModel } from '../../src/models/model.js';
import { addEntry, addSegment, clearFrame } from '../../src/ops/frame.js';
import { Program } from '../../src/ops/program.js';
import { samplingOptions, type SamplingOptions } from '../../src/sample/options.js';
import { SAMPLER_STATE_BYTES, sampleToken, seedSampler } from '../../src/sample/sampler.js';
import { goldenAdapter, goldenModel } from '../adapters/folders.js';
import { spiedOn } from '../adapters/spies.js';

// The token loop takes nothing from linear memory, and forward and sampling make no arrays, views or closures: counted, not timed.

const test = suite('token loop');

const BLENDS: readonly (readonly [model: string, blends: readonly Blend[], sampling: SamplingOptions])[] = [
  ['llama', [{}, { qv: 1 }, { dora: 0.5, all: 1 }, { embed: 1, save_head: 0.5, lora_bias: 1 }, { dora_embed: 1 }, { tokens: 1, save_norms: 1 }], { temperature: 0.8, topK: 20, topP: 0.9, minP: 0.02, repetitionPenalty: 1.2 }],
  ['llama_tied', [{ tokens: 1 }, { embed_ensure: 1 }], {}],
  ['qwen2', [{ bias_all: 1 }, { all: 0.5 }], { temperature: 1 }],
  ['gpt2', [{ all: 1 }, { wte: 1, wpe: 0.5 }], {}],
  ['gemma3', [{ all: 1 }], { temperature: 0.7 }],
];

/** Bytes a round that are taken for none: less than one array, view or closure, more than a boxed number or two. */
const NONE = 48;

/** The least that the heap of objects grew by `work(count)`, of rounds until it is below `none` for each: V8 compiles beside us, and on a busy machine it takes its time. */
function growth(work: (count: number) => void, count: number, none = NONE): number {
  work(3 * count);
  let least = Infinity;
  for (let round = 0; round < 60 && least >= none * count; round++) {
    globalThis.gc!();
    const before = getHeapStatistics().used_heap_size;
    work(count);
    const grown = getHeapStatistics().used_heap_size - before;
    if (grown >= 0) least = Math.min(least, grown);
  }
  return least;
}

// One instance of the kernels for all: where a call site knows only one, V8 passes numbers without boxing them.
const runtime = await createRuntime();

for (const [name, blends, options] of BLENDS) {
  test(`${name}: thousands of frames leave the heap of objects as it was`, async () => {
    const model = await loadModel(runtime, goldenModel(name));
    const bank = new AdapterBank(runtime, model.modules, model.modelType);
    for (const adapter of new Set(blends.flatMap((blend) => Object.keys(blend)))) await bank.load(adapter, goldenAdapter(name, adapter));
    const program = new Program(runtime, (ops) => model.forward(ops), 16, 8);
    program.reserve(64, true);
    const { frame } = program;
    const sampling = samplingOptions(options);
    const rows = blends.map((blend, i) => {
      const cache = new KvCache(new KvPool(runtime, model.kv!, 64, { prefixCache: false }), 64);
      cache.reserve(64);
      return { blend: bank.resolve(blend), cache, position: 7 * i };
    });
    const state = runtime.kv.alloc(SAMPLER_STATE_BYTES);
    const history = runtime.kv.alloc(64 * 4);
    const scratch = runtime.kv.alloc(2 * model.outputSize * 4);
    seedSampler(runtime, state, 1);
    let allocations = 0;
    runtime.heap.onAlloc = () => { allocations++; };

    /** One step of all sequences, as a scheduler fills and runs its frame, and one token chosen for each. */
    const step = (count: number): void => {
      for (let n = 0; n < count; n++) {
        clearFrame(frame);
        const { i32 } = runtime.views;
        for (let i = 0; i < rows.length; i++) {
          const row = rows[i]!;
          row.position = (row.position + 1) % 64;
          i32[frame.ids / 4 + i] = (row.position * 5 + i) % model.vocabSize;
          i32[frame.positions / 4 + i] = row.position;
          i32[frame.outputRows / 4 + i] = i;
          i32[history / 4 + i] = i;
          for (let d = 0; d < 2; d++) {
            const segment = addSegment(d === 0 ? frame.tokens : frame.outputs, 1, row.position);
            segment.table = row.cache.table;
            segment.tableStride = row.cache.tableStride;
            for (let a = 0; a < row.blend.adapters.length; a++) addEntry(segment, row.blend.adapters[a]!.deltas, row.blend.weights[a]!, 0);
          }
        }
        program.run();
        for (let i = 0; i < rows.length; i++) sampleToken(runtime, program.result.ptr + i * model.outputSize * 4, model.outputSize, sampling, history, rows.length, state, scratch);
      }
    };
    const FRAMES = 1000;
    const bound = Math.min(NONE, program.ops.length);
    const least = growth(step, FRAMES, bound);
    runtime.heap.onAlloc = undefined;
    assert.is(allocations, 0);
    const perOp = least / (FRAMES * program.ops.length);
    console.log(`${name}: ${(least / FRAMES).toFixed(1)} bytes of objects a frame of ${rows.length} sequences and ${program.ops.length} ops, ${perOp.toFixed(3)} an op`);
    assert.ok(least / FRAMES < bound, `${least / FRAMES} bytes a frame`);
  });
}

test('the count sees a single array, view or closure a frame', () => {
  for (const make of [(n: number) => [n], () => runtime.views.f32.subarray(0, 1), (n: number) => () => n]) {
    const kept: unknown[] = [0];
    assert.ok(growth((count) => { for (let n = 0; n < count; n++) kept[0] = make(n); }, 1000) / 1000 >= NONE);
  }
});

for (const [title, options] of [['greedy', {}], ['sampled', { temperature: 0.9, topK: 40, topP: 0.95, minP: 0.01, repetitionPenalty: 1.1, stop: ['\n\n\n'] }]] as const) {
  test(`an answer takes nothing from linear memory between its first token and its last, ${title}`, async () => {
    const { made: engine, spy: { heap } } = await spiedOn(() => createEngine({ model: 'models/tavern' }));
    await engine.adapters.load('pirate', 'adapters/pirate');
    await engine.adapters.load('ghost', 'adapters/ghost');
    const session = engine.session({ adapters: { pirate: 0.8, ghost: 0.3 }, seed: 5 });
    const generate: GenerateOptions = { maxTokens: 100, endTokens: [], ...options };
    for (let round = 0; round < 2; round++) {
      let pieces = 0;
      const arenas: string[] = [];
      heap.onAlloc = (arena) => { if (pieces > 0) arenas.push(arena); };
      const { bytes } = engine.memory();
      for await (const _ of session.complete('The captain', generate)) pieces++;
      heap.onAlloc = undefined;
      assert.is(session.stats.tokens, 100);
      assert.ok(pieces > 20);
      assert.equal(arenas, []);
      assert.is(engine.memory().bytes, bytes);
    }
    engine.dispose();
  });
}
test.run();
