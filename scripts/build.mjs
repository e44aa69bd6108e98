// Builds everything below build/:
//   simd.wasm   the kernels (asc, then wasm-opt for size)
//   reference.wasm   their scalar references, for the tests: not with --run
//   js/src, js/tests, js/examples   the sources file by file, for the tests, the examples and the command line from a checkout
//   lorikeet.js, cli.js   the two bundles that the package ships
//   types/   with --types: declarations
// With --if-stale each part is rebuilt only when a hash of its inputs changed.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');
const onlyStale = process.argv.includes('--if-stale');
const common = ['package-lock.json', 'scripts/build.mjs'];
mkdirSync(join(root, 'build'), { recursive: true });

await part('wasm', [...common, 'asconfig.json', ...files('assembly', '.ts')], buildKernels);
if (!process.argv.includes('--run')) await part('reference', [...common, 'asconfig.json', ...files('assembly', '.ts')], () => compile('reference'));
await part('js', [...common, ...files('src', '.ts'), ...files('tests', '.ts'), ...files('examples', '.ts')], buildScripts);
if (process.argv.includes('--types')) await part('types', [...common, 'tsconfig.json', 'tsconfig.types.json', ...files('src', '.ts')], buildTypes);

async function part(name, inputs, build) {
  const hash = createHash('sha256');
  for (const input of inputs) hash.update(input).update(readFileSync(join(root, input)));
  const digest = hash.digest('hex');
  const stamp = join(root, 'build', `.${name}-stamp`);
  if (onlyStale && existsSync(stamp) && readFileSync(stamp, 'utf8') === digest) return;
  const start = process.hrtime.bigint();
  await build();
  writeFileSync(stamp, digest);
  process.stderr.write(`build: ${name} in ${Number((process.hrtime.bigint() - start) / 1_000_000n)} ms\n`);
}

/** Entries are named here: asc knows none per target, and adds those of its configuration to every target. */
async function compile(target) {
  const asc = await import('assemblyscript/asc');
  const entry = target === 'simd' ? 'assembly/index.ts' : 'assembly/reference.ts';
  const output = join(root, `build/${target}.wasm`), start = Date.now();
  const { error, stderr } = await asc.main([entry, '--config', 'asconfig.json', '--target', target, '--baseDir', root], { stdout: process.stdout });
  if (error) throw new Error(`asc: ${error.message}\n${stderr}`);
  if (!existsSync(output) || statSync(output).mtimeMs < start - 1) throw new Error(`asc wrote no ${target}.wasm`);
}

async function buildKernels() {
  await compile('simd');
  // binaryen's own passes again over asc's output: it brings size, not speed.
  const optimised = spawnSync(join(root, 'node_modules/.bin/wasm-opt'), ['build/simd.wasm', '-o', 'build/simd.wasm', '-O3', '--strip-debug', '--strip-producers',
    '--enable-simd', '--enable-bulk-memory', '--enable-nontrapping-float-to-int', '--enable-sign-ext', '--enable-mutable-globals'], { cwd: root, stdio: 'inherit', shell: process.platform === 'win32' });
  if (optimised.status !== 0) throw new Error('wasm-opt failed');
}

async function buildScripts() {
  const { build } = await import('esbuild');
  const shared = { absWorkingDir: root, format: 'esm', target: 'es2022', platform: 'neutral', logLevel: 'warning', sourcemap: 'linked' };
  rmSync(join(root, 'build/js'), { recursive: true, force: true });
  await build({ ...shared, entryPoints: [...files('src', '.ts'), ...files('tests', '.ts'), ...files('examples', '.ts')], outbase: '.', outdir: 'build/js',
    define: { WASM_DIRECTORY: '"../../../"' } });
  const bundle = { ...shared, bundle: true, minify: true, external: ['node:*'], mainFields: ['module', 'main'], conditions: ['import'],
    define: { WASM_DIRECTORY: '"./"' }, legalComments: 'eof' };
  await build({ ...bundle, entryPoints: ['src/index.ts'], outfile: 'build/lorikeet.js' });
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
