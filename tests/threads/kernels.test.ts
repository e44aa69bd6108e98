import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createRuntime, type Runtime } from '../../src/index.js';
import { Control } from './control.js';
import { pretendCores } from './cores.js';

const test = suite('threads/kernels');
pretendCores(4);

const PLACE = 64 * 65536;
const SCRATCH = 260 * 65536;
const PAGES = 460;

/** Buffers one behind the other, with the same values each time. */
class Buffers {
  #next = PLACE;
  #state = 0x9e3779b9;
  constructor(readonly runtime: Runtime) {}

  bytes(count: number): number {
    const at = this.#next;
    this.#next += Math.ceil(count / 64) * 64 + 64;
    if (this.#next > SCRATCH) throw new Error('the buffers reach into the scratch');
    return at;
  }

  f32(count: number): number {
    const at = this.bytes(4 * count);
    const { f32 } = this.runtime.views;
    for (let i = 0; i < count; i++) f32[at / 4 + i] = this.#random();
    return at;
  }

  #random(): number {
    this.#state = (Math.imul(this.#state, 1664525) + 1013904223) >>> 0;
    return this.#state / 2 ** 31 - 1;
  }

  get used(): Uint8Array {
    return this.runtime.views.u8.slice(PLACE, this.#next);
  }
}

type Work = (runtime: Runtime, buffers: Buffers) => void;
const Q8_0 = 3, Q4_1 = 5;

function product(m: number, n: number, k: number, from = 0, to = n, bias = false): Work {
  return ({ kernels }, b) => {
    const [w, x] = [b.f32(Math.ceil(n / 8) * 8 * k), b.f32(m * k)];
    kernels.matmul(b.f32(m * (n + 3)), n + 3, x, k, w, bias ? b.f32(n) : 0, 0, m, n, k, 0, from, to);
  };
}

function quantizedProduct(m: number, n: number, k: number, dtype: number, bytes: number, from = 0, to = n): Work {
  return ({ kernels }, b) => {
    const [rows, x] = [b.f32(Math.ceil(n / 8) * 8 * k), b.f32(m * k)];
    const [w, q] = [b.bytes(Math.ceil(n / 8) * 8 * (k / 32) * bytes), b.bytes(m * (k / 32) * 128)];
    kernels.packRounded(w, rows, n, k, dtype);
    kernels.quantizeRows(q, x, k, m, k);
    kernels.matmulQuantized(b.f32(m * n), n, q, w, b.f32(n), 0, m, n, k, dtype, from, to);
  };
}

function lora(m: number, n: number, k: number, rank: number, bias: boolean, from = 0, to = n): Work {
  return ({ kernels }, b) => {
    const [x, a, up] = [b.f32(m * k), b.f32(Math.ceil(rank / 8) * 8 * k), b.f32(Math.ceil(n / 8) * 8 * rank)];
    kernels.loraMatmul(b.f32(m * n), n, x, k, a, up, bias ? b.f32(n) : 0, b.bytes(4 * m * rank), m, n, k, rank, 0.7, 0, from, to);
  };
}

function attends(rows: number, position: number, heads: number, kvHeads: number, headDim: number, dtype: number, window = 0): Work {
  return (runtime, b) => {
    const { kernels } = runtime;
    const [width, kvWidth, blocks] = [heads * headDim, kvHeads * headDim, Math.ceil((position + rows) / 32)];
    const table = b.bytes(4 * blocks);
    for (let i = 0; i < blocks; i++) runtime.views.u32[table / 4 + i] = b.bytes(kernels.kvBlockBytes(kvHeads, headDim, dtype));
    kernels.kvStore(table, b.f32((position + rows) * kvWidth), kvWidth, b.f32((position + rows) * kvWidth), kvWidth, 0, position + rows, kvHeads, headDim, dtype);
    const [y, q] = [b.f32(rows * width), b.f32(rows * width)];
    kernels.attention(y, width, q, width, table, position, rows, heads, kvHeads, headDim, 0.125, 0, window, dtype, SCRATCH, 0, kvHeads);
  };
}

const elementwise = (rows: number, width: number): Work => ({ kernels }, b) => {
  const count = rows * width;
  const [x, g, u, w, bias] = [b.f32(count), b.f32(count), b.f32(count), b.f32(width), b.f32(width)];
  kernels.rmsNorm(b.bytes(4 * count), x, w, rows, width, 1e-5, 0);
  kernels.layerNorm(b.bytes(4 * count), x, w, bias, rows, width, 1e-5);
  kernels.layerNorm(b.bytes(4 * count), x, w, 0, rows, width, 1e-5);
  for (let kind = 0; kind < 4; kind++) {
    kernels.activate(b.bytes(4 * count), x, count, kind);
    kernels.gate(b.bytes(4 * count), g, u, count, kind);
  }
  kernels.add(b.bytes(4 * count), x, g, count);
  kernels.add(x, x, u, count);
  kernels.rope(g, width, b.f32(rows * 12), rows, Math.floor(width / 24), 24, 12);
};

/** Below and above where sharing starts: a row, some, many; more rows than panels; ragged edges; parts of a range. */
const works: Record<string, Work> = {
  'a row': product(1, 1003, 160),
  'a row, with a bias, in part': product(1, 640, 160, 64, 640, true),
  'two rows': product(2, 803, 64),
  'rows of a prompt': product(37, 203, 96, 0, 203, true),
  'more rows than panels': product(150, 13, 64, 0, 13, true),
  'too little to share': product(1, 8, 16),
  'Q8_0, a row': quantizedProduct(1, 1003, 96, Q8_0, 34),
  'Q8_0, rows': quantizedProduct(21, 203, 96, Q8_0, 34, 8, 200),
  'Q4_1, a row': quantizedProduct(1, 803, 160, Q4_1, 20, 0, 803),
  'Q4_1, more rows than panels': quantizedProduct(130, 24, 96, Q4_1, 20),
  'LoRA of a row': lora(1, 2400, 96, 16, true),
  'LoRA of rows': lora(65, 203, 96, 16, false),
  'LoRA of rows, with a bias, in part': lora(70, 400, 64, 8, true, 16, 392),
  'LoRA of more rows than panels': lora(200, 16, 64, 12, true),
  'attention of a row': attends(1, 400, 9, 3, 64, 0),
  'attention of rows': attends(75, 30, 9, 3, 32, 0),
  'attention of rows of one head': attends(90, 0, 4, 1, 32, 0, 40),
  'attention over halves': attends(40, 13, 6, 2, 20, 2),
  'attention over bytes': attends(70, 13, 6, 2, 20, 3, 50),
  'row by row': elementwise(67, 603),
};

const runtimes = new Map<number, Runtime>();
for (const threads of [1, 2, 3, 4]) runtimes.set(threads, await createRuntime({ threads }));

function result(work: Work, runtime: Runtime): Uint8Array {
  const missing = PAGES - runtime.memory.buffer.byteLength / 65536;
  if (missing > 0) runtime.memory.grow(missing);
  runtime.views.u8.fill(0xa5, PLACE, SCRATCH);
  const buffers = new Buffers(runtime);
  work(runtime, buffers);
  return buffers.used;
}

for (const [name, work] of Object.entries(works)) {
  test(`${name}: the same bits on 1, 2, 3 and 4 threads, again and again`, () => {
    const expected = result(work, runtimes.get(1)!);
    for (const threads of [2, 3, 4]) {
      const runtime = runtimes.get(threads)!;
      assert.is(runtime.backend.threads, threads);
      for (let round = 0; round < 10; round++) assert.ok(Buffer.compare(result(work, runtime), expected) === 0, `${threads} threads, round ${round}`);
    }
  });
}

test('what is large was shared, what is small was not', () => {
  const runtime = runtimes.get(2)!;
  const control = new Control(runtime);
  for (const [name, work] of Object.entries(works)) {
    const before = control.regions;
    result(work, runtime);
    assert.is(control.regions > before, name !== 'too little to share', name);
  }
});

test('threads sleep when there is nothing to do, and wake for the next region', async () => {
  const runtime = runtimes.get(3)!;
  const control = new Control(runtime);
  for (let round = 0; round < 3; round++) {
    const sleeps = await control.rest(2);
    result(works['rows of a prompt']!, runtime);
    await control.until(() => control.sleeps > sleeps);
  }
});

test('once disposed of, a runtime computes on the caller\'s thread', () => {
  const expected = result(works['two rows']!, runtimes.get(1)!);
  for (const runtime of runtimes.values()) {
    runtime.dispose();
    runtime.dispose();
    assert.ok(Buffer.compare(result(works['two rows']!, runtime), expected) === 0);
  }
});

test.run();
