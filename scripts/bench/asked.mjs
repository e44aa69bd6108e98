// What was asked for, beside what a run measured: every row computes its cells from the sections, and says for itself whether they reach the limits.
import { fixed, percent } from './markdown.mjs';
import { FORMATS } from './model-files.mjs';

/** A figure that should be at least, or at most, its limit. `spread` is a share of the value; `error`, in its unit, must fit below the limit, too, and one above the limit decides nothing. */
const atLeast = (label, value, limit, options) => cell(label, value, limit, (v) => v >= limit, options);
const atMost = (label, value, limit, options) => cell(label, value, limit, (v) => v + (options?.error ?? 0) <= limit, options);

function cell(label, value, limit, holds, { spread, error, text = (v) => `${v.toFixed(2)}×` } = {}) {
  const around = spread === undefined ? error && text(error) : percent(spread);
  const told = value === undefined || Number.isNaN(value) ? null : `${text(value)}${around === undefined ? '' : ` ± ${around}`}`;
  return { label, asked: text(limit), told, reached: told === null || error > limit ? null : holds(value) };
}

const share = { text: (value) => fixed(value, 2) };
const cost = { text: (value) => `${fixed(value * 100, 1)} %` };
const micros = { text: (value) => `${fixed(value, 1)} µs` };
const seconds = { text: (value) => `${fixed(value / 1000, 2)} s` };

const KINDS = ['decode', 'prompt'];
const byFormat = (limits, of) => FORMATS.map((format, i) => atLeast(format, ...of(format, limits[i])));
/** A median of ratios as arguments of a cell. */
const ratioCell = (result, limit) => [result?.median, limit, { spread: result?.spread }];

/** [what, `(sections) => cells`], in the order and the words of what was asked. */
const ROWS = [
  ['f32 matmul, M ≥ 64: beside ORT-web / tfjs, plain simd', ({ matmul }) => products(matmul, 'simd', [1.2, 1.4])],
  ['the same, relaxed', ({ matmul }) => products(matmul, 'relaxed', [1.5, 1.8])],
  ['share of the 128-bit FMA ceiling, relaxed, 512³', ({ matmul }) => [atLeast('512³', matmul?.relaxed.ceiling.ceiling.median, 0.85, { ...share, spread: matmul?.relaxed.ceiling.ceiling.spread })]],
  ['f32 matvec: share of the tighter of the two limits (memory read, register loop)', ({ matmul }) => matvecs(matmul)],
  ['decode beside node-llama-cpp (native, its better of flash attention on / off), same GGUF, plain simd', ({ language }) => byFormat([1.2, 1.2, 0.9], (format, limit) => ratioCell(language?.[format]?.beside.simd?.decode, limit))],
  ['the same, best build', ({ language }) => byFormat([1.5, 1.3, 1.2], (format, limit) => ratioCell(language?.[format]?.beside.best?.decode, limit))],
  ['prompt of 512 tokens beside native, best build', ({ language }) => byFormat([1.8, 0.8, 0.5], (format, limit) => ratioCell(language?.[format]?.beside.best?.prompt, limit))],
  ['the same, plain simd', ({ language }) => byFormat([1, 0.4, 0.2], (format, limit) => ratioCell(language?.[format]?.beside.simd?.prompt, limit))],
  ...KINDS.map((kind) => [`${kind} beside wllama (the faster of 2.3.7 and 3.8.1) in Chromium, best build`, ({ browser }) => byFormat(FORMATS.map(() => ({ decode: 7, prompt: 10 })[kind]), (format, limit) => ratioCell(browser?.wllama[format].beside.best?.[kind], limit))]),
  ...KINDS.map((kind) => [`${kind} beside transformers.js in Chromium (ORT-web wasm; its fastest dtype), best build`, ({ browser }) => byFormat(FORMATS.map(() => ({ decode: 6, prompt: 2 })[kind]), (format, limit) => ratioCell(browser?.transformers[1].beside[format]?.[kind], limit))]),
  ...[['simd', 'plain simd'], ['best', 'best build']].flatMap(([name, build]) => KINDS.map((kind) => [`two threads over one: ${kind}, ${build}`,
    ({ language }) => byFormat(FORMATS.map(() => ({ decode: 1.5, prompt: 1.7 })[kind]), (format, limit) => ratioCell(language?.[format]?.twoOverOne[name]?.[kind], limit))])),
  ...[['simd', 'plain simd'], ['best', 'best build']].flatMap(([name, build]) => [
    [`a rank-16 adapter on all linear layers costs, of decode, ${build}`, ({ adapters }) => adapterCells(adapters?.[name], 'decode', { F32: 0.05, Q8_0: 0.1, Q4_1: 0.15 })],
    [`of prompt, ${build}`, ({ adapters }) => adapterCells(adapters?.[name], 'prompt', { F32: 0.08, Q8_0: 0.08, Q4_1: 0.08 })],
  ]),
  ...[['simd', 'plain simd'], ['best', 'best build']].map(([name, build]) => [`batch of 8 sessions with 8 different adapters, tokens/s over one session's, ${build}`,
    ({ batch }) => ['F32', 'Q8_0', 'Q4_1'].map((base) => atLeast(base, ...ratioCell(batch?.[name]?.bases[base].rows.find(({ count }) => count === 8)?.beside, 2)))]),
  ['switch of a rank-16 adapter on all layers / rescale: the call and what the next token takes longer', ({ switching }) => [['switch', 50], ['rescale', 5]].map(([kind, limit]) => atMost(kind, switching?.smollm2[kind].us, limit, { ...micros, error: switching?.smollm2[kind].error }))],
  ['resident memory over GGUF size, without KV', ({ starts }) => FORMATS.map((format) => atMost(format, starts && (starts[format].engines.ours.resident - starts[format].engines.ours.kv) / starts[format].bytes, 1.1))],
  ['cold start to the first token, file in the page cache: Node / Chromium', ({ starts, browser }) => [atMost('Node', starts?.Q4_1.engines.ours.ms, 600, seconds), atMost('Chromium', browser?.cold.Q4_1.ms, 1500, seconds)]],
];

/** From M = 64 on, the smallest median over the shapes. */
function products(matmul, build, limits) {
  const rows = matmul?.[build].rows.filter(({ m }) => m >= 64) ?? [];
  const least = (peer) => rows.map((row) => row.beside[peer]).reduce((a, b) => (a && a.median <= b.median ? a : b), undefined);
  return [['ORT-web', 'ort'], ['tfjs', 'tfjs']].map(([label, peer], i) => atLeast(label, ...ratioCell(least(peer), limits[i])));
}

function matvecs(matmul) {
  const rows = matmul?.simd.rows.filter(({ m }) => m === 1) ?? [];
  return rows.length === 0 ? [atLeast('K = N', undefined, 0.9, share)] : rows.map(({ size, bound }) => atLeast(`K = N = ${size}`, bound.median, 0.9, { ...share, spread: bound.spread }));
}

const adapterCells = (result, kind, limits) => Object.entries(limits).map(([base, limit]) => atMost(base, result?.rows[base][kind].cost, limit, cost));

/** [what, asked, measured, reached] of every row. Sections that failed count as missing. */
export function askedRows(sections) {
  const there = Object.fromEntries(Object.entries(sections).filter(([, result]) => !result.failed));
  return ROWS.map(([what, cellsOf]) => {
    const cells = cellsOf(there);
    const limits = [...new Set(cells.map(({ asked }) => asked))];
    const told = cells.filter(({ told: text }) => text !== null);
    const labelled = (list, key) => list.map((one) => (cells.length > 1 ? `${one.label} ${one[key]}` : one[key])).join(', ');
    return [what, limits.length === 1 ? limits[0] : labelled(cells, 'asked'), told.length === 0 ? 'not measured' : labelled(cells.map((one) => ({ ...one, told: one.told ?? 'not measured' })), 'told'), verdict(cells)];
  });
}

function verdict(cells) {
  const measured = cells.filter(({ reached }) => reached !== null);
  const short = measured.filter(({ reached }) => !reached);
  if (measured.length === 0) return '–';
  if (short.length === 0) return measured.length === cells.length ? 'yes' : 'as far as measured';
  return short.length === cells.length ? 'no' : `all but ${short.map(({ label }) => label).join(', ')}`;
}
