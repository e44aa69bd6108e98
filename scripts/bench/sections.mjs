// How each section of a run is told.
import { fixed, percent, ratioText, table, times } from './markdown.mjs';

const missingLines = (groups) => {
  const all = groups.flatMap(([where, missing]) => Object.entries(missing).map(([name, why]) => `${where ? `${where}, ` : ''}${name}: ${why}.`));
  return all.length === 0 ? [] : ['', `Not measured: ${all.join(' ')}`];
};

function matmul(result) {
  const shapes = Object.values(result).flatMap(({ node, build, rows, ceiling }) => [...rows, ceiling].map((row) => ({ ...row, by: `${build}, Node ${node.split('.')[0]}` })));
  const { calls, memory } = result.simd;
  return [
    '### f32 matrix products, one thread, GF/s (2 per multiply-add)', '',
    ...table(['build', 'M', 'K = N', 'ours', '±', 'ORT-web', 'tfjs', 'register loop', 'GB/s of a read', 'ours / ORT-web', 'ours / tfjs', 'share of the register loop', 'of the tighter bound'], shapes.map((row) => [
      row.by, row.m, row.size, fixed(row.gflops.ours, 1), percent(row.spread), fixed(row.gflops.ort, 1), fixed(row.gflops.tfjs, 1), fixed(row.gflops.registers, 1), fixed(row.gbps, 0),
      ratioText(row.beside.ort), ratioText(row.beside.tfjs), percent(row.ceiling.median), percent(row.bound.median),
    ])), '',
    `Memory outside the caches: ${fixed(memory.gbps, 1)} GB/s. Of the peers' times, the call itself (a product of 8 × 8): ORT-web ${fixed(calls.ort.us, 0)} µs, tfjs ${fixed(calls.tfjs.us, 0)} µs.`,
  ];
}

function language(result) {
  const formats = Object.entries(result);
  const label = (name, facts) => (facts.node ? name.replace(/^best/, `best (${facts.build})`).replace(/^(simd|best)(.*)$/, (text) => `lorikeet, ${text}, Node ${facts.node.split('.')[0]}`) : name);
  const pair = (sides) => [ratioText(sides?.prompt), ratioText(sides?.decode)];
  return [
    '### SmolLM2-135M-Instruct on Node: a prompt of 512 and decoding, tokens/s', '',
    ...table(['file', 'engine', 'prompt', '±', 'decode', '±'], formats.flatMap(([format, { rows, facts }]) => Object.entries(rows).map(([name, row]) => [
      format, label(name, facts[name]), fixed(row.prompt, 0), percent(row.promptSpread), fixed(row.decode, 1), percent(row.decodeSpread),
    ]))), '',
    ...table(['beside native', 'simd: prompt', 'decode', 'best: prompt', 'decode', 'two threads each, simd: prompt', 'decode', 'best: prompt', 'decode'], formats.map(([format, row]) => [
      format, ...pair(row.beside.simd), ...pair(row.beside.best), ...pair(row.besideTwo.simd), ...pair(row.besideTwo.best),
    ])), '',
    ...table(['two threads over one', 'simd: prompt', 'decode', 'best: prompt', 'decode', 'native: prompt', 'decode', 'with flash attention: prompt', 'decode'], formats.map(([format, { twoOverOne }]) => [
      format, ...Object.values(twoOverOne).flatMap(pair),
    ])), '',
    'Native is, each time, the faster of flash attention on and off. One thread by the processor time, two by the clock.',
    ...missingLines(formats.map(([format, { missing }]) => [format, missing])),
  ];
}

function browser({ chromium, cold, wllama, transformers }) {
  const formats = Object.entries(wllama);
  const pair = (sides) => [ratioText(sides?.prompt), ratioText(sides?.decode)];
  const named = (name, facts) => (facts[name]?.build ? name.replace(/^best/, `best (${facts[name].build})`).replace(/^/, 'lorikeet, ') : name);
  const rows = ({ rows: list, facts }) => Object.entries(list).map(([name, row]) => [named(name, facts), fixed(row.prompt, 1), percent(row.promptSpread), fixed(row.decode, 1), percent(row.decodeSpread)]);
  return [
    `### The same in Chromium ${chromium.split('.')[0]}, tokens/s by the clock`, '',
    `Beside wllama, prompts of ${formats[0][1].prompt}:`, '',
    ...table(['file', 'engine', 'prompt', '±', 'decode', '±'], formats.flatMap(([format, result]) => rows(result).map((row) => [format, ...row]))), '',
    ...table(['beside the faster wllama', 'simd: prompt', 'decode', 'best: prompt', 'decode', 'two threads each, best: prompt', 'decode'], formats.map(([format, row]) => [
      format, ...pair(row.beside.simd), ...pair(row.beside.best), ...pair(row.besideTwo.best),
    ])), '',
    `Beside transformers.js, prompts of ${transformers[1].prompt}; ours in the best build:`, '',
    ...table(['threads', 'engine', 'prompt', '±', 'decode', '±'], Object.entries(transformers).flatMap(([threads, result]) => rows(result).map(([name, ...row]) => [threads, name.replace(/^(?!lorikeet)/, 'transformers.js, '), ...row]))), '',
    ...table(['beside its fastest dtype', 'prompt', 'decode', 'two threads each: prompt', 'decode'], Object.keys(transformers[1].beside).map((format) => [format, ...pair(transformers[1].beside[format]), ...pair(transformers[2].beside[format])])), '',
    ...table(['from a fresh page to the first token', 'ms', 'worst'], Object.entries(cold).map(([format, row]) => [format, fixed(row.ms, 0), fixed(row.worst, 0)])),
    ...missingLines([...formats.map(([format, { missing }]) => [format, missing]), ...Object.entries(transformers).map(([threads, { missing }]) => [`${threads} threads`, missing])]),
  ];
}

function starts(result) {
  return [
    '### A fresh process on Node up to the first token of an answer, the file in the page cache', '',
    ...table(['file', 'engine', 'first token, ms', 'worst', 'loading alone', 'linear memory over the file', 'growth of the resident set over the file'], Object.entries(result).flatMap(([format, { bytes, engines }]) => Object.entries(engines).map(([name, row]) => [
      format, name, fixed(row.ms, 0), fixed(row.worst, 0), fixed(row.loadMs, 0), row.linear === null ? '–' : fixed((row.linear - row.kv) / bytes, 3), fixed((row.resident - row.kv) / bytes, 3),
    ]))), '',
    'Both at the peak and without our KV cache; the resident set holds the tokenizer and what JavaScript\'s heap grew by, too (of native\'s, its cache and buffers are part).',
  ];
}

function adapters(result) {
  return [
    '### What a rank-16 adapter (BF16) on all linear layers costs', '',
    ...table(['build', 'base', 'decode: µs per token without', 'cost', '±', 'prompt: µs per token without', 'cost', '±'], Object.values(result).flatMap(({ node, build, rows }) => Object.entries(rows).map(([base, { decode, prompt }]) => [
      `${build}, Node ${node.split('.')[0]}`, base, fixed(decode.usPerToken, 0), `${fixed(decode.cost * 100, 1)} %`, percent(decode.spread), fixed(prompt.usPerToken, 0), `${fixed(prompt.cost * 100, 1)} %`, percent(prompt.spread),
    ]))),
  ];
}

function batch(result) {
  const sides = Object.values(result).flatMap(({ build, node, bases }) => Object.entries(bases).map(([base, { rows }]) => ({ head: `${base}, ${build}, Node ${node.split('.')[0]}`, rows })));
  return [
    '### Several sessions at once on SmolLM2-135M-Instruct, each with a rank-16 adapter of its own: tokens/s of all', '',
    ...table(['sessions', ...sides.flatMap(({ head }) => [head, 'over one'])], sides[0].rows.map(({ count }, i) => [
      count, ...sides.flatMap(({ rows }) => [`${fixed(rows[i].perSecond, 1)} ± ${percent(rows[i].spread)}`, times(rows[i].beside.median)]),
    ])),
  ];
}

function switching(result) {
  const names = { switch: 'another adapter', reweigh: 'another weight of the same adapter', rescale: 'another scale', nothing: 'nothing changed (the error of this measure)' };
  const models = { smollm2: 'SmolLM2-135M-Instruct', narrow: 'its layers, a sixth as wide' };
  return [
    '### The first token after a change less a steady one, the KV cache kept, adapters of rank 16 on all linear layers', '',
    ...table(['change', 'µs, with the call', 'standard error', 'of these in the call', '95 % are under', 'first token', 'steady token', 'changes'], Object.entries(models).flatMap(([model, label]) => Object.entries(names).map(([kind, name]) => {
      const { us, error, call, late, first, steady, changes } = result[model][kind];
      return [`${label}: ${name}`, fixed(us, 1), fixed(error, 1), fixed(call, 1), fixed(late, 0), fixed(first, 0), fixed(steady, 0), changes];
    }))), '',
    ...Object.entries(models).map(([model, label]) => `${label}: rescale() alone, a thousand at a time, ${fixed(result[model].rescaleCall.us, 3)} µs; where the cache is computed anew (the default) another blend costs ${fixed(result[model].recompute.perToken, 0)} µs for each token of the conversation so far.`),
  ];
}

function decoding(result) {
  return [
    '### Decoding with the demo model, adapters of rank 6 to 8 on all linear layers', '',
    ...table(['active adapters', 'tokens/s', '±', 'of the base\'s'], Object.entries(result).map(([count, row]) => [count, fixed(row.perSecond, 0), percent(row.spread), percent(row.beside)])),
  ];
}

function attention({ bytesPerPosition, tokens, prompts }) {
  const dtypes = Object.keys(bytesPerPosition);
  const byContext = (rows, cells) => [...new Set(rows.map(({ context }) => context))].map((context) => [context, ...dtypes.flatMap((dtype) => cells(rows.find((row) => row.context === context && row.dtype === dtype)))]);
  return [
    '### Attention as the context grows, SmolLM2-135M\'s shape, plain simd, one thread', '',
    'One token in all 30 layers:', '',
    ...table(['context', ...dtypes.flatMap((dtype) => [`${dtype}, µs`, '±', 'per 1,000 positions', 'share of the bound'])], byContext(tokens, (row) => [fixed(row.usPerToken, 0), percent(row.spread), fixed((row.usPerToken * 1000) / row.context, 0), fixed(row.shareOfBound, 2)])), '',
    'A row of a prompt of 64 that ends there, in all layers:', '',
    ...table(['context', ...dtypes.flatMap((dtype) => [`${dtype}, µs`, '±', 'GMAC/s'])], byContext(prompts, (row) => [fixed(row.usPerRow, 1), percent(row.spread), fixed(row.gmacs, 1)])), '',
    `A position takes ${dtypes.map((dtype) => `${fixed(bytesPerPosition[dtype] / 1024, 1)} KiB in ${dtype}`).join(', ')}. The bound is the longer of reading that and of as many multiply-adds of floats in registers; q8 multiplies integers, twice as many to an instruction.`,
  ];
}

function crowd(rows) {
  return [
    '### Decoding with one active adapter beside others that lie in memory (rank 4 on q and v)', '',
    ...table(['loaded', 'µs per token', '±', 'beside one loaded', 'bytes of all'], rows.map((row) => [row.count, fixed(row.usPerToken, 0), percent(row.spread), times(row.beside), row.bytes])),
  ];
}

function loading(result) {
  return [
    '### Loading an adapter from memory, and unloading it (target: at least 500 MB/s)', '',
    ...table(['adapter', 'MB', 'MB/s', '±', 'by the clock', 'µs', 'the first load', 'unload, µs'], Object.entries(result).map(([name, row]) => [
      name, fixed(row.bytes / 1e6, 1), fixed(row.mbps, 0), percent(row.spread), fixed(row.clock, 0), fixed(row.us, 0), fixed(row.first, 0), fixed(row.unloadUs, 0),
    ])), '',
    'The first load is the one whose memory was never touched before, by code that isn\'t warm.',
  ];
}

function base(result) {
  return [
    '### Loading the base from a file: memory at the peak over the file\'s size (target: at most 1.10)', '',
    ...table(['weights', 'file, MB', 'linear memory', 'and buffers', 'together', 'growth of the resident set', 'worst', 'MB/s'], Object.entries(result).map(([dtype, row]) => [
      dtype, fixed(row.file / 1e6, 0), fixed(row.linear / row.file, 3), fixed(row.buffers / row.file, 3), fixed(row.perFile, 3), fixed(row.residentPerFile, 3), fixed(row.worst, 3), fixed(row.mbps, 0),
    ])),
  ];
}

export const PRINTERS = { matmul, language, browser, starts, adapters, batch, switching, decoding, attention, crowd, loading, base };
