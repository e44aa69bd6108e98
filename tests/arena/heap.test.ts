import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Heap, PAGE, type Span } from '../../src/arena/heap.js';
import { randomIntegers, throwsCode } from './trace.js';

const test = suite('arena/heap');
const create = (pages = 1, maximum = 64, limit?: number, base = 100) => new Heap(new WebAssembly.Memory({ initial: pages, maximum }), base, limit);

test('spans are whole pages behind the base, and the last page of the memory stays free', () => {
  const heap = create(1);
  const a = heap.reserve(1);
  const b = heap.reserve(PAGE + 1);
  assert.equal(a, { begin: PAGE, end: 2 * PAGE });
  assert.equal(b, { begin: 2 * PAGE, end: 4 * PAGE });
  assert.is(heap.memory.buffer.byteLength, 5 * PAGE);
});

test('one reservation grows the memory at most once, by what it needs and a twelfth of what there is then', () => {
  const heap = create(1, 400);
  const grown: number[] = [];
  const grow = heap.memory.grow.bind(heap.memory);
  heap.memory.grow = (pages) => { grown.push(pages); return grow(pages); };
  heap.reserve(10 * PAGE);
  heap.reserve(3 * PAGE);
  assert.equal(grown, [11, 4]);
  heap.reserve(PAGE);
  heap.reserve(120 * PAGE);
  assert.equal(grown, [11, 4, 120 + 11]);
  for (let i = 0; i < 11; i++) heap.reserve(PAGE);
  assert.is(grown.length, 3);
});

test('where a twelfth more is not to be had, what is needed is', () => {
  for (const heap of [create(1, 100, 64 * PAGE), create(1, 64)]) {
    heap.reserve(60 * PAGE);
    heap.reserve(2 * PAGE);
    assert.is(heap.memory.buffer.byteLength, 64 * PAGE);
    throwsCode(() => heap.reserve(1), 'memory/exhausted');
  }
});

test('the smallest free run that fits comes first, then untouched pages, then growth', () => {
  const heap = create(1);
  const [large, , small] = [5, 1, 2, 1].map((pages) => heap.reserve(pages * PAGE)) as [Span, Span, Span, Span];
  const { byteLength } = heap.memory.buffer;
  heap.release(large);
  heap.release(small);
  assert.is(heap.reserve(2 * PAGE).begin, small.begin);
  assert.is(heap.reserve(2 * PAGE).begin, large.begin);
  assert.is(heap.memory.buffer.byteLength, byteLength);
});

test('free runs coalesce with both neighbours and with the untouched end', () => {
  const heap = create(1);
  const start = heap.report();
  const spans = [1, 2, 3, 4].map((pages) => heap.reserve(pages * PAGE)) as [Span, Span, Span, Span];
  heap.release(spans[0]);
  heap.release(spans[2]);
  assert.is(heap.report().freeBlocks, 2);
  heap.release(spans[1]);
  assert.equal([heap.report().freeBlocks, heap.report().largestFree], [1, 6 * PAGE]);
  heap.release(spans[3]);
  const end = heap.report();
  assert.equal([end.used, end.blocks, end.freeBlocks, end.free, end.largestFree], [start.used, 0, 1, 10 * PAGE, 10 * PAGE]);
  assert.is(heap.reserve(12 * PAGE).begin, PAGE); // the free run and what grows behind it are one
});

test('a span extends into a free run or the untouched end, and not into a neighbour', () => {
  const heap = create(1);
  const [a, b, c] = [2, 2, 2].map((pages) => heap.reserve(pages * PAGE)) as [Span, Span, Span];
  assert.not(heap.extend(a, 1));
  heap.release(b);
  assert.ok(heap.extend(a, 1));
  assert.is(a.end, 4 * PAGE);
  assert.not(heap.extend(a, 2 * PAGE));
  assert.ok(heap.extend(c, 3 * PAGE));
  assert.is(c.end, 10 * PAGE);
  heap.trim(c, 8 * PAGE);
  assert.is(heap.reserve(1).begin, 4 * PAGE);
  assert.is(heap.reserve(1).begin, 8 * PAGE);
});

test('the limit and the maximum of the memory are typed errors that change nothing', () => {
  for (const heap of [create(1, 64, 8 * PAGE + 5), create(1, 8)]) {
    heap.reserve(4 * PAGE);
    const before = heap.report();
    const { expected, found } = throwsCode(() => heap.reserve(3 * PAGE), 'memory/exhausted');
    assert.is(expected, 3 * PAGE);
    assert.ok((found as number) < 3 * PAGE);
    assert.equal(heap.report(), before);
    assert.is(heap.tryReserve(3 * PAGE), null);
    heap.reserve(2 * PAGE);
    assert.is(heap.memory.buffer.byteLength, 8 * PAGE);
    throwsCode(() => heap.reserve(1), 'memory/exhausted');
  }
});

test('what was not reserved, or was released already, is not released', () => {
  const heap = create();
  const span = heap.reserve(1);
  heap.release(span);
  const before = heap.report();
  throwsCode(() => heap.release(span), 'memory/not-allocated');
  throwsCode(() => heap.release({ begin: 0, end: PAGE }), 'memory/not-allocated');
  throwsCode(() => heap.extend(span, 1), 'memory/not-allocated');
  assert.equal(heap.report(), before);
});

test('random traces: no overlap, exact accounting, and all of it comes back', () => {
  for (let seed = 0; seed < 20; seed++) {
    const random = randomIntegers(seed);
    const heap = create(2, 200);
    const live: Span[] = [];
    for (let step = 0; step < 500; step++) {
      const act = random(10);
      if (act < 5) {
        const span = heap.tryReserve((1 + random(12)) * PAGE);
        if (span) live.push(span);
      } else if (live.length > 0) {
        const i = random(live.length);
        const span = live[i]!;
        if (act < 7) heap.extend(span, (1 + random(3)) * PAGE);
        else if (act < 8 && span.end - span.begin > PAGE) heap.trim(span, span.begin + PAGE);
        else heap.release(live.splice(i, 1)[0]!);
      }
      const sorted = [...live].sort((a, b) => a.begin - b.begin);
      for (let i = 1; i < sorted.length; i++) assert.ok(sorted[i - 1]!.end <= sorted[i]!.begin);
      const last = sorted.at(-1);
      assert.ok(!last || last.end + 64 <= heap.memory.buffer.byteLength);
      const report = heap.report();
      assert.is(report.used, sorted.reduce((sum, { begin, end }) => sum + end - begin, 0));
      assert.is(report.used + report.free, heap.memory.buffer.byteLength - 2 * PAGE);
    }
    live.forEach((span) => heap.release(span));
    const { used, blocks, freeBlocks, free, largestFree } = heap.report();
    assert.equal([used, blocks, freeBlocks, largestFree], [0, 0, 1, free]);
  }
});

test('offsets reach to the end of 4 GiB', () => {
  const heap = new Heap(new WebAssembly.Memory({ initial: 1, maximum: 65536 }), 0);
  heap.reserve(3 * 2 ** 30); // untouched, so never committed by the system
  const high = heap.reserve(2 ** 30 - PAGE);
  assert.is(high.begin, 3 * 2 ** 30);
  assert.is(high.end, 2 ** 32 - PAGE);
  assert.is(heap.memory.buffer.byteLength, 2 ** 32);
  const bytes = new Uint8Array(heap.memory.buffer);
  bytes[high.end - 1] = 7;
  assert.is(bytes.at(-1 - PAGE), 7);
  throwsCode(() => heap.reserve(1), 'memory/exhausted');
  heap.release(high);
  assert.is(heap.reserve(PAGE).begin, 3 * 2 ** 30);
});

test.run();
