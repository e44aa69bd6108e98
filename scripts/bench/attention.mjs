// Attention over caches in f32, f16 and q8, of the shape of SmolLM2-135M (30 layers, 9 heads over 3 of keys and values, 64 wide): microseconds of one token's attention in all
// layers as the context grows, beside what the machine needs to read the cache and to do the arithmetic; and of 64 rows of a prompt in one layer. All in one process, in turn:
// `node scripts/bench/attention.mjs [--quick]`.
//
// The cache lies as the engine's: a block holds 32 positions of all layers. The bound is the tighter of two limits of limits.mjs: a read of as many bytes from one end to the other, and
// as many multiply-adds in f32 that stay in registers. (Products of bytes are of integers, twice as many to an instruction: their share may be above 1.)
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { machineLimits, MOST_BYTES } from './limits.mjs';
import { interleave, median, spread } from './measure.mjs';

const LAYERS = 30, HEADS = 9, KV_HEADS = 3, HEAD_DIM = 64;
const CONTEXTS = [128, 256, 512, 1024, 2048, 4096, 8192];
const PROMPT = 64, PROMPT_CONTEXTS = [64, 512, 2048, 8192];
const CACHES = { f32: 0, f16: 2, q8: 3 };

/** Caches of every dtype, and what runs attention over them. */
async function prepare() {
  const memory = new WebAssembly.Memory({ initial: 16384, maximum: 65536 });
  const { instance: { exports: kernels } } = await WebAssembly.instantiate(readFileSync(new URL('../../build/simd.wasm', import.meta.url)), { env: { memory } });
  let next = Math.ceil(kernels.heapBase() / 64) * 64;
  const take = (bytes) => {
    const at = next;
    next += Math.ceil(bytes / 64) * 64;
    if (next > memory.buffer.byteLength) throw new Error('the memory is too small');
    return at;
  };
  const width = KV_HEADS * HEAD_DIM, longest = CONTEXTS.at(-1), blocks = longest / 32;
  const rows = take(4 * 2 * longest * width);
  const floats = new Float32Array(memory.buffer, rows, 2 * longest * width);
  for (let i = 0, s = 1; i < floats.length; i++) floats[i] = ((s = (s * 48271) % 2147483647) / 2147483647) * 2 - 1;
  const q = take(4 * PROMPT * HEADS * HEAD_DIM), y = take(4 * PROMPT * HEADS * HEAD_DIM), scratch = take(4 * (128 * HEAD_DIM + 1664));
  new Float32Array(memory.buffer, q, PROMPT * HEADS * HEAD_DIM).set(floats.subarray(7, 7 + PROMPT * HEADS * HEAD_DIM));

  const view = new DataView(memory.buffer), tables = {}, bytesPerPosition = {};
  for (const [name, dtype] of Object.entries(CACHES)) {
    const bytes = kernels.kvBlockBytes(KV_HEADS, HEAD_DIM, dtype);
    bytesPerPosition[name] = (LAYERS * bytes) / 32;
    tables[name] = Array.from({ length: LAYERS }, () => take(4 * blocks));
    for (let block = 0; block < blocks; block++) for (const table of tables[name]) view.setUint32(table + 4 * block, take(bytes), true);
    for (const table of tables[name]) kernels.kvStore(table, rows, 2 * width, rows + 4 * width, 2 * width, 0, longest, KV_HEADS, HEAD_DIM, dtype);
  }
  const attend = (name, layer, position, count) => kernels.attention(y, HEADS * HEAD_DIM, q, HEADS * HEAD_DIM, tables[name][layer], position, count, HEADS, KV_HEADS, HEAD_DIM, 0.125, 0, 0, CACHES[name], scratch, 0, KV_HEADS);
  const store = (name) => kernels.kvStore(tables[name][0], rows, 2 * width, rows + 4 * width, 2 * width, 0, PROMPT, KV_HEADS, HEAD_DIM, CACHES[name]);
  return { attend, store, bytesPerPosition };
}

const each = (work) => Object.fromEntries(Object.keys(CACHES).map((name) => [name, () => work(name)]));

/** @returns `{ bytesPerPosition, tokens: [{ context, dtype, usPerToken, spread, readUs, registersUs, shareOfBound, gmacs }], prompts: [{ context, dtype, usPerRow, spread, gmacs, shareOfBound }], samples }` */
export async function attention({ quick = false } = {}) {
  const limits = await machineLimits();
  const { attend, store, bytesPerPosition } = await prepare();
  const pace = { rounds: quick ? 5 : 9, roundMs: quick ? 40 : 120, warmMs: quick ? 60 : 200 };
  const read = (bytes) => { for (let left = bytes; left > 0; left -= MOST_BYTES) limits.read(Math.min(left, MOST_BYTES) & ~127); };
  const registers = (macs) => limits.registers(Math.ceil((2 * macs) / limits.flops(1)));
  const tokens = [], prompts = [], raw = {};
  for (const context of CONTEXTS) {
    const macs = 2 * LAYERS * HEADS * HEAD_DIM * context;
    const samples = await interleave({
      ...each((name) => { for (let layer = 0; layer < LAYERS; layer++) attend(name, layer, context - 1, 1); }),
      ...Object.fromEntries(Object.keys(CACHES).map((name) => [`read ${name}`, () => read(bytesPerPosition[name] * context)])),
      registers: () => registers(macs),
    }, pace);
    raw[`token at ${context}`] = samples;
    for (const dtype of Object.keys(CACHES)) {
      const usPerToken = median(samples[dtype]), readUs = median(samples[`read ${dtype}`]), registersUs = median(samples.registers);
      tokens.push({ context, dtype, usPerToken, spread: spread(samples[dtype]), readUs, registersUs, shareOfBound: Math.max(readUs, registersUs) / usPerToken, gmacs: macs / usPerToken / 1000 });
    }
  }
  for (const context of PROMPT_CONTEXTS) {
    // Row i of the prompt sees context − PROMPT + i + 1 positions.
    const macs = 2 * HEADS * HEAD_DIM * PROMPT * (context - (PROMPT - 1) / 2);
    const samples = await interleave({ ...each((name) => attend(name, 0, context - PROMPT, PROMPT)), registers: () => registers(macs) }, pace);
    raw[`prompt to ${context}`] = samples;
    for (const dtype of Object.keys(CACHES)) {
      const us = median(samples[dtype]);
      prompts.push({ context, dtype, usPerRow: (LAYERS * us) / PROMPT, spread: spread(samples[dtype]), gmacs: macs / us / 1000, shareOfBound: median(samples.registers) / us });
    }
  }
  const stored = await interleave(each(store), pace);
  raw.store = stored;
  return { bytesPerPosition, tokens, prompts, storeUsPerRow: Object.fromEntries(Object.entries(stored).map(([name, samples]) => [name, (LAYERS * median(samples)) / PROMPT])), samples: raw };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { bytesPerPosition, tokens, prompts, storeUsPerRow } = await attention({ quick: process.argv.includes('--quick') });
  const percent = (share) => `${(100 * share).toFixed(0)} %`;
  console.log(`bytes a position: ${Object.entries(bytesPerPosition).map(([name, bytes]) => `${name} ${bytes}`).join(', ')}`);
  for (const { context, dtype, usPerToken, spread: off, readUs, registersUs, shareOfBound, gmacs } of tokens) {
    console.log(`one token at ${context}, ${dtype}: ${usPerToken.toFixed(0)} µs ± ${percent(off)}, ${((1000 * usPerToken) / context).toFixed(0)} ns a position, ${gmacs.toFixed(1)} GMAC/s; a read ${readUs.toFixed(0)} µs, registers ${registersUs.toFixed(0)} µs: ${percent(shareOfBound)} of the bound`);
  }
  for (const { context, dtype, usPerRow, spread: off, gmacs, shareOfBound } of prompts) {
    console.log(`${PROMPT} rows up to ${context}, ${dtype}: ${usPerRow.toFixed(0)} µs a row ± ${percent(off)}, ${gmacs.toFixed(1)} GMAC/s: ${percent(shareOfBound)} of the registers'`);
  }
  console.log(`storing a row: ${Object.entries(storeUsPerRow).map(([name, us]) => `${name} ${us.toFixed(1)} µs`).join(', ')}`);
}
