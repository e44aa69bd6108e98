// npm run bench: how fast it is, as ratios in one run, beside peers and beside what the machine can do. No figure here is a test.
//   npm run bench -- [--quick] [--only SECTION,…] [--json FILE] [--keep]
// --quick    rougher figures: a minute, and some for the language models
// --only     some of: matmul, loading, base, switching, decoding, crowd, language
// --json     the raw samples to a file
// --keep     the run becomes the one that BENCHMARKS.md tells: writes it, scripts/bench/results/kept.json and the plot
import { fork } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { fileURLToPath } from 'node:url';
import { median } from './measure.mjs';
import { installPeers, peerVersions } from './peers.mjs';
import { removeModel, writeModel } from './base.mjs';
import { plot } from './plot.mjs';
import { report } from './report.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const root = fileURLToPath(new URL('../../', import.meta.url));
const SECTIONS = ['matmul', 'loading', 'base', 'switching', 'decoding', 'crowd', 'language'];
const WITH_PEERS = ['matmul', 'language'];

/** The folder of the model that is being loaded: a run that is broken off leaves nothing behind. */
let temporary = null;
process.on('exit', () => { if (temporary !== null) removeModel(temporary); });
for (const [signal, code] of [['SIGINT', 130], ['SIGTERM', 143]]) process.once(signal, () => process.exit(code));

const { quick, only, json, keep } = parseArguments(process.argv.slice(2));
if (WITH_PEERS.some((name) => only.includes(name))) installPeers();
const run = { when: new Date().toISOString().slice(0, 16).replace('T', ' '), command: `npm run bench${process.argv.length > 2 ? ` -- ${process.argv.slice(2).join(' ')}` : ''}`, machine: machine(), versions: versions(), sections: {} };
for (const name of SECTIONS.filter((section) => only.includes(section))) {
  process.stderr.write(`${name} …\n`);
  run.sections[name] = name === 'base' ? await bases() : await section(name, { quick });
}
run.machine.loadAfter = os.loadavg()[0];

const lines = report(run);
console.log(lines.join('\n'));
if (json) writeFileSync(json, JSON.stringify(run));
if (keep) keepRun(lines);

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

function section(name, options) {
  return new Promise((resolve, reject) => {
    const child = fork(`${here}section.mjs`, [name, JSON.stringify(options)], { execArgv: ['--expose-gc', '--enable-source-maps'], stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
    let errors = '';
    let result;
    child.stderr.on('data', (data) => { errors += data; });
    child.on('message', (message) => { result = message; });
    child.on('close', (code) => (result === undefined ? reject(new Error(`The section ${name} ended with code ${code}:\n${errors}`)) : resolve(result)));
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

function keepRun(lines) {
  mkdirSync(`${here}results`, { recursive: true });
  writeFileSync(`${here}results/kept.json`, `${JSON.stringify(run, (_, value) => (typeof value === 'number' ? Number(value.toPrecision(6)) : value))}\n`);
  writeFileSync(`${here}results/matmul.svg`, plot(run));
  const page = `${root}BENCHMARKS.md`;
  const [head, rest] = readFileSync(page, 'utf8').split('<!-- figures: written by npm run bench -- --keep -->\n');
  const tail = rest.slice(rest.indexOf('<!-- end of figures -->'));
  writeFileSync(page, `${head}<!-- figures: written by npm run bench -- --keep -->\n\n${lines.join('\n')}\n\n${tail}`);
}

function parseArguments(args) {
  const options = { quick: false, keep: false, json: null, only: SECTIONS };
  for (let i = 0; i < args.length; i++) {
    if (args[i] === '--quick') options.quick = true;
    else if (args[i] === '--keep') options.keep = true;
    else if (args[i] === '--json' && args[i + 1]) options.json = args[++i];
    else if (args[i] === '--only' && args[i + 1]) options.only = args[++i].split(',');
    else fail(`Unknown argument "${args[i]}".`);
  }
  const unknown = options.only.find((name) => !SECTIONS.includes(name));
  if (unknown !== undefined) fail(`Unknown section "${unknown}".`);
  if (options.keep && options.only.length < SECTIONS.length) fail('A kept run is a whole one: expected --keep without --only.');
  return options;
}

function fail(sentence) {
  process.stderr.write(`${sentence} Expected [--quick] [--only ${SECTIONS.join(',')}] [--json FILE] [--keep].\n`);
  process.exit(1);
}
