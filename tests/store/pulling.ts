// What the tests of pulling share: a hub with some repositories, and a cache that is new for each test.
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { isLorikeetError, type LorikeetError } from '../../src/errors.js';
import type { PullOptions } from '../../src/store/hub.js';
import { HubServer, type Fault } from './hub-server.js';

export const error = async (run: () => unknown): Promise<LorikeetError> => {
  try { await run(); } catch (e) { if (isLorikeetError(e)) return e; throw e; }
  return assert.unreachable('no error') as never;
};
export const code = async (run: () => unknown): Promise<string> => (await error(run)).code;
export const bytesOf = (length: number, seed: number): Uint8Array => Uint8Array.from({ length }, (_, i) => Math.imul(i + seed, 2654435761) >>> 24);
export const text = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));
export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

export const hub = new HubServer();
export const root = mkdtempSync(join(tmpdir(), 'lorikeet-pull-'));
export let cache = '';
let count = 0;
export const A = 'a'.repeat(40);
export const B = 'b'.repeat(40);
export const weights = bytesOf(600_000, 1);
export const gguf = bytesOf(300_000, 2);
export const options = (more: PullOptions = {}): PullOptions => ({ cache, endpoint: hub.endpoint, token: '', patience: { firstWaitMs: 1, idleMs: 5000, retries: 3 }, ...more });
export const at = (...path: string[]): string => join(cache, ...path);
/** Files of the cache, locks and all. */
export const files = (folder = cache): string[] => (existsSync(folder) ? readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => entry.name).sort() : []);
export const noLitter = (): void => assert.equal(files().filter((name) => /\.(?:part|lock|linked)\b/.test(name)), []);
/** A fault of the first attempts at one file. */
export const onFile = (file: string, ...faults: Fault[]): void => { hub.fault = (path, attempt) => (path.endsWith(`/${file}`) ? faults[attempt] ?? null : null); };

export const MODEL = { 'config.json': text({ model_type: 'llama' }), 'generation_config.json': text({}), 'tokenizer.json': text({ a: 1 }), 'tokenizer_config.json': text({}), 'chat_template.jinja': Buffer.from('{{ x }}'),
  'model.safetensors': weights, 'pytorch_model.bin': bytesOf(10, 3), 'README.md': Buffer.from('#'), 'onnx/model.onnx': bytesOf(10, 4), 'consolidated.safetensors': bytesOf(10, 5), '.gitattributes': Buffer.from('x') };

export const before = async (): Promise<void> => {
  await hub.start();
};
export const reset = (): void => {
  hub.calm();
  cache = join(root, String(count++));
  for (const id of Object.keys(hub.repositories)) delete hub.repositories[id];
  hub.repositories['someone/small'] = { commit: A, files: { ...MODEL } };
  hub.repositories['someone/voice'] = { commit: B, files: { 'adapter_config.json': text({ r: 8 }), 'adapter_model.safetensors': bytesOf(5000, 6), 'README.md': Buffer.from('#'), 'adapter_model.bin': bytesOf(5, 1) } };
  hub.repositories['someone/one-gguf'] = { commit: A, files: { 'model-Q4_1.gguf': gguf, 'README.md': Buffer.from('#') } };
  hub.repositories['someone/many-gguf'] = { commit: A, files: { 'm-Q4_0.gguf': gguf, 'm-Q8_0.gguf': bytesOf(1000, 8), 'sub/m-Q8_0-x.gguf': bytesOf(1000, 9) } };
  hub.plain['file.gguf'] = { bytes: gguf, etag: '"1"' };
};
export const after = (): void => {
  hub.stop();
  rmSync(root, { recursive: true, force: true });
};
