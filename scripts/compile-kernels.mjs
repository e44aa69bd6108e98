// Compiles targets of asconfig.json one after the other: node scripts/compile-kernels.mjs TARGET… Called by build.mjs, which runs two of these side by side.
// Loading the compiler and its first target cost twice what each further target does: hence several in one process.
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { main } from 'assemblyscript/asc';

const root = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');
const config = JSON.parse(readFileSync(join(root, 'asconfig.json'), 'utf8'));
mkdirSync(join(root, 'build'), { recursive: true });
process.exitCode = 1; // until all are there: a process that ends early has not failed quietly
for (const target of process.argv.slice(2)) await compile(target);
process.exitCode = 0;

/** Entries are named here: asc knows none per target, and adds those of its configuration to every target. The binary appears whole under its name, or not at all. */
async function compile(target) {
  const start = performance.now();
  const entry = target === 'reference' ? 'assembly/reference.ts' : 'assembly/index.ts';
  const made = `build/.${target}-${process.pid}.wasm`;
  const { error, stderr } = await main([entry, '--config', 'asconfig.json', '--target', target, '--outFile', made, '--baseDir', root], { stdout: process.stdout });
  if (error) throw new Error(`asc: ${target}: ${error.message}\n${stderr}`);
  if (!existsSync(join(root, made))) throw new Error(`asc wrote no ${target}.wasm`);
  if (target !== 'reference') optimise(made, [...config.options.enable, ...(config.targets[target].enable ?? [])]);
  renameSync(join(root, made), join(root, config.targets[target].outFile));
  process.stderr.write(`build: ${target}.wasm in ${Math.round(performance.now() - start)} ms\n`);
}

/** binaryen's own passes again over asc's output: they bring size, not speed. */
function optimise(file, features) {
  const done = spawnSync(join(root, 'node_modules/.bin/wasm-opt'), [file, '-o', file, '-O3', '--strip-debug', '--strip-producers',
    '--enable-nontrapping-float-to-int', '--enable-sign-ext', '--enable-mutable-globals', ...features.map((name) => `--enable-${name}`)], { cwd: root, stdio: 'inherit', shell: process.platform === 'win32' });
  if (done.status !== 0) throw new Error(`wasm-opt failed on ${file}`);
}
