// Runs every tests/**/*.test.ts (built to build/js/tests) in a process of its own and closes with `N passed, N failed`.
//   node scripts/test.mjs [FILTER…] [--no-skips]
// The kernel suites (tests/kernels) run once for each build of the kernels that this Node runs; LORIKEET_BUILD=NAME: over that one alone.
// uvu alone would let three things pass: a file that forgets `.run()` (prints "Total: 0", exits 0), a test that hangs,
// and a run that a machine can't count. Each is a failure here. A file that can't run because something is missing on
// this machine prints a line `SKIP: reason`; with --no-skips (as in CI) that, too, is a failure.
import { spawn } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');
const minutes = Number(process.env.LORIKEET_TEST_MINUTES ?? 10); // the longest a single file may take
const noSkips = process.argv.includes('--no-skips');
const filters = process.argv.slice(2).filter((a) => !a.startsWith('--'));

const all = find(join(root, 'build/js/tests'));
const chosen = filters.length ? all.filter((file) => filters.some((f) => relative(root, file).includes(f))) : all;
const totals = { passed: 0, failed: 0, skipped: [] };
if (chosen.length === 0) { console.log(`No test file matches ${filters.join(', ')}`); totals.failed++; }

/** Before V8 11.4 relaxed SIMD stands behind a flag; there its dot products are wrong in the first tier on some machines. */
const flagged = Number.parseFloat(process.versions.v8) < 11.4;
const RELAXED_FLAG = '--experimental-wasm-relaxed-simd';
const builds = process.env.LORIKEET_BUILD ? [process.env.LORIKEET_BUILD] : ['simd', 'simd-threads', 'relaxed', ...(flagged ? [] : ['relaxed-dot'])];

const queue = chosen.flatMap((file) => /[\\/]tests[\\/]kernels[\\/]/.test(file) ? builds.map((build) => ({ file, build })) : [{ file }]);
await Promise.all(Array.from({ length: Math.max(1, Math.min(2, availableParallelism())) }, async () => {
  for (let next = queue.shift(); next; next = queue.shift()) report(next, await run(next));
}));

for (const reason of totals.skipped) console.log(`skipped: ${reason}`);
if (noSkips && totals.skipped.length > 0) totals.failed += totals.skipped.length;
console.log(`${totals.passed} passed, ${totals.failed} failed`);
process.exit(totals.failed === 0 ? 0 : 1);

function run({ file, build }) {
  return new Promise((resolve) => {
    const flags = ['--enable-source-maps', '--expose-gc', ...(flagged && build?.startsWith('relaxed') ? [RELAXED_FLAG] : [])];
    const env = { ...process.env, FORCE_COLOR: '0', LORIKEET_NO_SKIPS: noSkips ? '1' : '', ...(build ? { LORIKEET_BUILD: build } : {}) };
    const child = spawn(process.execPath, [...flags, file], { cwd: root, env });
    let output = '';
    child.stdout.on('data', (d) => { output += d; });
    child.stderr.on('data', (d) => { output += d; });
    const started = performance.now();
    const timer = setTimeout(() => { output += `\nkilled after ${minutes} minutes`; child.kill('SIGKILL'); }, minutes * 60_000);
    child.on('close', (code) => { clearTimeout(timer); resolve({ code, output, seconds: (performance.now() - started) / 1000 }); });
  });
}

function report({ file, build }, { code, output, seconds }) {
  const name = relative(join(root, 'build/js/tests'), file).replace(/\.test\.js$/, '') + (build ? ` (${build})` : '');
  const sum = (word) => [...output.matchAll(new RegExp(`^\\s*${word}:\\s+(\\d+)`, 'gm'))].reduce((n, m) => n + Number(m[1]), 0);
  const total = sum('Total');
  const passed = sum('Passed');
  const skips = [...output.matchAll(/^SKIP: (.*)$/gm)].map((m) => `${name}: ${m[1]}`);
  totals.skipped.push(...skips);
  totals.passed += passed;
  let failed = total - passed;
  if (failed === 0 && code !== 0) failed = 1;
  if (total === 0 && skips.length === 0) failed = Math.max(failed, 1);
  totals.failed += failed;
  console.log(`${failed ? 'FAIL' : 'ok  '}  ${name}  ${passed}/${total}  ${seconds.toFixed(1)} s`);
  if (failed) console.log(total === 0 && code === 0 ? 'no test ran in this file: is .run() missing?' : output.replace(/^/gm, '      '));
}

function find(dir) {
  return readdirSync(dir).sort().flatMap((name) => {
    const path = join(dir, name);
    return statSync(path).isDirectory() ? find(path) : name.endsWith('.test.js') ? [path] : [];
  });
}
