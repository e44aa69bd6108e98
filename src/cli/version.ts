import { readFileSync } from 'node:fs';

/** Where the build's folder lies from this file: set by the build, as for the kernels. */
declare const WASM_DIRECTORY: string;

/** The version of the package, from the package.json above the build's folder. */
export function version(): string {
  const { version: found } = JSON.parse(readFileSync(new URL(`${WASM_DIRECTORY}../package.json`, import.meta.url), 'utf8')) as { version: string };
  return found;
}
