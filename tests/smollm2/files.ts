import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The project's root. */
export const root = fileURLToPath(new URL('../../../../', import.meta.url));
export const adapters = `${root}adapters/smollm2/`;
export const adapterNames = ['pirate', 'ghost', 'intents'] as const;

/** SmolLM2-135M-Instruct as a GGUF of Q4_1, or null with a line that says it is missing. */
export const gguf = there('SmolLM2-135M-Instruct, Q4_1', process.env['LORIKEET_SMOLLM2'] ?? `${root}build/models/SmolLM2-135M-Instruct-Q4_1.gguf`, 'npm run models gets it');

/** The same dequantised, a folder, or null with a line that says it is missing. */
export const folder = there('SmolLM2-135M-Instruct, dequantised', process.env['LORIKEET_SMOLLM2_FOLDER'] ?? `${root}build/models/SmolLM2-135M-Instruct`, 'scripts/models/dequantize.py makes it of the GGUF');

export const golden = <T>(file: string): T => JSON.parse(readFileSync(`${root}tests/golden/smollm2/${file}`, 'utf8')) as T;
export const text = (): string => readFileSync(`${root}tests/golden/smollm2/text.txt`, 'utf8');

function there(what: string, path: string, advice: string): () => string | null {
  return () => {
    if (existsSync(path)) return path;
    console.log(`SKIP: ${what} is not at ${path}; ${advice}`);
    return null;
  };
}
