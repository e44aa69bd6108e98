// npm run bench: how fast it is, as ratios in one run, beside peers and beside what the machine can do. No figure here is a test.
//   npm run bench -- [--quick] [--only SECTION,…] [--json FILE] [--keep]
// --quick    rougher figures, in a third of the time
// --only     some of the sections
// --json     the raw samples to a file
// --keep     the run becomes the one that BENCHMARKS.md tells: writes it, scripts/bench/results/kept.json and the plots
// A section that fails is told in the report, with what it said; the others go on, and the exit status is 1.
import { fork } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { fileURLToPath } from 'node:url';
import { removeModel, writeModel } from './base.mjs';
import { median } from './measure.mjs';
import { newerNode } from './nodes.mjs';
import { installPeers, peerVersions } from './peers.mjs';
import { plots } from './plots.mjs';
import { report } from './report.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const root = fileURLToPath(new URL('../../', import.meta.url));
/** Each in the order of the report, with how it is run. */
const SECTIONS = {
  matmul: onBothNodes, language: alone, browser: alone, starts: alone, adapters: onBothNodes, batch: onBothNodes, switching: alone, decoding: alone, attention: alone, crowd: alone, loading: alone, base: bases,
};
const WITH_PEERS = ['matmul', 'language', 'browser', 'starts', 'adapters', 'batch'];
const MARKS = ['<!-- figures: written by npm run bench -- --keep -->', '<!-- end of figures -->'];

/** The section at work, and the folder of the model that is being loaded: a run that is broken off leaves nothing behind. */
let [working, temporary] = [null, null];
process.on('exit', () => {
  working?.kill();
  if (temporary !== null) removeModel(temporary);
});
for (const [signal, code] of [['SIGINT', 130], ['SIGTERM', 143], ['SIGHUP', 129]]) process.once(signal, () => process.exit(code));

const { quick, only, json, keep } = parseArguments(process.argv.slice(2));
if (WITH_PEERS.some((name) => only.includes(name))) installPeers();
const run = { when: new Date().toISOString().slice(0, 16).replace('T', ' '), command: `npm run bench${process.argv.length > 2 ? ` -- ${process.argv.slice(2).join(' ')}` : ''}`, machine: machine(), versions: versions(), seconds: {}, sections: {} };
for (const name of Object.keys(SECTIONS).filter((section) => only.includes(section))) {
  const started = performance.now();
  process.stderr.write(`${name} …`);
  try {
    run.sections[name] = await SECTIONS[name](name);
  } catch (error) {
    run.sections[name] = { failed: error.message.split('\n').filter(Boolean).slice(0, 6).join(' ') };
    process.stderr.write(`\n${error.message}\n`);
    process.exitCode = 1;
  }
  run.seconds[name] = Math.round((performance.now() - started) / 1000);
  process.stderr.write(` ${run.seconds[name]} s\n`);
}
run.machine.loadAfter = os.loadavg()[0];

const lines = report(run);
console.log(lines.join('\n'));
if (json) writeFileSync(json, JSON.stringify(run));
if (keep) keepRun();

function alone(name) {
  return section(name, { quick });
}

/** The binary that runs everywhere on this Node, and the best build on one that has relaxed SIMD. */
async function onBothNodes(name) {
  const best = name === 'matmul' ? 'relaxed' : 'best'; // products of floats are the same in both relaxed builds
  return { simd: await section(name, { quick, build: 'simd' }), [best]: await section(name, { quick, build: best }, newerNode()) };
}

/** A model of 2-byte and one of 4-byte weights, each loaded by several processes of their own. */
async function bases() {
  const result = {};
  for (const [dtype, layers] of [['BF16', quick ? 30 : 40], ['F32', quick ? 15 : 20]]) {
    temporary = writeModel(dtype, layers);
    const runs = [];
    for (let i = 0; i < (quick ? 1 : 5); i++) runs.push(await section('base', { folder: temporary }));
    removeModel(temporary);
    temporary = null;
    result[dtype] = { ...Object.fromEntries(Object.keys(runs[0]).map((key) => [key, median(runs.map((r) => r[key]))])), worst: Math.max(...runs.map((r) => Math.max(r.perFile, r.residentPerFile))), samples: runs };
  }
  return result;
}

function section(name, options, execPath = process.execPath) {
  return new Promise((resolve, reject) => {
    const child = fork(`${here}section.mjs`, [name, JSON.stringify(options)], { execPath, execArgv: ['--expose-gc', '--enable-source-maps'], stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
    working = child;
    let errors = '';
    let result;
    child.stderr.on('data', (data) => { errors += data; });
    child.on('message', (message) => { result = message; });
    child.on('close', (code) => {
      working = null;
      if (result === undefined) reject(new Error(`The section ${name} ended with code ${code}:\n${errors}`));
      else resolve(result);
    });
  });
}

function machine() {
  const cpus = os.cpus();
  return { cpu: cpus[0]?.model.trim() ?? 'unknown', cores: cpus.length, memoryGb: Math.round(os.totalmem() / 2 ** 30), system: `${os.type()} ${os.arch()}`, loadBefore: os.loadavg()[0] };
}

function versions() {
  const { version } = JSON.parse(readFileSync(`${root}package.json`, 'utf8'));
  return { lorikeet: version, node: process.versions.node, v8: process.versions.v8, ...(WITH_PEERS.some((name) => only.includes(name)) ? peerVersions() : {}) };
}

function keepRun() {
  rmSync(`${here}results`, { recursive: true, force: true });
  mkdirSync(`${here}results`);
  writeFileSync(`${here}results/kept.json`, `${JSON.stringify(run, (_, value) => (typeof value === 'number' ? Number(value.toPrecision(6)) : value))}\n`);
  const drawn = plots(run);
  for (const [name, { svg }] of Object.entries(drawn)) writeFileSync(`${here}results/${name}.svg`, svg);
  const page = `${root}BENCHMARKS.md`;
  const [head, rest] = readFileSync(page, 'utf8').split(`${MARKS[0]}\n`);
  const tail = rest.slice(rest.indexOf(MARKS[1]));
  const told = report(run, Object.fromEntries(Object.entries(drawn).map(([name, { title }]) => [name, `![${title}](scripts/bench/results/${name}.svg)`])));
  writeFileSync(page, `${head}${MARKS[0]}\n\n${told.join('\n')}\n\n${tail}`);
}

function parseArguments(args) {
  const names = Object.keys(SECTIONS);
  const options = { quick: false, keep: false, json: null, only: names };
  for (let i = 0; i < args.length; i++) {
    if (args[i] === '--quick') options.quick = true;
    else if (args[i] === '--keep') options.keep = true;
    else if (args[i] === '--json' && args[i + 1]) options.json = args[++i];
    else if (args[i] === '--only' && args[i + 1]) options.only = args[++i].split(',');
    else fail(`Unknown argument "${args[i]}".`);
  }
  const unknown = options.only.find((name) => !names.includes(name));
  if (unknown !== undefined) fail(`Unknown section "${unknown}".`);
  if (options.keep && options.only.length < names.length) fail('A kept run is a whole one: expected --keep without --only.');
  return options;
}

function fail(sentence) {
  process.stderr.write(`${sentence} Expected [--quick] [--only ${Object.keys(SECTIONS).join(',')}] [--json FILE] [--keep].\n`);
  process.exit(1);
}
