// The figures of a run as Markdown, which reads as well on a terminal.

export function report({ when, command, machine, versions, sections }) {
  const { cpu, cores, memoryGb, system, loadBefore, loadAfter } = machine;
  const lines = [
    `${when} UTC, \`${command}\``, '',
    `${cpu}, ${cores} cores, ${memoryGb} GB, ${system}; load before ${fixed(loadBefore, 1)} and after ${fixed(loadAfter, 1)} (1 is this run alone).`,
    `${Object.entries(versions).map(([name, version]) => `${name} ${version}`).join(', ')}.`,
  ];
  const printers = { matmul, loading, base, switching, decoding, crowd, language };
  for (const [name, result] of Object.entries(sections)) lines.push('', ...printers[name](result));
  return lines;
}

function matmul({ rows, calls, memory }) {
  const large = rows.filter(({ m }) => m >= 64);
  const least = (name) => Math.min(...large.map((row) => row.beside[name].median));
  return [
    '### f32 matrix products, one thread, GF/s (2 per multiply-add)', '',
    ...table(['M', 'K = N', 'ours', '±', 'ORT-web', 'tfjs', 'register loop', 'GB/s of a read', 'ours / ORT-web', 'ours / tfjs', 'share of the bound'], rows.map((row) => [
      row.m, row.size, fixed(row.gflops.ours, 1), percent(row.spread), fixed(row.gflops.ort, 1), fixed(row.gflops.tfjs, 1), fixed(row.gflops.registers, 1), fixed(row.gbps, 0),
      `${times(row.beside.ort.median)} ± ${percent(row.beside.ort.spread)}`, `${times(row.beside.tfjs.median)} ± ${percent(row.beside.tfjs.spread)}`, percent(row.bound.median),
    ])), '',
    `From M = 64 on, at least: ${times(least('ort'))} of ORT-web, ${times(least('tfjs'))} of tfjs. Memory outside the caches: ${fixed(memory.gbps, 1)} GB/s.`,
    `Of the peers' times, the call itself (a product of 8 × 8): ORT-web ${fixed(calls.ort.us, 0)} µs, tfjs ${fixed(calls.tfjs.us, 0)} µs.`,
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

function switching(result) {
  const names = { switch: 'another blend (target: under 100 µs)', rescale: 'another scale (target: under 10 µs)', nothing: 'nothing changed (the error of this measure)' };
  return [
    '### The first token after a change less a steady one, the KV cache kept', '',
    ...table(['change', 'µs', 'of these in the call', '95 % are under', 'first token', 'steady token', 'changes'], Object.entries(names).map(([kind, label]) => [
      label, fixed(result[kind].us, 1), fixed(result[kind].call, 1), fixed(result[kind].late, 0), fixed(result[kind].first, 0), fixed(result[kind].steady, 0), result[kind].changes,
    ])), '',
    `rescale() alone, a thousand at a time: ${fixed(result.rescaleCall.us, 3)} µs.`,
    `Apart from that, where the cache is computed anew (the default) another blend costs ${fixed(result.recompute.perToken, 0)} µs for each token of the conversation so far.`,
  ];
}

function decoding(result) {
  return [
    '### Decoding with the demo model, adapters of rank 6 to 8 on all linear layers', '',
    ...table(['active adapters', 'tokens/s', '±', 'of the base\'s'], Object.entries(result).map(([count, row]) => [count, fixed(row.perSecond, 0), percent(row.spread), percent(row.beside)])),
  ];
}

function crowd(rows) {
  return [
    '### Decoding with one active adapter beside others that lie in memory (rank 4 on q and v)', '',
    ...table(['loaded', 'µs per token', '±', 'beside one loaded', 'bytes of all'], rows.map((row) => [row.count, fixed(row.usPerToken, 0), percent(row.spread), times(row.beside), row.bytes])),
  ];
}

function language(result) {
  const formats = Object.entries(result);
  const beside = (row, peer, kind) => (row.beside[peer] ? `${times(row.beside[peer][kind].median)} ± ${percent(row.beside[peer][kind].spread)}` : '–');
  return [
    '### SmolLM2-135M-Instruct, one thread, tokens/s: a prompt of 512, and decoding', '',
    ...table(['file', 'engine', 'prompt', '±', 'decode', '±'], formats.flatMap(([format, { rows }]) => Object.entries(rows).map(([name, row]) => [
      format, name, fixed(row.prompt, 0), percent(row.promptSpread), fixed(row.decode, 1), percent(row.decodeSpread),
    ]))), '',
    ...table(['ours beside', 'native: prompt', 'native: decode (target: 0.7×)', 'wllama: prompt', 'wllama: decode'], formats.map(([format, row]) => [
      format, beside(row, 'native', 'prompt'), beside(row, 'native', 'decode'), beside(row, 'wllama', 'prompt'), beside(row, 'wllama', 'decode'),
    ])), '',
    'Native is the better of flash attention on and off; in Chromium it is ours in Chromium, too, that stands beside wllama.', '',
    ...table(['file', 'engine', 'first token of a fresh process, ms (target: 2000)', 'worst', 'loading alone', 'linear memory over the file', 'growth of the resident set over the file (target: 1.15)'], formats.flatMap(([format, { bytes, cold }]) => Object.entries(cold).map(([name, row]) => [
      format, name, fixed(row.ms, 0), fixed(row.worst, 0), fixed(row.loadMs, 0), row.linear === null ? '–' : fixed((row.linear - row.kv) / bytes, 3), fixed((row.resident - row.kv) / bytes, 3),
    ]))), '',
    'Both at the peak and without our KV cache; the resident set holds the tokenizer and what JavaScript\'s heap grew by, too (of native\'s, its cache and buffers are part).',
  ];
}

/** A Markdown table with its columns aligned. */
function table(head, rows) {
  const cells = [head, ...rows].map((row) => row.map(String));
  const widths = head.map((_, i) => Math.max(...cells.map((row) => row[i].length)));
  const line = (row) => `| ${row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join(' | ')} |`;
  return [line(cells[0]), `|${widths.map((width, i) => `${'-'.repeat(width + 1)}${i === 0 ? '-' : ':'}`).join('|')}|`, ...cells.slice(1).map(line)];
}

const fixed = (value, digits) => value.toFixed(digits);
const times = (value) => `${value.toFixed(2)}×`;
const percent = (share) => `${(share * 100).toFixed(0)} %`;
