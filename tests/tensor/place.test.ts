import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createRuntime, type Runtime } from '../../src/arena/runtime.js';
import { isLorikeetError } from '../../src/errors.js';
import type { TensorInfo } from '../../src/formats/safetensors.js';
import type { ByteSource } from '../../src/store/source.js';
import { BlockPlan } from '../../src/tensor/block.js';
import { DTYPES, rowBytes, type DtypeName } from '../../src/tensor/matrix.js';

/** A file whose reads straight into memory take a turn of the event loop, the later ones less: they end out of order. */
class SlowFile implements ByteSource {
  readonly name = 'slow';
  readonly size: number;
  under = 0;
  most = 0;
  onRead: ((begin: number) => void) | undefined;

  constructor(readonly bytes: Uint8Array) {
    this.size = bytes.length;
  }

  async read(begin: number, end: number): Promise<Uint8Array> {
    return this.bytes.subarray(begin, end);
  }

  async readInto(begin: number, target: Uint8Array): Promise<number> {
    this.most = Math.max(this.most, ++this.under);
    try {
      await new Promise((resolve) => { setTimeout(resolve, 6 - (this.most % 4)); });
      this.onRead?.(begin);
      target.set(this.bytes.subarray(begin, begin + target.length));
      return target.length;
    } finally {
      this.under--;
    }
  }

  async close(): Promise<void> { /* nothing is held */ }
}

interface Tensor { readonly dtype: DtypeName; readonly n: number; readonly k: number; readonly heads?: number; readonly layout?: 'columns'; readonly rounded?: DtypeName }

const TENSORS: readonly Tensor[] = [
  ...(Object.keys(DTYPES) as DtypeName[]).map((dtype) => ({ dtype, n: 35, k: 256 })),
  { dtype: 'Q4_1', n: 48, k: 64, heads: 4 }, { dtype: 'F32', n: 20, k: 5, heads: 2 }, { dtype: 'Q8_0', n: 3000, k: 576 }, { dtype: 'BF16', n: 1030, k: 1031 },
  { dtype: 'F32', n: 24, k: 40, layout: 'columns' }, { dtype: 'F32', n: 2000, k: 320, rounded: 'Q8_0' }, { dtype: 'F32', n: 0, k: 577 }, { dtype: 'F16', n: 0, k: 33 },
];

/** Bytes that are finite in every dtype: exponents below their highest bit. */
function fileOf(tensors: readonly Tensor[]): { bytes: Uint8Array; infos: TensorInfo[] } {
  let at = 7; // nothing needs to be aligned
  const infos = tensors.map(({ dtype, n, k, layout }, i) => {
    const rows = Math.max(n, 1);
    const begin = at;
    at += rows * rowBytes(k, DTYPES[dtype]) + 3;
    return { name: `t${i}`, dtype, shape: n === 0 ? [k] : layout ? [k, n] : [n, k], begin, end: at - 3 };
  });
  return { bytes: Uint8Array.from({ length: at }, (_, i) => ((i * 2654435761) >>> 13) & 0x3b), infos };
}

function declare(source: ByteSource, tensors: readonly Tensor[], infos: readonly TensorInfo[]): BlockPlan {
  const plan = new BlockPlan();
  tensors.forEach(({ dtype, n, k, heads = 0, layout, rounded = dtype }, i) => {
    if (n === 0) plan.tensorVector(source, infos[i]!, k);
    else plan.tensorMatrix(source, infos[i]!, n, k, { heads, layout: layout ?? 'rows', dtype: DTYPES[rounded] });
  });
  return plan;
}

const { bytes, infos } = fileOf(TENSORS);
const runtimeOf = (): Promise<Runtime> => createRuntime();

const test = suite('bringing tensors to their places');

test('straight to their places as through staging, for every dtype, layout and order of heads', async () => {
  const blocks: Uint8Array[] = [];
  const file = new SlowFile(bytes);
  for (const alone of [false, true]) {
    const runtime = await runtimeOf();
    const plan = declare(file, TENSORS, infos);
    const seen: number[] = [];
    let reading = 0;
    file.onRead = () => { reading = runtime.memory.buffer.byteLength; };
    const block = await plan.place(runtime, runtime.weights, { alone, onProgress: (done, total) => { seen.push(done, total); } });
    assert.is(reading, alone ? runtime.memory.buffer.byteLength : 0);
    assert.is(file.under, 0);
    assert.is(seen.at(-2), seen.at(-1));
    // What lies between a tensor's end and the next one's beginning is nobody's.
    blocks.push(...placedBytes(runtime, plan, block));
  }
  assert.is(file.most, 4);
  const half = blocks.length / 2;
  for (let i = 0; i < half; i++) assert.ok(Buffer.from(blocks[i]!).equals(blocks[half + i]!), `tensor ${i}: ${JSON.stringify(TENSORS[i])}`);
});

/** The bytes of each tensor in a block, whose offsets are those that an empty plan of the same tensors counts. */
function placedBytes(runtime: Runtime, { bytes: whole }: BlockPlan, block: number): Uint8Array[] {
  const counting = new BlockPlan();
  const ends = TENSORS.map(({ dtype, n, k, rounded = dtype }) => {
    const begin = counting.bytes;
    if (n === 0) counting.vector(k);
    else counting.matrix(n, k, DTYPES[rounded]);
    return [begin, begin + (n === 0 ? k * 4 : Math.ceil(n / 8) * 8 * rowBytes(k, DTYPES[rounded]))] as const;
  });
  assert.is(counting.bytes, whole);
  return ends.map(([begin, end]) => runtime.views.u8.slice(block + begin, block + end));
}

test('a failure waits for the reads that are under way, and gives the block back', async () => {
  const many = Array.from({ length: 12 }, (): Tensor => ({ dtype: 'Q8_0', n: 16, k: 64 }));
  const { bytes: data, infos: places } = fileOf(many);
  const cases: readonly (readonly [string, (file: SlowFile, stop: AbortController) => void, (error: unknown) => boolean])[] = [
    ['abort', (file, stop) => { file.onRead = (begin) => { if (begin > places[4]!.begin) stop.abort(new Error('enough')); }; }, (error) => error instanceof Error && error.message === 'enough'],
    ['a read that fails', (file) => { file.onRead = (begin) => { if (begin === places[5]!.begin) throw new Error('gone'); }; }, (error) => error instanceof Error && error.message === 'gone'],
    ['a read that is short', (file) => { const read = file.readInto.bind(file); file.readInto = async (begin, target) => (await read(begin, target)) - Number(begin === places[6]!.begin); }, (error) => isLorikeetError(error, 'store/truncated')],
    ['an infinity', (file) => { file.bytes.set([0, 0x7c], places[3]!.begin + 34); }, (error) => isLorikeetError(error, 'tensor/not-finite') && error.message.includes('"t3"')],
  ];
  for (const [name, spoil, right] of cases) {
    const runtime = await runtimeOf();
    const before = runtime.weights.report();
    const file = new SlowFile(data.slice());
    const stop = new AbortController();
    spoil(file, stop);
    let failure: unknown;
    await declare(file, many, places).place(runtime, runtime.weights, { alone: true, signal: stop.signal }).catch((error: unknown) => { failure = error; });
    assert.ok(right(failure), `${name}: ${String(failure)}`);
    assert.is(file.under, 0, name);
    assert.equal({ ...runtime.weights.report(), highWater: 0 }, { ...before, highWater: 0 }, name);
  }
});

test.run();
