// Loading a base model from a file: how fast, and how much memory it takes at the peak. Run in a process of its own, since the system tells only the process's peak.
import { closeSync, mkdtempSync, openSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { modelConfig, modelTensors, safetensorsHeader, weights } from './synthetic.mjs';

/** Writes a model of the shape of SmolLM2-135M to a folder of the system's, piece by piece. */
export function writeModel(dtype, layers) {
  const folder = mkdtempSync(join(tmpdir(), 'lorikeet-bench-'));
  const shape = { layers, vocab: 8192 };
  writeFileSync(join(folder, 'config.json'), JSON.stringify(modelConfig(shape)));
  const { bytes, data } = safetensorsHeader(modelTensors(shape), dtype);
  const file = openSync(join(folder, 'model.safetensors'), 'w');
  writeSync(file, bytes);
  const piece = weights(2 ** 22, dtype);
  for (let left = data; left > 0; left -= piece.length) writeSync(file, piece, 0, Math.min(left, piece.length));
  closeSync(file);
  return folder;
}

export const removeModel = (folder) => rmSync(folder, { recursive: true, force: true });

/** @returns bytes: of the file; of the linear memory; the most of ArrayBuffers beside it; and how far the process's resident set grew at the peak */
export async function baseLoading({ folder }) {
  const { createRuntime } = await import('../../build/js/src/arena/runtime.js');
  const { loadModel } = await import('../../build/js/src/models/model.js');
  const runtime = await createRuntime();
  const file = statSync(join(folder, 'model.safetensors')).size;
  globalThis.gc();
  const before = process.memoryUsage();
  let buffers = 0;
  const started = performance.now();
  await loadModel(runtime, folder, { onProgress: () => { buffers = Math.max(buffers, process.memoryUsage().arrayBuffers - before.arrayBuffers); } });
  const seconds = (performance.now() - started) / 1000;
  const resident = process.resourceUsage().maxRSS * 1024 - before.rss;
  const linear = runtime.memory.buffer.byteLength;
  return { file, linear, buffers, resident, perFile: (linear + buffers) / file, residentPerFile: resident / file, mbps: file / seconds / 1e6 };
}
