// The files of the language models that are measured: what `npm run models` gets, the same in Q8_0 and Q4_0, made of it, and the folder that transformers.js reads, where somebody made it.
import { existsSync, renameSync, rmSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));

export const FORMATS = ['Q4_1', 'Q8_0', 'Q4_0'];

/** The path of SmolLM2-135M-Instruct in a format; got or made if it isn't there. The embedding, which is the head too, is Q8_0 in all of them. */
export function modelFile(format) {
  const path = format === 'Q4_1' && process.env.LORIKEET_SMOLLM2 ? process.env.LORIKEET_SMOLLM2 : `${root}build/models/SmolLM2-135M-Instruct-${format}.gguf`;
  if (existsSync(path)) return path;
  if (!FORMATS.includes(format)) throw new Error(`no model file of the format ${format}`);
  if (format === 'Q4_1') {
    run(['scripts/models/get-smollm2.mjs', path]);
    return path;
  }
  const part = `${path}.part`;
  try {
    run(['build/js/src/cli/main.js', 'quantize', modelFile('Q4_1'), part, '--type', format.toLowerCase(), '--head-type', 'q8_0']);
    renameSync(part, path);
  } finally {
    rmSync(part, { force: true });
  }
  return path;
}

/** The model as ONNX, and how it is made where it is missing. */
export const ONNX = 'build/models/SmolLM2-135M-Instruct-ONNX';
export const missingOnnx = () => (existsSync(`${root}${ONNX}/onnx/model.onnx`) ? null : `no ${ONNX}: scripts/bench/onnx-model.py makes it`);

function run(args) {
  const done = spawnSync(process.execPath, args, { cwd: root, stdio: ['ignore', 2, 2] });
  if (done.status !== 0) throw new Error(`node ${args.join(' ')} ended with code ${done.status}: see above.`);
}
