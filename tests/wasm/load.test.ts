import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createRuntime, isLorikeetError, type WasmSource } from '../../src/index.js';
import { ROOT } from '../models/golden.js';

// The kernels from every kind of source, and what is said where they can't be had. (An engine without SIMD: tests/browser/no-simd.test.ts.)

const bytes = readFileSync(`${ROOT}build/simd.wasm`);
const refused = async (wasm: WasmSource, code: string): Promise<void> => {
  const error: unknown = await createRuntime({ wasm }).then(() => null, (found: unknown) => found);
  assert.ok(isLorikeetError(error, code), `expected ${code}, got ${String(error)}`);
};

const test = suite('kernels');

test('from beside the code, an address, bytes or a compiled module', async () => {
  const sources: (WasmSource | undefined)[] = [undefined, new URL(`file://${ROOT}build/simd.wasm`), `file://${ROOT}build/simd.wasm`, bytes, new Uint8Array(bytes).buffer, await WebAssembly.compile(bytes)];
  for (const wasm of sources) assert.ok((await createRuntime({ wasm })).kernels.heapBase() > 0);
});

test('that are not there', () => refused(new URL(`file://${ROOT}build/none.wasm`), 'wasm/not-found'));

test('that are something else, or cut', async () => {
  await refused(new TextEncoder().encode('<!doctype html>'), 'wasm/invalid');
  await refused(bytes.subarray(0, bytes.length >> 1), 'wasm/invalid');
});

test('that compute wrongly', async () => {
  // Every f32x4.mul (fd e6 01) becomes an f32x4.add (fd e4 01): a valid binary of the same length.
  const wrong = new Uint8Array(bytes);
  let changed = 0;
  for (let i = 0; i + 2 < wrong.length; i++) {
    if (wrong[i] !== 0xfd || wrong[i + 1] !== 0xe6 || wrong[i + 2] !== 0x01) continue;
    wrong[i + 1] = 0xe4;
    changed++;
  }
  assert.ok(changed > 0);
  await refused(wrong, 'wasm/self-test');
});

test('under a limit of memory that can not be', async () => {
  for (const memoryLimit of [0, -1, 65536, 2 ** 33, 1e5 + 0.5, NaN]) {
    const error: unknown = await createRuntime({ memoryLimit }).then(() => null, (found: unknown) => found);
    assert.ok(isLorikeetError(error, 'memory/limit'), `${memoryLimit}: ${String(error)}`);
  }
});

test.run();
