// Prints what the package weighs and fails above its budget: bytes of each file, and as a server sends it (gzip); the demo model with its adapters, which every clone carries.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../', import.meta.url));
const BUDGET = { 'simd.wasm': [96_000, 40_000], 'lorikeet.js': [330_000, 95_000], 'cli.js': [400_000, 120_000] };
const DEMO = ['models', 'adapters'];
const DEMO_BUDGET = 8_000_000;
let over = false;
for (const [file, [bytes, gzip]] of Object.entries(BUDGET)) {
  const content = readFileSync(`${root}build/${file}`);
  const packed = gzipSync(content, { level: 9 }).length;
  over ||= content.length > bytes || packed > gzip;
  console.log(`${file.padEnd(12)} ${content.length} of ${bytes} bytes, gzip ${packed} of ${gzip}`);
}
const demo = DEMO.reduce((sum, folder) => sum + weightOf(`${root}${folder}`), 0);
over ||= demo > DEMO_BUDGET;
console.log(`${'demo model'.padEnd(12)} ${demo} of ${DEMO_BUDGET} bytes`);
process.exit(over ? 1 : 0);

function weightOf(path) {
  if (!statSync(path).isDirectory()) return statSync(path).size;
  return readdirSync(path).reduce((sum, name) => sum + weightOf(`${path}/${name}`), 0);
}
