import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createRuntime, isLorikeetError, type Backend, type RuntimeOptions, type WasmSource } from '../../src/index.js';
import { accepts, BUILDS } from '../../src/wasm/build.js';
import { reopen } from '../../src/wasm/remembered.js';
import { ROOT } from '../models/golden.js';

// Which build is taken, from every kind of source; what is said of the others, and where none can be had. (An engine without SIMD: tests/browser/no-simd.test.ts.)

// Before V8 11.4 relaxed SIMD stands behind a flag, which works until the first module is compiled.
if (!accepts('relaxed')) setFlagsFromString('--experimental-wasm-relaxed-simd');

const cache = mkdtempSync(join(tmpdir(), 'lorikeet-kernels-'));
process.env['LORIKEET_CACHE'] = cache;
const kept = join(cache, 'kernels.json');

const bytesOf = (build: string): Uint8Array<ArrayBuffer> => new Uint8Array(readFileSync(`${ROOT}build/${build}.wasm`));
const bytes = bytesOf('simd');
const refused = async (options: RuntimeOptions, code: string): Promise<Error> => {
  const error: unknown = await createRuntime(options).then(() => null, (found: unknown) => found);
  assert.ok(isLorikeetError(error, code), `expected ${code}, got ${String(error)}`);
  return error;
};
const backendOf = async (options: RuntimeOptions = {}): Promise<Backend> => (await createRuntime(options)).backend;

/** A valid binary of the same length that computes wrongly: every f32x4.mul adds instead, every relaxed_madd negates. */
function doctored(right: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const wrong = new Uint8Array(right);
  let changed = 0;
  for (let i = 0; i + 2 < wrong.length; i++) {
    const [a, b, c] = wrong.subarray(i, i + 3);
    if (a !== 0xfd || !((b === 0xe6 && c === 0x01) || (b === 0x85 && c === 0x02))) continue;
    wrong[i + 1] = b === 0xe6 ? 0xe4 : 0x86;
    changed++;
  }
  assert.ok(changed > 0);
  return wrong;
}

/** A folder of these binaries, served; `asked` names those that were asked for. */
async function served(files: Record<string, Uint8Array>): Promise<{ folder: string; asked: string[]; close: () => void }> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const name = request.url!.slice(1);
    asked.push(name);
    const file = files[name];
    if (file) response.writeHead(200, { 'content-type': 'text/plain' }).end(file);
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { folder: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, asked, close: () => { server.close(); server.closeAllConnections(); } };
}

/** Nothing is known of this device. */
function forget(): void {
  rmSync(kept, { force: true });
  reopen();
}

/** What WebAssembly.Instance makes, with one kernel exchanged, while `work` runs. */
async function withKernel<T>(name: string, exchange: (kernel: (...args: number[]) => unknown, memory: WebAssembly.Memory) => (...args: number[]) => unknown, work: () => Promise<T>): Promise<T> {
  const { Instance } = WebAssembly;
  WebAssembly.Instance = function (module: WebAssembly.Module, imports: { env: { memory: WebAssembly.Memory } }) {
    const { exports } = new Instance(module, imports);
    return { exports: { ...exports, [name]: exchange(exports[name] as (...args: number[]) => unknown, imports.env.memory) } };
  } as unknown as typeof Instance;
  try {
    return await work();
  } finally {
    WebAssembly.Instance = Instance;
  }
}

const test = suite('kernels');
test.before.each(forget);
test.after(() => { rmSync(cache, { recursive: true, force: true }); });

test('from beside the code, a folder, an address, bytes or a compiled module', async () => {
  const sources: (WasmSource | undefined)[] = [undefined, `file://${ROOT}build/`, new URL(`file://${ROOT}build/`), new URL(`file://${ROOT}build/simd.wasm`), `file://${ROOT}build/simd.wasm`, bytes, new Uint8Array(bytes).buffer, await WebAssembly.compile(bytes)];
  for (const wasm of sources) assert.ok((await createRuntime({ wasm })).kernels.heapBase() > 0);
});

test('the best build that computes rightly is taken, and of every other it is said why not', async () => {
  const { build, why } = await backendOf();
  assert.is.not(build, 'simd');
  assert.equal(Object.keys(why).sort(), BUILDS.filter((other) => other !== build).sort());
  assert.is(why['simd'], `${build} is faster`);
  if (build === 'relaxed') assert.match(why['relaxed-dot']!, /matmulQuantized/);
});

test('a single binary is taken, whichever it is', async () => {
  assert.equal(await backendOf({ wasm: bytes }), { build: 'simd', threads: 1, why: { 'relaxed-dot': 'the binary given is simd', 'relaxed': 'the binary given is simd' } });
  assert.equal(await backendOf({ wasm: `file://${ROOT}build/relaxed.wasm` }), { build: 'relaxed', threads: 1, why: { 'relaxed-dot': 'the binary given is relaxed', 'simd': 'the binary given is relaxed' } });
});

test('a build by its name, and the one whose bits are the same everywhere', async () => {
  assert.equal(await backendOf({ deterministic: true }), { build: 'simd', threads: 1, why: { 'relaxed-dot': 'deterministic was asked for', 'relaxed': 'deterministic was asked for' } });
  assert.equal(await backendOf({ build: 'relaxed' }), { build: 'relaxed', threads: 1, why: { 'relaxed-dot': 'relaxed was asked for', 'simd': 'relaxed was asked for' } });
  assert.is((await backendOf({ build: 'simd', deterministic: true })).build, 'simd');
  assert.is((await backendOf({ wasm: bytes, deterministic: true })).build, 'simd');
});

test('what can not be asked for', async () => {
  await refused({ build: 'fast' as 'simd' }, 'wasm/build');
  await refused({ build: 'relaxed', deterministic: true }, 'wasm/build');
  await refused({ build: 'relaxed', wasm: bytes }, 'wasm/build');
  await refused({ deterministic: true, wasm: bytesOf('relaxed') }, 'wasm/build');
});

test('an engine without relaxed SIMD takes simd; what it was asked for by name it refuses', async () => {
  const { validate } = WebAssembly;
  WebAssembly.validate = (probe) => !new Uint8Array(probe as ArrayBuffer).includes(0x02, 25) && validate(probe); // relaxed instructions end in 0x02
  try {
    assert.equal(await backendOf(), { build: 'simd', threads: 1, why: { 'relaxed-dot': 'this engine has no relaxed SIMD', 'relaxed': 'this engine has no relaxed SIMD' } });
    for (const build of ['relaxed', 'relaxed-dot'] as const) await refused({ build }, 'wasm/build');
  } finally {
    WebAssembly.validate = validate;
  }
});

test('only what is taken is read', async () => {
  const { folder, asked, close } = await served({ 'simd.wasm': bytes, 'relaxed.wasm': bytesOf('relaxed'), 'relaxed-dot.wasm': bytesOf('relaxed-dot') });
  try {
    const { build } = await backendOf({ wasm: folder });
    assert.equal(asked, build === 'relaxed-dot' ? ['relaxed-dot.wasm'] : ['relaxed-dot.wasm', 'relaxed.wasm']);
    asked.length = 0;
    await backendOf({ wasm: folder, build: 'relaxed' });
    await backendOf({ wasm: folder, deterministic: true });
    assert.equal(asked, ['relaxed.wasm', 'simd.wasm']);
  } finally {
    close();
  }
});

test('a build that computes wrongly makes way for the next, and is not read again', async () => {
  const { folder, asked, close } = await served({ 'simd.wasm': bytes, 'relaxed.wasm': bytesOf('relaxed'), 'relaxed-dot.wasm': doctored(bytesOf('relaxed-dot')) });
  try {
    for (const round of ['found out', 'remembered']) {
      const { build, why } = await backendOf({ wasm: folder });
      assert.is(build, 'relaxed', round);
      assert.match(why['relaxed-dot']!, /^The kernels compute wrongly on this engine: matmul, 1 row, expected -?\d+, found /);
      assert.is(why['simd'], 'relaxed is faster');
      reopen();
    }
    assert.equal(asked, ['relaxed-dot.wasm', 'relaxed.wasm', 'relaxed.wasm']);
    await refused({ wasm: folder, build: 'relaxed-dot' }, 'wasm/self-test');
  } finally {
    close();
  }
});

test('products that go wrong only after the kernels are warm are found, too', async () => {
  let calls = 0;
  const tired = (kernel: (...args: number[]) => unknown, memory: WebAssembly.Memory) => (...args: number[]): void => {
    kernel(...args);
    if (++calls > 100) new Uint32Array(memory.buffer, args[0])[0]! ^= 1;
  };
  const { build, why } = await withKernel('matmulQuantized', tired, () => backendOf());
  assert.is(build, 'simd'); // its test asks for no such product
  assert.match(why['relaxed']!, /gave other bits once it was compiled for speed/);
  assert.match(why['relaxed-dot']!, /gave other bits once it was compiled for speed|matmulQuantized of Q4_0, 1 row, expected/); // Node 20 computes its products wrongly from the start
});

test('a kernel that stops is a kernel that computes wrongly', async () => {
  const stopping = () => (): never => { throw new WebAssembly.RuntimeError('unreachable'); };
  const { message } = await withKernel('matmul', stopping, () => refused({ build: 'relaxed' }, 'wasm/self-test'));
  assert.match(message, /matmul, 1 row, stopped: RuntimeError: unreachable/);
});

test('binaries that are missing make way for those that are there', async () => {
  const { folder, close } = await served({ 'simd.wasm': bytes });
  try {
    const { build, why } = await backendOf({ wasm: folder });
    assert.is(build, 'simd');
    assert.match(why['relaxed']!, /relaxed\.wasm/);
    await refused({ wasm: folder, build: 'relaxed' }, 'wasm/not-found');
    await refused({ wasm: `${folder}nowhere/` }, 'wasm/not-found');
  } finally {
    close();
  }
});

test('what was found out is kept for the device; what somebody else wrote there counts as nothing', async () => {
  const { build } = await backendOf();
  const [[key, findings]] = Object.entries(JSON.parse(readFileSync(kept, 'utf8')) as Record<string, Record<string, unknown>>) as [[string, Record<string, unknown>]];
  assert.ok(key.includes(process.versions.node), key);
  assert.is(findings[build], null);

  // A pass is taken at its word: the long test isn't done again.
  let calls = 0;
  const counted = (kernel: (...args: number[]) => unknown) => (...args: number[]): unknown => { calls++; return kernel(...args); };
  reopen();
  assert.is((await withKernel('matmulQuantized', counted, () => backendOf())).build, build);
  assert.is(calls, 0);

  // So is a failure, of this very engine and these very kernels alone.
  writeFileSync(kept, JSON.stringify({ [key]: { [build]: 'for a test' }, other: { simd: 'no' } }));
  reopen();
  assert.is((await backendOf()).why[build], 'for a test');
  for (const text of ['', '{', '[]', '3', JSON.stringify({ [key]: 5 }), JSON.stringify({ [key]: { [build]: {} } })]) {
    writeFileSync(kept, text);
    reopen();
    assert.is((await backendOf()).build, build, text);
  }
});

test('where nothing can be kept, all is found out anew', async () => {
  process.env['LORIKEET_CACHE'] = join(ROOT, 'package.json'); // no folder
  try {
    const { build } = await backendOf();
    reopen();
    assert.is((await backendOf()).build, build);
  } finally {
    process.env['LORIKEET_CACHE'] = cache;
  }
});

test('that are not there', async () => { await refused({ wasm: new URL(`file://${ROOT}build/none.wasm`) }, 'wasm/not-found'); });

test('that are something else, or cut', async () => {
  await refused({ wasm: new TextEncoder().encode('<!doctype html>') }, 'wasm/invalid');
  await refused({ wasm: bytes.subarray(0, bytes.length >> 1) }, 'wasm/invalid');
});

test('that compute wrongly', async () => { await refused({ wasm: doctored(bytes) }, 'wasm/self-test'); });

test('under a limit of memory that can not be', async () => {
  for (const memoryLimit of [0, -1, 65536, 2 ** 33, 1e5 + 0.5, NaN]) await refused({ memoryLimit }, 'memory/limit');
});

test.run();
