// Attention over caches in f32, f16 and q8, of the shape of SmolLM2-135M (30 layers, 9 heads over 3 of keys and values, 64 wide): milliseconds of one token's attention in all
// layers as the context grows, and of 64 rows of a prompt in one layer. All caches at once in one process, in turn: `node scripts/bench/attention.mjs [rounds]`.
import { readFileSync } from 'node:fs';
import { interleave, median, ratio, spread } from './measure.mjs';

const LAYERS = 30, HEADS = 9, KV_HEADS = 3, HEAD_DIM = 64;
const CONTEXTS = [1024, 2048, 4096, 8192];
const PROMPT = 64;
const CACHES = { f32: 0, f16: 2, q8: 3 };
const rounds = Number(process.argv[2] ?? 7);

const memory = new WebAssembly.Memory({ initial: 16384, maximum: 65536 });
const { instance: { exports: kernels } } = await WebAssembly.instantiate(readFileSync(new URL('../../build/simd.wasm', import.meta.url)), { env: { memory } });
let next = Math.ceil(kernels.heapBase() / 64) * 64;
const take = (bytes) => {
  const at = next;
  next += Math.ceil(bytes / 64) * 64;
  if (next > memory.buffer.byteLength) throw new Error('the memory is too small');
  return at;
};

const width = KV_HEADS * HEAD_DIM;
const longest = CONTEXTS.at(-1);
const rows = take(4 * 2 * longest * width);
const floats = new Float32Array(memory.buffer, rows, 2 * longest * width);
for (let i = 0, s = 1; i < floats.length; i++) floats[i] = ((s = (s * 48271) % 2147483647) / 2147483647) * 2 - 1;
const q = take(4 * PROMPT * HEADS * HEAD_DIM), y = take(4 * PROMPT * HEADS * HEAD_DIM), scratch = take(4 * (32 * (96 + 36) + 64 * HEAD_DIM));
new Float32Array(memory.buffer, q, PROMPT * HEADS * HEAD_DIM).set(floats.subarray(7, 7 + PROMPT * HEADS * HEAD_DIM));

const tables = Object.fromEntries(Object.entries(CACHES).map(([name, dtype]) => {
  const bytes = kernels.kvBlockBytes(KV_HEADS, HEAD_DIM, dtype);
  return [name, Array.from({ length: LAYERS }, () => {
    const table = take(4 * (longest / 32));
    for (let i = 0; i < longest / 32; i++) new DataView(memory.buffer).setUint32(table + 4 * i, take(bytes), true);
    kernels.kvStore(table, rows, 2 * width, rows + 4 * width, 2 * width, 0, longest, KV_HEADS, HEAD_DIM, dtype);
    return table;
  })];
}));
const attend = (table, position, count, dtype) => kernels.attention(y, HEADS * HEAD_DIM, q, HEADS * HEAD_DIM, table, position, count, HEADS, KV_HEADS, HEAD_DIM, 0.125, 0, 0, dtype, scratch, 0, KV_HEADS);

const line = (what, samples, work) => {
  const times = Object.keys(CACHES).map((name) => `${name} ${(median(samples[name]) / 1000).toFixed(3)} ms (${(work / median(samples[name]) / 1000).toFixed(1)} GMAC/s)`);
  const ratios = ['f16', 'q8'].map((name) => { const r = ratio(samples.f32, samples[name]); return `f32/${name} ${r.median.toFixed(2)} ±${(100 * spread(samples[name])).toFixed(0)} %`; });
  console.log(`${what}: ${[...times, ...ratios].join(', ')}`);
};
const bytesOf = Object.entries(CACHES).map(([name, dtype]) => `${name} ${(LAYERS * kernels.kvBlockBytes(KV_HEADS, HEAD_DIM, dtype)) / 32}`);
console.log(`bytes a position: ${bytesOf.join(', ')}`);
for (const context of CONTEXTS) {
  const samples = await interleave(Object.fromEntries(Object.entries(CACHES).map(([name, dtype]) => [name, () => { for (const table of tables[name]) attend(table, context - 1, 1, dtype); }])), { rounds, roundMs: 150, warmMs: 200 });
  line(`one token at ${context}, ${LAYERS} layers`, samples, 2 * LAYERS * HEADS * HEAD_DIM * context);
}
for (const context of [1024, longest]) {
  const samples = await interleave(Object.fromEntries(Object.entries(CACHES).map(([name, dtype]) => [name, () => attend(tables[name][0], context - PROMPT, PROMPT, dtype)])), { rounds, roundMs: 100, warmMs: 200 });
  line(`${PROMPT} rows up to ${context}, one layer`, samples, 2 * PROMPT * HEADS * HEAD_DIM * context);
}
const store = await interleave(Object.fromEntries(Object.entries(CACHES).map(([name, dtype]) => [name, () => kernels.kvStore(tables[name][0], rows, 2 * width, rows + 4 * width, 2 * width, 0, PROMPT, KV_HEADS, HEAD_DIM, dtype)])), { rounds, roundMs: 50, warmMs: 100 });
line(`storing ${PROMPT} rows, one layer (elements for products)`, store, 2 * PROMPT * width);
