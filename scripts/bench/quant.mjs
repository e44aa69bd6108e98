// Products with quantised weights beside those with f32, for 1 to 64 rows, in one process and in turn:
// `node scripts/bench/quant.mjs [rounds] [build]`, build one of simd, relaxed, relaxed-dot (on Node 20 with --experimental-wasm-relaxed-simd). The shapes are SmolLM2-135M's:
// the seven matrices of a layer (hidden 576, intermediate 1536, keys and values 192), and the head of 49152 tokens. Superblocks of 256 weights don't divide 576: there it is 768.
import { readFileSync } from 'node:fs';
import { interleave, median, ratio, spread } from './measure.mjs';

const FORMATS = {
  F32: { code: 0, weights: 1, bytes: 4 },
  Q8_0: { code: 3, weights: 32, bytes: 34, scales: [0] },
  Q4_0: { code: 4, weights: 32, bytes: 18, scales: [0] },
  Q4_1: { code: 5, weights: 32, bytes: 20, scales: [0, 2] },
  Q5_0: { code: 6, weights: 32, bytes: 22, scales: [0] },
  Q5_1: { code: 7, weights: 32, bytes: 24, scales: [0, 2] },
  Q4_K: { code: 8, weights: 256, bytes: 144, scales: [0, 2] },
  Q5_K: { code: 9, weights: 256, bytes: 176, scales: [0, 2] },
  Q6_K: { code: 10, weights: 256, bytes: 210, scales: [208] },
};
const ROWS = [1, 2, 4, 8, 16, 64];
/** So many copies of a layer in turn, that no cache holds the weights. */
const LAYERS = 24;
const rounds = Number(process.argv[2] ?? 15), build = process.argv[3] ?? 'simd';

const memory = new WebAssembly.Memory({ initial: 8192, maximum: 65536 });
const { instance: { exports: kernels } } = await WebAssembly.instantiate(readFileSync(new URL(`../../build/${build}.wasm`, import.meta.url)), { env: { memory } });
const start = Math.ceil(kernels.heapBase() / 64) * 64;
let next = start;
const take = (bytes) => {
  const at = next;
  next += Math.ceil(bytes / 64) * 64 + 64;
  if (next > memory.buffer.byteLength) memory.grow(Math.ceil((next - memory.buffer.byteLength) / 65536));
  return at;
};

const hidden = (format) => (format.weights === 256 ? 768 : 576);
const layer = (format) => [[576, hidden(format)], [192, hidden(format)], [192, hidden(format)], [576, hidden(format)], [1536, hidden(format)], [1536, hidden(format)], [576, 1536]];
const head = (format) => [[49152, hidden(format)]];

await compare('layer', layer, LAYERS, FORMATS, ROWS);
await compare('head', head, 1, { F32: FORMATS.F32, Q8_0: FORMATS.Q8_0, Q6_K: FORMATS.Q6_K }, [1]);

async function compare(what, shapes, copies, formats, rows) {
  for (const m of rows) {
    next = start;
    const made = Object.entries(formats).map(([name, format]) => [name, products(shapes(format), copies, format, m)]);
    const samples = await interleave(Object.fromEntries(made.map(([name, { run }]) => [name, run])), { rounds, roundMs: 25, warmMs: 100, warmCalls: 5 });
    const perProduct = Object.fromEntries(made.map(([name, { products: count }]) => [name, samples[name].map((us) => us / count)]));
    for (const [name, us] of Object.entries(perProduct)) {
      console.log(`${what}, ${m} rows, ${name}: ${(1 / median(us) / 1000).toFixed(1)} GMAC/s ±${(100 * spread(us)).toFixed(0)} %, ${ratio(perProduct.F32, us).median.toFixed(2)} × F32`);
    }
  }
}

/** A function that multiplies m rows with all matrices of one copy, the next copy each time. */
function products(shapes, copies, format, m) {
  const widest = Math.max(...shapes.map(([, k]) => k)), longest = Math.max(...shapes.map(([n]) => n));
  const x = take(m * widest * 4), q = take((m * widest * 128) / 32), y = take(m * longest * 4);
  floats(x, m * widest);
  const sets = Array.from({ length: copies }, () => shapes.map(([n, k]) => ({ n, k, w: matrix(n, k, format) })));
  let turn = 0;
  const run = () => {
    for (const { n, k, w } of sets[turn]) {
      if (format.weights === 1) kernels.matmul(y, n, x, k, w, 0, 0, m, n, k, format.code, 0, n);
      else {
        kernels.quantizeRows(q, x, k, m, k);
        kernels.matmulQuantized(y, n, q, w, 0, 0, m, n, k, format.code, 0, n);
      }
    }
    turn = (turn + 1) % copies;
  };
  return { run, products: m * shapes.reduce((sum, [n, k]) => sum + n * k, 0) };
}

/** Panels of random blocks, scales around 1/64. */
function matrix(n, k, format) {
  const bytes = (n * k * format.bytes) / format.weights, w = take(bytes), mark = next, source = take(bytes);
  if (format.weights === 1) floats(source, n * k);
  else {
    const words = new Uint32Array(memory.buffer, source, bytes >> 2), view = new DataView(memory.buffer, source, bytes);
    for (let i = 0, s = 1; i < words.length; i++) words[i] = s = (Math.imul(s, 1664525) + 1013904223) >>> 0;
    for (let block = 0; block < bytes; block += format.bytes) for (const at of format.scales) view.setUint16(block + at, 0x2000 | (block & 0x7ff), true);
  }
  kernels.pack(w, source, n, k, format.code);
  next = mark;
  return w;
}

function floats(at, count) {
  const values = new Float32Array(memory.buffer, at, count);
  for (let i = 0, s = 1; i < count; i++) values[i] = ((s = (s * 48271) % 2147483647) / 2147483647) * 2 - 1;
}
