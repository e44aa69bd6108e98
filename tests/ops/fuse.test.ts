import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Blend } from '../../src/adapters/adapter.js';
import { AdapterBank } from '../../src/adapters/bank.js';
import { addBlend } from '../../src/adapters/blend.js';
import { createRuntime } from '../../src/arena/runtime.js';
import { KvCache } from '../../src/models/kv-cache.js';
import { KvPool } from '../../src/models/kv-pool.js';
import { loadModel, type Model } from '../../src/models/model.js';
import { addSegment, clearFrame } from '../../src/ops/frame.js';
import { fuse } from '../../src/ops/fuse.js';
import { Program } from '../../src/ops/program.js';
import type { Recording } from '../../src/ops/record.js';
import { goldenAdapter, goldenModel } from '../adapters/folders.js';
import { GOLDEN, goldenCases, goldenModels } from '../models/golden.js';

// The rewritten list gives the bits of the recorded one: of every architecture, with every golden blend, in frames cut anywhere that want logits of any rows.

const ROWS = 40;
const CONTEXT = 64;

/** Deterministic numbers below n. */
function randoms(seed: number): (n: number) => number {
  let state = seed >>> 0;
  return (n) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
}

const test = suite('fuse');

const MODELS: readonly (readonly [name: string, model: Parameters<typeof loadModel>[1], dtype?: 'q8_0'])[] = [
  ...goldenModels().map((name) => [name, goldenModel(name)] as const),
  ...['blocks32', 'llama3', 'phi3', 'qwen3', 'gemma2'].map((name) => [`${name}.gguf`, `${GOLDEN}gguf/${name}.gguf`] as const),
  ['tavern', 'models/tavern'], ['tavern, rounded to blocks', 'models/tavern', 'q8_0'],
];

for (const [name, from, dtype] of MODELS) {
  test(`${name}: the same bits as the list that was recorded`, async () => {
    const runtime = await createRuntime();
    const model: Model = await loadModel(runtime, from, dtype ? { dtype } : {});
    const bank = new AdapterBank(runtime, model.modules, model.modelType);
    const blends: Blend[] = [{}];
    if (goldenModels().includes(name)) {
      for (const { adapters, selective = false } of goldenCases(name)) {
        blends.push(adapters);
        for (const adapter of Object.keys(adapters)) if (!bank.has(adapter)) await bank.load(adapter, goldenAdapter(name, adapter), { selective });
      }
    } else if (name.startsWith('tavern')) {
      for (const voice of ['pirate', 'ghost']) await bank.load(voice, `adapters/${voice}`);
      blends.push({ pirate: 1 }, { pirate: 0.5, ghost: -1 });
    }
    const programs = [(recording: Recording) => recording, fuse].map((rewrite) => new Program(runtime, (ops) => model.forward(ops), ROWS, ROWS, rewrite));
    for (const program of programs) program.reserve(64, true);
    const pool = model.kv && new KvPool(runtime, model.kv, CONTEXT, { prefixCache: false });
    const random = randoms(name.length * 131);
    const invocations = [...new Set(blends.flatMap((blend) => Object.keys(blend)))].flatMap((adapter) => bank.get(adapter).invocation ?? []);
    const sequences = blends.map((blend) => {
      const tokens = [...Array.from({ length: 1 + random(8) }, () => random(model.vocabSize)), ...invocations, ...Array.from({ length: 1 + random(8) }, () => random(model.vocabSize))];
      const caches = pool ? programs.map(() => new KvCache(pool, CONTEXT)) : [];
      for (const cache of caches) cache.reserve(tokens.length);
      return { blend: bank.resolve(blend), tokens, caches, done: 0 };
    });
    let compared = 0;
    for (;;) {
      const waiting = sequences.filter(({ tokens, done }) => done < tokens.length).sort(() => random(3) - 1);
      if (waiting.length === 0) break;
      const placed = waiting.map((sequence) => ({ sequence, rows: pool ? 1 + random(sequence.tokens.length - sequence.done) : sequence.tokens.length, wanted: 0 }));
      let outputs = 0;
      for (const [which, program] of programs.entries()) {
        const { frame } = program;
        clearFrame(frame);
        const { i32 } = runtime.views;
        for (const place of placed) {
          const { sequence, rows } = place;
          if (frame.tokens.rows + rows > ROWS) place.rows = 0;
          if (place.rows === 0) continue;
          // all rows of a model that sees the whole sequence at once: its convolution says how long its result is
          if (which === 0) place.wanted = pool ? random(rows + 1) : rows;
          for (let i = 0; i < rows; i++) {
            i32[frame.ids / 4 + frame.tokens.rows + i] = sequence.tokens[sequence.done + i]!;
            i32[frame.positions / 4 + frame.tokens.rows + i] = sequence.done + i;
          }
          const first = rows - place.wanted;
          for (let i = first; i < rows; i++) i32[frame.outputRows / 4 + frame.outputs.rows + i - first] = frame.tokens.rows + i;
          const segment = addSegment(frame.tokens, rows, sequence.done);
          const cache = sequence.caches[which];
          if (cache) Object.assign(segment, { table: cache.table, tableStride: cache.tableStride, kvDtype: cache.dtype });
          addBlend(segment, sequence.blend, sequence.tokens, sequence.tokens.length);
          if (place.wanted > 0) addBlend(addSegment(frame.outputs, place.wanted, sequence.done + first), sequence.blend, sequence.tokens, sequence.tokens.length);
        }
        program.run();
        outputs = frame.outputs.rows;
      }
      const [recorded, rewritten] = programs.map(({ result: { ptr } }) => runtime.views.u32.slice(ptr / 4, ptr / 4 + outputs * model.outputSize));
      assert.equal(rewritten, recorded);
      compared += outputs;
      for (const { sequence, rows } of placed) sequence.done += rows;
    }
    assert.ok(compared > 0);
  });
}

test.run();
