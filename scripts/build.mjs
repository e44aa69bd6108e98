// Builds everything below build/:
//   simd.wasm, relaxed.wasm, relaxed-dot.wasm, and each as …-threads.wasm   the kernels (compile-kernels.mjs)
//   reference.wasm   their scalar references, for the tests: not with --run
//   js/src, js/tests, js/examples   the sources file by file, for the tests, the examples and the command line from a checkout
//   lorikeet.js, cli.js   the two bundles that the package ships, and thread.js, what both start compute threads from
//   types/   with --types: declarations
// With --if-stale each part is rebuilt only when a hash of its inputs changed. With --run only what this Node needs to run: builds that it refuses stay out.
//   --only NAME[,NAME…]   these binaries alone (simd, relaxed-dot-threads, reference, …)
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');
/** `(module (func (param v128) (drop (f32x4.relaxed_madd (local.get 0) (local.get 0) (local.get 0)))))`: validates where this Node runs relaxed SIMD. */
const RELAXED_PROBE = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 1, 123, 0, 3, 2, 1, 0, 10, 14, 1, 12, 0, 32, 0, 32, 0, 32, 0, 253, 133, 2, 26, 11]);
const only = process.argv.includes('--only') ? (process.argv[process.argv.indexOf('--only') + 1] ?? '').split(',') : null;
const onlyStale = process.argv.includes('--if-stale');
const common = ['package-lock.json', 'scripts/build.mjs'];
mkdirSync(join(root, 'build'), { recursive: true });

await buildKernels();
if (only === null) {
  await part('js', [...common, ...files('assembly', '.ts'), ...files('src', '.ts'), ...files('tests', '.ts'), ...files('examples', '.ts')], buildScripts);
  if (process.argv.includes('--types')) await part('types', [...common, 'tsconfig.json', 'tsconfig.types.json', ...files('src', '.ts')], buildTypes);
}

/** Builds a part unless it is asked for only when stale, and isn't; its stamp is the hash of what it was made from. */
async function part(name, inputs, build) {
  const { stale, settle } = stampOf(name, inputs);
  if (!stale) return;
  const start = performance.now();
  await build();
  settle();
  process.stderr.write(`build: ${name} in ${Math.round(performance.now() - start)} ms\n`);
}

function stampOf(name, inputs) {
  const hash = createHash('sha256');
  for (const input of inputs) hash.update(input).update(readFileSync(join(root, input)));
  const digest = hash.digest('hex');
  const stamp = join(root, 'build', `.${name}-stamp`);
  return {
    stale: !(onlyStale && existsSync(stamp) && readFileSync(stamp, 'utf8') === digest),
    settle: () => writeFileSync(stamp, digest),
  };
}

/** Compiles the stale ones of the binaries that are wanted, in two processes. */
async function buildKernels() {
  const inputs = [...common, 'asconfig.json', 'scripts/compile-kernels.mjs', ...files('assembly', '.ts')];
  const wanted = wantedTargets();
  const stale = wanted.filter((target) => stampOf(target, inputs).stale || !existsSync(join(root, 'build', `${target}.wasm`)));
  const shares = [stale.filter((_, i) => i % 2 === 0), stale.filter((_, i) => i % 2 === 1)].filter((share) => share.length > 0);
  await Promise.all(shares.map((share) => new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(root, 'scripts/compile-kernels.mjs'), ...share], { cwd: root, stdio: 'inherit' });
    child.on('error', reject);
    child.on('close', (code) => code === 0 ? resolve() : reject(new Error(`compiling ${share.join(', ')} failed`)));
  })));
  for (const target of stale) stampOf(target, inputs).settle();
}

function wantedTargets() {
  const targets = Object.keys(JSON.parse(readFileSync(join(root, 'asconfig.json'), 'utf8')).targets);
  if (only !== null) {
    const unknown = only.filter((name) => !targets.includes(name));
    if (unknown.length > 0) throw new Error(`--only: no target ${unknown.join(', ')} in asconfig.json; there are ${targets.join(', ')}`);
    return only;
  }
  if (!process.argv.includes('--run')) return targets;
  const relaxed = WebAssembly.validate(RELAXED_PROBE);
  return targets.filter((name) => name !== 'reference' && (relaxed || !name.startsWith('relaxed')));
}

async function buildScripts() {
  const { build } = await import('esbuild');
  const hash = createHash('sha256');
  for (const input of ['asconfig.json', ...files('assembly', '.ts')]) hash.update(input).update(readFileSync(join(root, input)));
  const KERNELS_VERSION = JSON.stringify(hash.digest('hex').slice(0, 12)); // by it what a device showed is remembered
  const shared = { absWorkingDir: root, format: 'esm', target: 'es2022', platform: 'neutral', logLevel: 'warning', sourcemap: 'linked' };
  rmSync(join(root, 'build/js'), { recursive: true, force: true });
  await build({ ...shared, entryPoints: [...files('src', '.ts'), ...files('tests', '.ts'), ...files('examples', '.ts')], outbase: '.', outdir: 'build/js',
    define: { WASM_DIRECTORY: '"../../../"', KERNELS_VERSION } });
  const bundle = { ...shared, bundle: true, minify: true, external: ['node:*'], mainFields: ['module', 'main'], conditions: ['import'],
    define: { WASM_DIRECTORY: '"./"', KERNELS_VERSION }, legalComments: 'eof' };
  await build({ ...bundle, entryPoints: ['src/index.ts'], outfile: 'build/lorikeet.js' });
  await build({ ...bundle, entryPoints: ['src/threads/thread.ts'], outfile: 'build/thread.js' });
  await build({ ...bundle, entryPoints: ['src/cli/main.ts'], outfile: 'build/cli.js', banner: { js: '#!/usr/bin/env node' } });
}

function buildTypes() {
  const tsc = spawnSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', join(root, 'tsconfig.types.json')], { cwd: root, stdio: 'inherit' });
  if (tsc.status !== 0) throw new Error('tsc failed');
}

function files(folder, ending) {
  const found = [];
  const walk = (dir) => {
    if (!existsSync(dir)) return;
    for (const name of readdirSync(dir).sort()) {
      const path = join(dir, name);
      if (statSync(path).isDirectory()) walk(path);
      else if (name.endsWith(ending)) found.push(relative(root, path));
    }
  };
  walk(join(root, folder));
  return found.filter((path) => !path.endsWith('.d.ts') && path !== 'assembly/tsconfig.json');
}
