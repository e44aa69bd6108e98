// The files of the language models that are measured: what `npm run models` gets, and the same in Q8_0, made of it.
import { existsSync, renameSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));

export const FORMATS = ['Q4_1', 'Q8_0'];

/** The path of SmolLM2-135M-Instruct in a format; got or made if it isn't there. */
export function modelFile(format) {
  const path = format === 'Q4_1' && process.env.LORIKEET_SMOLLM2 ? process.env.LORIKEET_SMOLLM2 : `${root}build/models/SmolLM2-135M-Instruct-${format}.gguf`;
  if (existsSync(path)) return path;
  if (format === 'Q4_1') run(['scripts/models/get-smollm2.mjs', path]);
  else {
    run(['bin/lorikeet.mjs', 'quantize', modelFile('Q4_1'), `${path}.part`, '--type', format.toLowerCase()]);
    renameSync(`${path}.part`, path);
  }
  return path;
}

function run(args) {
  const done = spawnSync(process.execPath, args, { cwd: root, stdio: ['ignore', 2, 2] });
  if (done.status !== 0) throw new Error(`node ${args.join(' ')} ended with code ${done.status}: see above.`);
}
