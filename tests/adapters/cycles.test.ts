import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createEngine, type Engine } from '../../src/index.js';
import type { Heap } from '../../src/arena/heap.js';
import { difference } from '../models/golden.js';
import { goldenAdapter, goldenModel } from './folders.js';
import { spiedOn } from './spies.js';

// 100,000 loads, reloads, unloads and rescales in random order. Every byte that is given back is poisoned, so whoever reads it still computes NaN.

const CYCLES = 100_000;
const WARM_UP = 2_000;
const POISON = 0xff; // f32, bf16 and f16 read it as NaN
const KINDS = ['conv1d', 'linear', 'embedding', 'everything', 'dora', 'lora_bias', 'rslora', 'tokens', 'bias_all', 'save_conv1d', 'regex', 'embedding_linear'];
const NAMES = Array.from({ length: 10 }, (_, i) => `voice ${i}`);
const TOKENS = [5, 3, 17, 11];

const test = suite('cycles');

test(`${CYCLES} random loads, unloads and rescales end where they began`, async () => {
  const { made: engine, spy: { heap } }: { made: Engine; spy: { heap: Heap } } = await spiedOn(() => createEngine({ model: goldenModel('kitchen_sink') }));
  const { adapters } = engine;
  // Every kind's logits, as an adapter that came first gives them.
  const expected = new Map<string, Float32Array>();
  for (const kind of KINDS) {
    await adapters.load('a', goldenAdapter('kitchen_sink', kind));
    expected.set(kind, engine.logits(TOKENS, { adapters: { a: 0.5 } }));
    adapters.unload('a');
  }
  await adapters.load('survivor', goldenAdapter('kitchen_sink', 'everything'));
  const base = engine.logits(TOKENS);
  const { highWater: _, ...start } = engine.memory().adapters;

  let state = 99;
  const random = (n: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
  const loaded = new Map<string, string>();
  const poisoned = new Set<number>();
  let reused = 0;
  let loads = 0;
  let bytes = 0;
  const poison = (block: number, size: number): void => {
    new Uint8Array(heap.memory.buffer, block, size).fill(POISON);
    poisoned.add(block);
  };
  const check = (name: string, kind: string): void => {
    adapters.rescale(name, 1);
    assert.equal(engine.logits(TOKENS, { adapters: { [name]: 0.5 } }), expected.get(kind));
  };
  for (let cycle = 0; cycle < CYCLES; cycle++) {
    const name = NAMES[random(NAMES.length)]!;
    const former = adapters.has(name) ? adapters.get(name) : null;
    const what = random(10);
    if (what < 3) {
      const kind = KINDS[random(KINDS.length)]!;
      const at = former?.block ?? 0;
      await adapters.load(name, goldenAdapter('kitchen_sink', kind));
      loads++;
      const { block, report } = adapters.get(name);
      if (poisoned.delete(block)) reused++;
      // The former one gave its bytes back when the new one stood beside it.
      if (former) poison(at, former.report.bytes);
      assert.is(former?.block ?? 0, 0);
      loaded.set(name, kind);
      assert.is(report.bytes, adapters.get(name).report.bytes);
    } else if (what < 6 && former) {
      const at = former.block;
      const { returned, pending } = adapters.unload(name);
      assert.is(returned, former.report.bytes);
      assert.is(pending, 0);
      poison(at, returned);
      loaded.delete(name);
    } else if (former) {
      adapters.rescale(name, random(200) / 100 - 1);
    }
    if (cycle % 500 === 0) {
      for (const [one, kind] of loaded) check(one, kind);
      assert.equal(engine.logits(TOKENS), base);
      const report = engine.memory().adapters;
      assert.is(report.blocks, loaded.size + 1);
    }
    if (cycle === WARM_UP) bytes = engine.memory().bytes;
  }
  for (const [name, kind] of loaded) check(name, kind);
  for (const name of loaded.keys()) adapters.unload(name);
  check('survivor', 'everything');
  assert.equal(engine.logits(TOKENS), base);
  const { highWater: __, ...end } = engine.memory().adapters;
  assert.equal(end, start);
  assert.is(end.freeBlocks, 1);
  assert.is(engine.memory().bytes, bytes);
  assert.ok(reused > loads / 2, `${reused} of ${loads} loads found poisoned bytes`);
  console.log(`${loads} loads, ${reused} of them where poisoned bytes began; ${end.used} bytes used and ${end.freeBlocks} free block as at the start, ${bytes} bytes of memory since cycle ${WARM_UP}`);
  engine.dispose();
});

test('poison in bytes that are in use shows', async () => {
  const { made: engine, spy: { heap } } = await spiedOn(() => createEngine({ model: goldenModel('kitchen_sink') }));
  await engine.adapters.load('a', goldenAdapter('kitchen_sink', 'everything'));
  const sound = engine.logits(TOKENS, { adapters: { a: 1 } });
  const { block, report } = engine.adapters.get('a');
  new Uint8Array(heap.memory.buffer, block, report.bytes).fill(POISON);
  assert.is(difference(engine.logits(TOKENS, { adapters: { a: 1 } }), sound), Infinity);
  engine.dispose();
});
test.run();
