// The plots of a run, each drawn from its raw samples.
import { median, quantile } from './measure.mjs';
import { bars, lines } from './plot.mjs';

const built = ({ build, node }) => `${build}, Node ${node.split('.')[0]}`;
const COLOURS = { simd: 'a', best: 'b', native: 'c', third: 'd' };

/** `{ section: { title, svg } }` for the sections that were measured. */
export function plots({ when, machine, versions, sections }) {
  const from = `${machine.cpu}, Node ${versions.node}, ${when.slice(0, 10)}`;
  const draw = { matmul, language, browser, batch, adapters, attention, crowd };
  return Object.fromEntries(Object.entries(draw).filter(([name]) => sections[name] && !sections[name].failed).map(([name, make]) => [name, make(sections[name], from)]));
}

/** Low quartile, median and high quartile of those that were measured. */
const stretch = (values) => [0.25, 0.5, 0.75].map((q) => quantile(values.filter((value) => value !== null), q));

function matmul(result, from) {
  const rates = (row, name) => row.samples[name].map((us) => (2 * row.m * row.size * row.size) / us / 1e3);
  const series = [['ours', 'lorikeet', 'a'], ['ort', 'onnxruntime-web', 'c'], ['tfjs', 'tfjs-backend-wasm', 'd']];
  return bars({
    title: 'f32 products, M rows by K = N, one thread, GF/s; R: relaxed SIMD, Node 24', from, series: series.map(([, name, colour]) => ({ name, colour })), mark: 'register loop',
    groups: Object.entries(result).flatMap(([build, { rows }]) => rows.map((row) => ({
      label: [`${build === 'relaxed' ? 'R ' : ''}M ${row.m}`, row.size], values: series.map(([name]) => stretch(rates(row, name))), mark: median(rates(row, 'registers')),
    }))),
  });
}

function language(formats, from) {
  const names = ['simd', 'best', 'native', 'native, flash attention'];
  return bars({
    title: 'SmolLM2-135M-Instruct on Node, one thread, tokens/s: decoding, and prompts of 512 divided by ten', from,
    series: [{ name: 'lorikeet, plain simd', colour: COLOURS.simd }, { name: 'lorikeet, best build', colour: COLOURS.best }, { name: 'llama.cpp', colour: COLOURS.native }, { name: 'with flash attention', colour: COLOURS.third }],
    groups: ['decode', 'prompt'].flatMap((kind) => Object.entries(formats).map(([format, { samples }]) => ({
      label: [kind, format], values: names.map((name) => (samples[name] ? stretch(samples[name][kind].map((value) => value / (kind === 'prompt' ? 10 : 1))) : null)),
    }))),
  });
}

function browser({ wllama, transformers }, from) {
  const beside = (kind) => Object.entries(wllama).map(([format, { samples }]) => ({
    label: [kind, format], values: [samples.best?.[kind], samples['wllama 3']?.[kind], samples['wllama 2']?.[kind], fastest(transformers[1].samples, kind)].map((values) => (values ? stretch(values.map((value) => value / (kind === 'prompt' ? 10 : 1))) : null)),
  }));
  return bars({
    title: 'SmolLM2-135M-Instruct in Chromium, one thread, tokens/s: decoding, and prompts divided by ten', from,
    series: [{ name: 'lorikeet, best build', colour: 'b' }, { name: 'wllama 3', colour: 'c' }, { name: 'wllama 2', colour: 'd' }, { name: 'transformers.js, its fastest dtype', colour: 'e' }],
    groups: ['decode', 'prompt'].flatMap(beside),
  });
}

const fastest = (samples, kind) => ['fp32', 'q8', 'q4'].filter((dtype) => samples[dtype]).map((dtype) => samples[dtype][kind]).reduce((a, b) => (a && median(a) >= median(b) ? a : b), null);

function batch(result, from) {
  const series = [['simd', 'F32', 'c'], ['simd', 'Q8_0', 'd'], ['simd', 'Q4_1', 'a'], ['best', 'Q4_1', 'b']].filter(([name]) => result[name]);
  return lines({
    title: 'Tokens/s of all sessions over those of one, each with a rank-16 adapter of its own', from, x: 'sessions', log: true,
    series: series.map(([name, base, colour]) => {
      const { samples } = result[name].bases[base];
      return { name: `${base}, ${built(result[name])}`, colour, points: Object.entries(samples).map(([count, rates]) => [Number(count), stretch(rates.map((rate, round) => rate / samples[1][round]))]) };
    }),
  });
}

function adapters(result, from) {
  const bases = Object.keys(result.simd.rows);
  const shares = ({ samples }) => samples.adapted.map((us, i) => 100 * (us / samples.base[i] - 1));
  return bars({
    title: 'What a rank-16 adapter on all linear layers costs, % of a token without it', from, series: Object.entries(result).map(([name, side]) => ({ name: built(side), colour: COLOURS[name] })),
    groups: ['decode', 'prompt'].flatMap((kind) => bases.map((base) => ({ label: [kind, base], values: Object.values(result).map(({ rows }) => stretch(shares(rows[base][kind]))) }))),
  });
}

function attention({ bytesPerPosition, tokens }, from) {
  const around = ({ usPerToken, spread }) => [1 - spread, 1, 1 + spread].map((factor) => (factor * usPerToken) / 1000);
  return lines({
    title: 'ms of one token\'s attention in all 30 layers, by the positions before it', from, x: 'context',
    series: Object.keys(bytesPerPosition).map((name, i) => ({ name: `cache in ${name}`, colour: 'acd'[i], points: tokens.filter(({ dtype }) => dtype === name).map((row) => [row.context, around(row)]) })),
  });
}

function crowd(rows, from) {
  return lines({
    title: 'µs per token of the demo model, one adapter active of so many loaded (rank 4 on q and v)', from, x: 'adapters', log: true,
    series: [['crowded', 'so many loaded', 'a'], ['alone', 'one loaded, in the same rounds', 'c']].map(([key, name, colour]) => ({ name, colour, points: rows.map(({ count, samples }) => [count, stretch(samples[key])]) })),
  });
}
