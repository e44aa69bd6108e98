// Prints what the package weighs and fails above its budget: bytes of each file, and as a server sends it (gzip); the demo model with its adapters, which every clone carries.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../', import.meta.url));
const BINARY = [124_000, 38_000];
/** Both of what makes a binary large. */
const RELAXED_THREADS = [128_000, 38_000];
/** An app loads one of the binaries. */
const BUDGET = { ...Object.fromEntries(['simd', 'relaxed', 'relaxed-dot'].flatMap((build) => [build, `${build}-threads`]).map((name) => [`${name}.wasm`, BINARY])), 'relaxed-threads.wasm': RELAXED_THREADS, 'relaxed-dot-threads.wasm': RELAXED_THREADS, 'simd.wasm': [112_000, 36_000], 'thread.js': [1_000, 600], 'lorikeet.js': [400_000, 132_000], 'cli.js': [480_000, 162_000] };
/** What every clone carries: the demo with its voices, and the adapters of SmolLM2, of which the package holds none. */
const FOLDERS = { demo: [['models', 'adapters/pirate', 'adapters/herald', 'adapters/ghost', 'adapters/goblin', 'adapters/automaton'], 8_000_000], smollm2: [['adapters/smollm2'], 6_000_000] };
let over = false;
for (const [file, [bytes, gzip]] of Object.entries(BUDGET)) {
  const content = readFileSync(`${root}build/${file}`);
  const packed = gzipSync(content, { level: 9 }).length;
  over ||= content.length > bytes || packed > gzip;
  console.log(`${file.padEnd(25)} ${content.length} of ${bytes} bytes, gzip ${packed} of ${gzip}`);
}
for (const [name, [folders, limit]] of Object.entries(FOLDERS)) {
  const bytes = folders.reduce((sum, folder) => sum + weightOf(`${root}${folder}`), 0);
  over ||= bytes > limit;
  console.log(`${name.padEnd(25)} ${bytes} of ${limit} bytes`);
}
process.exit(over ? 1 : 0);

function weightOf(path) {
  if (!statSync(path).isDirectory()) return statSync(path).size;
  return readdirSync(path).reduce((sum, name) => sum + weightOf(`${path}/${name}`), 0);
}
