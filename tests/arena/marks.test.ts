import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Heap, PAGE } from '../../src/arena/heap.js';
import { ScratchArena } from '../../src/arena/marks.js';
import { Model, randomIntegers, throwsCode } from './trace.js';

const test = suite('arena/marks');

function create(maximum = 1024) {
  const heap = new Heap(new WebAssembly.Memory({ initial: 1, maximum }), 0);
  return { heap, scratch: new ScratchArena(heap, 'scratch') };
}

test('a release frees all that came since its mark, and the next round gets the same bytes', () => {
  const { scratch } = create();
  const rounds = [0, 1].map(() => {
    const outer = scratch.mark();
    const a = scratch.alloc(1000);
    const inner = scratch.mark();
    const b = scratch.alloc(2000);
    scratch.release(inner);
    const c = scratch.alloc(500);
    assert.is(c, b);
    scratch.release(outer);
    return [a, b, c];
  });
  assert.equal(rounds[0], rounds[1]);
  assert.equal([scratch.report().used, scratch.report().blocks, scratch.report().freeBlocks], [0, 0, 1]);
});

test('nested random traces: no overlap among the living, and pages don\'t change after the first rounds', () => {
  for (let seed = 0; seed < 20; seed++) {
    const { heap, scratch } = create();
    const round = () => {
      const random = randomIntegers(seed);
      const levels: { mark: number; offsets: number[] }[] = [{ mark: scratch.mark(), offsets: [] }];
      const model = new Model();
      for (let step = 0; step < 200; step++) {
        const act = random(6);
        if (act === 0) levels.push({ mark: scratch.mark(), offsets: [] });
        else if (act === 1 && levels.length > 1) {
          const { mark, offsets } = levels.pop()!;
          scratch.release(mark);
          offsets.forEach((offset) => model.remove(offset));
        } else {
          const bytes = random(PAGE);
          const offset = scratch.alloc(bytes);
          model.add(offset, bytes);
          levels.at(-1)!.offsets.push(offset);
        }
        if (random(20) === 0) heap.release(heap.reserve(1));
        assert.is(scratch.report().used, model.used);
      }
      for (const { mark } of levels.reverse()) scratch.release(mark);
    };
    round();
    heap.reserve(1);
    round();
    const [before, { byteLength }] = [scratch.report(), heap.memory.buffer];
    round();
    assert.equal(scratch.report(), before);
    assert.is(heap.memory.buffer.byteLength, byteLength);
    assert.is(before.freeBlocks, 1);
    assert.is(before.used, 0);
    scratch.dispose();
    assert.is(heap.report().used, PAGE);
  }
});

test('a stack over several spans comes back as one', () => {
  const { heap, scratch } = create();
  const mark = scratch.mark();
  for (let i = 0; i < 4; i++) {
    scratch.alloc(3 * PAGE);
    heap.reserve(1);
  }
  assert.is(scratch.report().blocks, 4);
  scratch.release(mark);
  const next = scratch.mark();
  scratch.alloc(1);
  assert.is(scratch.report().largestFree, 12 * PAGE - 64);
  scratch.release(next);
});

test('a span kept from before is passed over where it is too small', () => {
  const { heap, scratch } = create();
  const model = new Model();
  scratch.mark();
  model.add(scratch.alloc(PAGE), PAGE);
  heap.reserve(1);
  const inner = scratch.mark();
  scratch.alloc(PAGE);
  heap.reserve(1);
  scratch.release(inner);
  for (const bytes of [3 * PAGE, 64, 2 * PAGE]) model.add(scratch.alloc(bytes), bytes);
  assert.is(scratch.report().used, model.used);
});

test('the order of releases is checked', () => {
  const { scratch } = create();
  throwsCode(() => scratch.alloc(1), 'memory/no-mark');
  throwsCode(() => scratch.release(-1), 'memory/mark-order');
  const outer = scratch.mark();
  const inner = scratch.mark();
  throwsCode(() => scratch.release(outer), 'memory/mark-order');
  scratch.release(inner);
  throwsCode(() => scratch.release(inner), 'memory/mark-order');
  scratch.release(outer);
});

test('an exhausted memory and a failed hook change nothing', () => {
  const { heap, scratch } = create(8);
  scratch.mark();
  scratch.alloc(2 * PAGE);
  const [before, heapBefore] = [scratch.report(), heap.report()];
  throwsCode(() => scratch.alloc(7 * PAGE), 'memory/exhausted');
  heap.onAlloc = () => { throw new Error('injected'); };
  assert.throws(() => scratch.alloc(1), /injected/);
  assert.equal([scratch.report(), heap.report()], [before, heapBefore]);
});

test.run();
