import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FreeListArena, type FreeListOptions } from '../../src/arena/free-list.js';
import { Heap, PAGE } from '../../src/arena/heap.js';
import { Views } from '../../src/arena/views.js';
import { Model, randomIntegers, throwsCode } from './trace.js';

const test = suite('arena/free-list');
const POLICIES = ['best-fit', 'first-fit'] as const;

function create(options: FreeListOptions = {}, maximum = 4096) {
  const heap = new Heap(new WebAssembly.Memory({ initial: 1, maximum }), 4096);
  return { heap, arena: new FreeListArena(heap, 'adapters', options) };
}

test('blocks are 64-byte aligned and count in whole 64s', () => {
  const { arena } = create();
  for (const [bytes, size] of [[0, 64], [1, 64], [64, 64], [65, 128], [1_228_801, 1_228_864]] as const) {
    const offset = arena.alloc(bytes);
    assert.is(offset % 64, 0);
    assert.is(arena.sizeOf(offset), size);
    assert.is(arena.free(offset), size);
  }
  assert.equal(arena.report(), { used: 0, free: 0, largestFree: 0, highWater: 1_228_864, blocks: 0, freeBlocks: 0 });
});

test('a freed block serves the next allocation of its size', () => {
  for (const policy of POLICIES) {
    const { arena } = create({ policy });
    const [a, b] = [arena.alloc(5000), arena.alloc(7000), arena.alloc(64)];
    arena.free(b);
    assert.is(arena.alloc(7000), b);
    arena.free(a);
    assert.is(arena.alloc(4000), a);
  }
});

test('best fit takes the smallest hole, first fit the lowest', () => {
  for (const [policy, taken] of [['best-fit', 2], ['first-fit', 0]] as const) {
    const { arena } = create({ policy });
    const blocks = [640, 64, 320, 64].map((bytes) => arena.alloc(bytes));
    arena.free(blocks[0]!);
    arena.free(blocks[2]!);
    assert.is(arena.alloc(256), blocks[taken]);
  }
});

test('neighbours coalesce in every order', () => {
  for (const order of [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]]) {
    const { arena } = create();
    const blocks = [arena.alloc(1000), arena.alloc(1000), arena.alloc(1000)];
    arena.alloc(64);
    const before = arena.report();
    for (const i of order) arena.free(blocks[i]!);
    const { freeBlocks, largestFree } = arena.report();
    assert.is(freeBlocks, 2); // the three as one, and the rest of the span
    assert.is(largestFree, before.largestFree);
    assert.is(arena.alloc(3072), blocks[0]);
  }
});

test('pages behind the last block in use go back, also when it fills its pages to the end', () => {
  const { heap, arena } = create({ spanBytes: 0 });
  const a = arena.alloc(PAGE);
  const before = [arena.report(), heap.report().used];
  arena.free(arena.alloc(PAGE));
  assert.equal([{ ...arena.report(), highWater: PAGE }, heap.report().used], before);
  arena.free(a);
  assert.is(heap.report().used, 0);
});

test('an unknown offset, a second free and an inner offset are refused', () => {
  const { arena } = create();
  const offset = arena.alloc(1000);
  for (const bad of [offset + 64, 0, -64, NaN]) throwsCode(() => arena.free(bad), 'memory/not-allocated');
  arena.free(offset);
  throwsCode(() => arena.free(offset), 'memory/not-allocated');
  throwsCode(() => arena.sizeOf(offset), 'memory/not-allocated');
  for (const bad of [-1, 1.5, NaN, Infinity]) throwsCode(() => arena.alloc(bad), 'memory/bad-size');
});

test('random traces against the naive model', () => {
  for (const policy of POLICIES) {
    for (let seed = 0; seed < 12; seed++) {
      const random = randomIntegers(seed);
      const { heap, arena } = create({ policy, spanBytes: [0, PAGE, 4 * PAGE][seed % 3]!, keepBytes: [0, 2 * PAGE][seed % 2]! });
      const other = new FreeListArena(heap, 'kv', { spanBytes: 0 }); // takes pages between, so that spans part
      const others: number[] = [];
      const model = new Model();
      const empty = arena.report();
      for (let step = 0; step < 1500; step++) {
        if (model.live.size === 0 || random(100) < 52) {
          const bytes = random(8) === 0 ? random(6 * PAGE) : random(5000);
          model.add(arena.alloc(bytes), bytes);
        } else {
          const offset = model.at(random(model.live.size));
          assert.is(arena.free(offset), model.remove(offset));
        }
        if (random(10) === 0) others.push(other.alloc(random(PAGE)));
        if (random(10) === 0 && others.length) other.free(others.splice(random(others.length), 1)[0]!);
        model.check(arena.report());
      }
      for (const offset of [...model.live.keys()]) arena.free(offset);
      assert.equal({ ...arena.report(), highWater: 0 }, empty);
      others.forEach((offset) => other.free(offset));
      other.dispose();
      arena.dispose();
      assert.is(heap.report().used, 0);
    }
  }
});

test('balanced traces leave the report as it was, whatever lives on', () => {
  for (let seed = 0; seed < 30; seed++) {
    const random = randomIntegers(seed);
    const { heap, arena } = create({ spanBytes: [0, PAGE, 1 << 20][seed % 3]! });
    const neighbour = new FreeListArena(heap, 'kv', { spanBytes: 0 });
    for (let i = 0; i < 20; i++) {
      arena.alloc(random(2 * PAGE));
      if (random(3) === 0) neighbour.alloc(1);
    }
    const before = arena.report();
    const heapBefore = heap.report();
    const live: number[] = [];
    for (let step = 0; step < 400; step++) {
      if (random(2) === 0) live.push(arena.alloc(random(3 * PAGE)));
      else if (live.length) arena.free(live.splice(random(live.length), 1)[0]!);
    }
    live.forEach((offset) => arena.free(offset));
    assert.equal({ ...arena.report(), highWater: before.highWater }, before);
    assert.is(heap.report().used, heapBefore.used);
  }
});

test('100,000 loads and unloads end as they began, in one free block, without growth after the first round', () => {
  const { heap, arena } = create({ keepBytes: 1 << 20 });
  const views = new Views(heap.memory);
  const random = randomIntegers(7);
  const start = arena.report();
  const RESIDENT = 24;
  const LARGEST = 200_000;
  // Warm-up: once more than all that can ever be resident, whatever the holes between.
  const warm = Array.from({ length: 2 * RESIDENT }, () => arena.alloc(LARGEST));
  warm.forEach((offset) => arena.free(offset));
  const { byteLength } = heap.memory.buffer;
  const live: { offset: number; bytes: number }[] = [];
  let reused = 0;
  for (let cycle = 0; cycle < 100_000; cycle++) {
    if (live.length < RESIDENT && (live.length === 0 || random(2) === 0)) {
      const bytes = 1 + random(random(4) === 0 ? LARGEST : 20_000);
      const offset = arena.alloc(bytes);
      if (views.u8[offset] === 0xa5) reused++;
      views.u8[offset] = views.u8[offset + bytes - 1] = 0x11;
      live.push({ offset, bytes });
    } else {
      const { offset, bytes } = live.splice(random(live.length), 1)[0]!;
      assert.is(views.u8[offset], 0x11, 'a live block was written to');
      assert.is(views.u8[offset + bytes - 1], 0x11, 'a live block was written to');
      const returned = arena.free(offset);
      views.u8.fill(0xa5, offset, offset + Math.min(returned, 4096));
      views.u8.fill(0xa5, offset + Math.max(0, returned - 4096), offset + returned);
    }
  }
  live.forEach(({ offset }) => arena.free(offset));
  assert.equal({ ...arena.report(), highWater: 0 }, start);
  assert.is(arena.report().freeBlocks, 1);
  assert.is(heap.memory.buffer.byteLength, byteLength);
  assert.ok(reused > 40_000, `only ${reused} blocks began in poisoned bytes`);
});

test('poisoned bytes are what the next block begins with', () => {
  const { heap, arena } = create();
  const views = new Views(heap.memory);
  const offset = arena.alloc(10_000);
  views.u8.fill(0xa5, offset, offset + arena.free(offset));
  assert.is(arena.alloc(10_000), offset);
  assert.ok(views.u8.subarray(offset, offset + 10_000).every((byte) => byte === 0xa5));
});

test('near the limit the arena takes single pages, then fails and changes nothing', () => {
  const { heap, arena } = create({ spanBytes: 1 << 20 }, 12); // 12 pages: one below the base, one guard, ten to give
  const offsets: number[] = [];
  for (let i = 0; i < 10; i++) offsets.push(arena.alloc(PAGE));
  const [before, heapBefore] = [arena.report(), heap.report()];
  const { expected, found } = throwsCode(() => arena.alloc(1), 'memory/exhausted');
  assert.equal([expected, found], [64, 0]);
  assert.equal([arena.report(), heap.report()], [before, heapBefore]);
  arena.free(offsets[3]!);
  assert.is(throwsCode(() => arena.alloc(PAGE + 1), 'memory/exhausted').found, PAGE);
  assert.is(arena.alloc(PAGE), offsets[3]);
});

test('the hook fails any single allocation, and nothing changes', () => {
  const { heap, arena } = create({ spanBytes: 0 });
  const sizes = [100, 70_000, 64, 200_000, 1];
  for (let failing = 0; failing < sizes.length; failing++) {
    let count = 0;
    const seen: [string, number][] = [];
    heap.onAlloc = (name, bytes) => {
      seen.push([name, bytes]);
      if (count++ === failing) throw new Error('injected');
    };
    const live: number[] = [];
    const [start, heapStart] = [arena.report(), heap.report()];
    for (const bytes of sizes) {
      const before = arena.report();
      try {
        live.push(arena.alloc(bytes));
      } catch (error) {
        assert.is((error as Error).message, 'injected');
        assert.equal(arena.report(), before);
        break;
      }
    }
    assert.is(live.length, failing);
    assert.equal(seen, sizes.slice(0, failing + 1).map((bytes) => ['adapters', bytes]));
    live.forEach((offset) => arena.free(offset));
    assert.equal({ ...arena.report(), highWater: start.highWater }, start);
    assert.is(heap.report().used, heapStart.used);
  }
});

test('offsets above 2 GiB are handed out and taken back as positive numbers', () => {
  const heap = new Heap(new WebAssembly.Memory({ initial: 1, maximum: 65536 }), 0);
  heap.reserve(2 ** 32 - 8 * PAGE); // leaves seven pages below the guard
  const arena = new FreeListArena(heap, 'adapters');
  const a = arena.alloc(5 * PAGE);
  const b = arena.alloc(2 * PAGE);
  assert.equal([a, b], [2 ** 32 - 8 * PAGE, 2 ** 32 - 3 * PAGE]);
  const { u8 } = new Views(heap.memory);
  u8[b + 2 * PAGE - 1] = 3;
  throwsCode(() => arena.alloc(1), 'memory/exhausted');
  assert.is(arena.free(a) + arena.free(b), 7 * PAGE);
  assert.is(arena.report().used, 0);
});

test.run();
