import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { AdapterBank } from '../../src/adapters/bank.js';
import type { Blend, ResolvedBlend } from '../../src/adapters/adapter.js';
import { addBlend } from '../../src/adapters/blend.js';
import { createRuntime } from '../../src/arena/runtime.js';
import { evaluate } from '../../src/models/evaluate.js';
import { KvCache } from '../../src/models/kv-cache.js';
import { KvPool } from '../../src/models/kv-pool.js';
import { loadModel, type Model } from '../../src/models/model.js';
import { addSegment, clearFrame, type Segment } from '../../src/ops/frame.js';
import { Program } from '../../src/ops/program.js';
import { goldenAdapter, goldenModel } from '../adapters/folders.js';

// Sequences with different blends in one frame, cut anywhere and in any order: each row has the bits of a run by itself.

const CASES: readonly (readonly [model: string, blends: readonly Blend[]])[] = [
  ['llama', [{}, { qv: 1 }, { all: 0.5, qv: -1 }, { dora: 1 }, { dora: 0.5, all: 1 }, { dora: 1, dora_rslora: 1 }, { save_head: 1 }, { save_embed: 1, qv: 1 }, { save_norms: 1 }, { tokens: 1 }, { tokens: 1, embed: 1 }, { embed: 0.7 },
    { dora_embed: 1, embed: 0.5 }, { dora_head: 1, head: 1 }, { lora_bias: 1 }, { alora: 1 }, { alora: 1, dora: 1 }, { alora: -0.5, qv: 1 }, { f16: 1, bf16: 1 }]],
  // neighbours under one blend, whose rows go through its adapters together
  ['llama', [{ qv: 1 }, { qv: 1 }, { qv: 1 }, { qv: 0.5 }, { alora: 1, dora: 1 }, { alora: 1, dora: 1 }, { tokens: 1, save_norms: 1 }, { tokens: 1, save_norms: 1 }, { dora_embed: 1, embed: 0.5 }, { dora_embed: 1, embed: 0.5 }]],
  ['llama_tied', [{}, { tokens: 1 }, { tokens: 1, head: 1 }, { tokens_apart: 1 }, { embed_ensure: 1 }, { dora_embed: 1 }, { qv_bf16: 0.5, save_head: 1 }]],
  ['qwen2', [{}, { bias_all: 1 }, { bias_lora_only: 0.5 }, { lora_bias: 1 }, { dora: 1 }]],
  ['gpt2', [{}, { all: 1 }, { dora: 1, wte: 1 }, { bias_all: 1 }, { save_norm: 1 }, { tokens: 1 }, { wpe: 1 }]],
  ['gemma3', [{}, { all: 1 }, { embed_ensure: 1 }, { dora_embed: 0.5 }, { tokens: 1 }, { save_norms: 1 }]],
];
const ROWS = 48;

/** Deterministic numbers below n. */
function randoms(seed: number): (n: number) => number {
  let state = seed >>> 0;
  return (n) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
}

const test = suite('frames');

for (const [name, blends] of CASES) {
  test(`${name}: ${blends.length} blends in one frame`, async () => {
    const runtime = await createRuntime();
    const model: Model = await loadModel(runtime, goldenModel(name));
    const bank = new AdapterBank(runtime, model.modules, model.modelType);
    for (const adapter of new Set(blends.flatMap((blend) => Object.keys(blend)))) await bank.load(adapter, goldenAdapter(name, adapter));
    const program = new Program(runtime, (ops) => model.forward(ops), ROWS, ROWS);
  const pool = new KvPool(runtime, model.kv!, 64, { prefixCache: false });
    program.reserve(64, true);
    const { frame } = program;
    const random = randoms(name.length * 77);
    const invocation = bank.has('alora') ? bank.get('alora').invocation! : [];
    const bitsAt = (ptr: number): Float32Array => runtime.views.f32.slice(ptr / 4, ptr / 4 + model.outputSize);

    for (let round = 0; round < 6; round++) {
      const sequences = blends.map((blend) => {
        const tokens = Array.from({ length: 2 + random(18) }, () => random(model.vocabSize));
        if ('alora' in blend) tokens.splice(1 + random(tokens.length - 1), 0, ...invocation);
        const resolved: ResolvedBlend = bank.resolve(blend);
        const solo: Float32Array[] = [];
        evaluate(runtime, model, program, tokens, resolved, (position, ptr) => { solo[position] = bitsAt(ptr); }, pool);
        const cache = new KvCache(pool, 64);
        cache.reserve(tokens.length);
        return { blend, tokens, resolved, solo, cache, done: 0 };
      });
      for (;;) {
        const waiting = sequences.filter(({ tokens, done }) => done < tokens.length).map((s) => ({ s, key: random(1000) })).sort((a, b) => a.key - b.key).map(({ s }) => s);
        if (waiting.length === 0) break;
        clearFrame(frame);
        const placed: { s: (typeof sequences)[number]; from: number; rows: number }[] = [];
        for (const s of waiting) {
          const rows = Math.min(ROWS - frame.tokens.rows, 1 + random(s.tokens.length - s.done), s.tokens.length - s.done);
          if (rows === 0) break;
          const { i32 } = runtime.views;
          for (let i = 0; i < rows; i++) {
            const at = frame.tokens.rows + i;
            i32[frame.ids / 4 + at] = s.tokens[s.done + i]!;
            i32[frame.positions / 4 + at] = s.done + i;
            i32[frame.outputRows / 4 + at] = at;
          }
          for (const domain of [frame.tokens, frame.outputs]) {
            const segment: Segment = addSegment(domain, rows, s.done);
            segment.table = s.cache.table;
            segment.tableStride = s.cache.tableStride;
            addBlend(segment, s.resolved, s.tokens, s.tokens.length);
          }
          placed.push({ s, from: frame.tokens.rows - rows, rows });
        }
        program.run();
        for (const { s, from, rows } of placed) {
          for (let i = 0; i < rows; i++) assert.equal(bitsAt(program.result.ptr + (from + i) * model.outputSize * 4), s.solo[s.done + i], `${JSON.stringify(s.blend)} at ${s.done + i}`);
          s.done += rows;
        }
      }
      for (const { cache } of sequences) cache.dispose();
    }
  });
}

test('an aLoRA beside DoRA applies from its invocation on, and not before', async () => {
  const runtime = await createRuntime();
  const model = await loadModel(runtime, goldenModel('llama'));
  const bank = new AdapterBank(runtime, model.modules, model.modelType);
  for (const adapter of ['alora', 'dora']) await bank.load(adapter, goldenAdapter('llama', adapter));
  const program = new Program(runtime, (ops) => model.forward(ops), ROWS, ROWS);
  const pool = new KvPool(runtime, model.kv!, 64, { prefixCache: false });
  program.reserve(64, true);
  const rowsOf = (tokens: readonly number[], blend: Blend): Float32Array[] => {
    const rows: Float32Array[] = [];
    evaluate(runtime, model, program, tokens, bank.resolve(blend), (position, ptr) => { rows[position] = runtime.views.f32.slice(ptr / 4, ptr / 4 + model.outputSize); }, pool);
    return rows;
  };
  const { invocation } = bank.get('alora');
  const tokens = [5, 9, 11, ...invocation!, 8, 13];
  const dora = rowsOf(tokens, { dora: 1 });
  const both = rowsOf(tokens, { dora: 1, alora: 1 });
  assert.equal(both.slice(0, 3), dora.slice(0, 3));
  for (let at = 3; at < tokens.length; at++) assert.not.equal(both[at], dora[at]);
  // Not invoked at all: DoRA alone.
  assert.equal(rowsOf([5, 9, 11, 8], { dora: 1, alora: 1 }), rowsOf([5, 9, 11, 8], { dora: 1 }));
});

test('replaced rows of a tied head come before what is added, in any order of the blend, beside DoRA too', async () => {
  const runtime = await createRuntime();
  const model = await loadModel(runtime, goldenModel('llama_tied'));
  const bank = new AdapterBank(runtime, model.modules, model.modelType);
  for (const adapter of ['tokens', 'head', 'dora_embed']) await bank.load(adapter, goldenAdapter('llama_tied', adapter));
  const program = new Program(runtime, (ops) => model.forward(ops), ROWS, ROWS);
  const pool = new KvPool(runtime, model.kv!, 64, { prefixCache: false });
  program.reserve(64, true);
  const logits = (blend: Blend): Float32Array => {
    let row = new Float32Array(0);
    evaluate(runtime, model, program, [5, 9, 11, 3], bank.resolve(blend), (_, ptr) => { row = runtime.views.f32.slice(ptr / 4, ptr / 4 + model.outputSize); }, pool);
    return row;
  };
  assert.equal(logits({ head: 1, tokens: 1 }), logits({ tokens: 1, head: 1 }));
  assert.not.equal(logits({ head: 1, tokens: 1 }), logits({ tokens: 1 }));
  assert.not.equal(logits({ head: 1, tokens: 1 }), logits({ head: 1 }));
});
test.run();
