// Cold starts on Node: from the start of a fresh process to the first token of an answer, the file being in the page cache, and how far the resident set grew; ours as it comes, and llama.cpp.
import { spawn } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { median } from './measure.mjs';
import { FORMATS, modelFile } from './model-files.mjs';

const ENGINES = ['ours', 'native'];

export async function starts({ quick }) {
  const result = {};
  for (const format of FORMATS) {
    const path = modelFile(format);
    readFileSync(path);
    const runs = Object.fromEntries(ENGINES.map((engine) => [engine, []]));
    for (let round = 0; round < (quick ? 2 : 5); round++) for (const engine of ENGINES) runs[engine].push(await child('cold.mjs', [engine, path]));
    result[format] = { bytes: statSync(path).size, engines: Object.fromEntries(ENGINES.map((engine) => [engine, summary(runs[engine])])) };
  }
  return result;
}

function summary(runs) {
  const middle = (key) => median(runs.map((run) => run[key]));
  return { ms: middle('ms'), worst: Math.max(...runs.map(({ ms }) => ms)), loadMs: middle('loadMs'), resident: middle('resident'), kv: runs[0].kv, linear: runs[0].linear, samples: runs };
}

function child(script, args) {
  return new Promise((resolve, reject) => {
    const started = performance.now();
    const running = spawn(process.execPath, ['--expose-gc', fileURLToPath(new URL(script, import.meta.url)), ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    let [output, errors, ms] = ['', '', 0];
    running.stdout.on('data', (data) => { output += data; if (ms === 0 && output.includes('first\n')) ms = performance.now() - started; });
    running.stderr.on('data', (data) => { errors += data; });
    running.on('close', (code) => (code === 0 ? resolve({ ms, ...JSON.parse(output.trim().split('\n').at(-1)) }) : reject(new Error(`${script} ${args.join(' ')} ended with code ${code}:\n${errors}`))));
  });
}
