// The runtimes beside which ours is measured, each at the version that scripts/bench/package.json pins. Their matrix products: one thread, with SIMD, weights prepared before the first run.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { NODE_PACKAGE, NODE_VERSION } from './nodes.mjs';
import { matmulModel } from './onnx.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const require = createRequire(import.meta.url);

/** llama.cpp's binary for this machine: without graphics, where there is a choice, and the only one of a dozen optional packages that is wanted. */
const NATIVE = { 'darwin-arm64': 'mac-arm64-metal', 'darwin-x64': 'mac-x64', 'win32-x64': 'win-x64', 'win32-arm64': 'win-arm64' }[`${process.platform}-${process.arch}`] ?? `${process.platform}-${process.arch}`;

/** Installs the peers beside this file, when they are missing or come from another lock file. */
export function installPeers() {
  const text = readFileSync(`${here}package-lock.json`);
  const lock = createHash('sha256').update(text).digest('hex');
  const stamp = `${here}node_modules/.bench-lock`;
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return;
  process.stderr.write('Installing what the benchmark compares with …\n');
  const { version } = JSON.parse(text).packages['node_modules/node-llama-cpp'];
  // Both are binaries for one machine, which a lock file for all can't name.
  const binaries = [`@node-llama-cpp/${NATIVE}@${version}`, `${NODE_PACKAGE}@${NODE_VERSION}`];
  const done = spawnSync('npm', ['install', '--no-save', '--omit=optional', '--loglevel=error', ...binaries], { cwd: here, stdio: ['ignore', 2, 2], shell: process.platform === 'win32' });
  if (done.status !== 0) throw new Error('npm install in scripts/bench failed: see above.');
  writeFileSync(stamp, lock);
}

export const peerVersions = () => Object.fromEntries(Object.keys(JSON.parse(readFileSync(`${here}package.json`, 'utf8')).dependencies)
  .map((name) => [name, JSON.parse(readFileSync(`${here}node_modules/${name}/package.json`, 'utf8')).version]));

/** onnxruntime-web: a session for one MatMul; `run()` is a promise, `result()` the last y. */
export async function onnxMatmul() {
  const ort = await import('onnxruntime-web/wasm');
  ort.env.wasm.numThreads = 1;
  ort.env.logLevel = 'error';
  return async (x, w, m, n, k) => {
    const session = await ort.InferenceSession.create(matmulModel(w, m, n, k), { executionProviders: ['wasm'], graphOptimizationLevel: 'all' });
    const feeds = { X: new ort.Tensor('float32', x, [m, k]) };
    let last;
    return { run: async () => { last = await session.run(feeds); }, result: () => last.Y.data, dispose: () => session.release() };
  };
}

/** tfjs on its WebAssembly backend; its SIMD binary without threads, which is checked. */
export async function tfjsMatmul() {
  const tf = require('@tensorflow/tfjs-core');
  const wasm = require('@tensorflow/tfjs-backend-wasm');
  tf.env().set('WASM_HAS_MULTITHREAD_SUPPORT', false);
  wasm.setThreadsCount(1);
  const compiled = await compiledDuring(async () => { await tf.setBackend('wasm'); await tf.ready(); });
  const simd = readFileSync(require.resolve('@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm')).length;
  if (tf.getBackend() !== 'wasm' || !compiled.includes(simd)) throw new Error(`tfjs does not run its SIMD binary: expected one of ${simd} bytes, found ${compiled.join(', ') || 'none'} on the backend "${tf.getBackend()}".`);
  return async (x, w, m, n, k) => {
    const a = tf.tensor2d(x, [m, k]);
    const b = tf.tensor2d(w, [k, n]);
    return {
      run: () => { tf.matMul(a, b).dispose(); },
      result: () => tf.tidy(() => tf.matMul(a, b).dataSync()),
      dispose: () => { a.dispose(); b.dispose(); },
    };
  };
}

/** Lengths of the binaries that are compiled while `work` runs. */
async function compiledDuring(work) {
  const lengths = [];
  const originals = { instantiate: WebAssembly.instantiate, compile: WebAssembly.compile };
  for (const name of Object.keys(originals)) {
    WebAssembly[name] = (source, ...rest) => {
      if (source.byteLength) lengths.push(source.byteLength);
      return originals[name].call(WebAssembly, source, ...rest);
    };
  }
  try {
    await work();
  } finally {
    Object.assign(WebAssembly, originals);
  }
  return lengths;
}
