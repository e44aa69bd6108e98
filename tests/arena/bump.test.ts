import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BumpArena } from '../../src/arena/bump.js';
import { Heap, PAGE } from '../../src/arena/heap.js';
import { Model, randomIntegers, throwsCode } from './trace.js';

const test = suite('arena/bump');

function create(maximum = 1024, spanBytes?: number) {
  const heap = new Heap(new WebAssembly.Memory({ initial: 1, maximum }), 0);
  return { heap, arena: new BumpArena(heap, 'weights', { spanBytes }) };
}

test('blocks follow one another, aligned, over several spans', () => {
  const { heap, arena } = create();
  const model = new Model();
  for (let i = 0; i < 50; i++) {
    if (i % 7 === 0) heap.reserve(1); // so that the span can't always extend
    model.add(arena.alloc(i * 1000), i * 1000);
  }
  assert.is(arena.report().used, model.used);
  assert.is(arena.report().blocks, 50);
});

test('reserve grows the memory once for all that follows', () => {
  const { heap, arena } = create();
  arena.reserve(100 * PAGE);
  const { buffer } = heap.memory;
  for (let i = 0; i < 100; i++) arena.alloc(PAGE);
  assert.is(heap.memory.buffer, buffer);
});

test('a rewind brings back the reports of the mark', () => {
  for (let seed = 0; seed < 30; seed++) {
    const random = randomIntegers(seed);
    const { heap, arena } = create(1024, [PAGE, 0, 5 * PAGE][seed % 3]);
    const states: { mark: ReturnType<BumpArena['mark']>; report: object; heapUsed: number }[] = [];
    let neighbours = 0;
    for (let step = 0; step < 60; step++) {
      if (random(5) === 0) states.push({ mark: arena.mark(), report: arena.report(), heapUsed: heap.report().used - neighbours });
      if (random(5) === 0) { heap.reserve(1); neighbours += PAGE; }
      arena.alloc(random(2 * PAGE));
    }
    for (const { mark, report, heapUsed } of states.reverse()) {
      arena.rewind(mark);
      const { highWater } = arena.report();
      assert.equal(arena.report(), { ...report, highWater });
      assert.is(heap.report().used - neighbours, heapUsed);
    }
    arena.dispose();
    assert.is(heap.report().used, neighbours);
  }
});

test('marks of other arenas and of rewound states are refused', () => {
  const { heap, arena } = create();
  const early = arena.mark();
  arena.alloc(1000);
  const late = arena.mark();
  arena.rewind(early);
  throwsCode(() => arena.rewind(late), 'memory/bad-mark');
  throwsCode(() => new BumpArena(heap, 'other').rewind(early), 'memory/bad-mark');
});

test('near the limit the arena takes what it needs where its wish is too much', () => {
  const { heap, arena } = create(10, 64 * PAGE);
  assert.is(arena.alloc(3 * PAGE), 0);
  assert.is(arena.alloc(6 * PAGE), 3 * PAGE);
  assert.is(heap.report().used, 9 * PAGE);
});

test('an exhausted memory and a failed hook change nothing', () => {
  const { heap, arena } = create(10);
  arena.alloc(3 * PAGE);
  const [before, heapBefore] = [arena.report(), heap.report()];
  throwsCode(() => arena.alloc(8 * PAGE), 'memory/exhausted');
  throwsCode(() => arena.reserve(8 * PAGE), 'memory/exhausted');
  heap.onAlloc = () => { throw new Error('injected'); };
  assert.throws(() => arena.alloc(1), /injected/);
  assert.equal([arena.report(), heap.report()], [before, heapBefore]);
});

test.run();
