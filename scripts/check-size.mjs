// Prints what the package weighs and fails above its budget: bytes of each file, and as a server sends it (gzip).
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../build/', import.meta.url));
const BUDGET = { 'simd.wasm': [96_000, 40_000], 'lorikeet.js': [330_000, 95_000], 'cli.js': [400_000, 120_000] };
let over = false;
for (const [file, [bytes, gzip]] of Object.entries(BUDGET)) {
  const content = readFileSync(`${root}${file}`);
  const packed = gzipSync(content, { level: 9 }).length;
  over ||= content.length > bytes || packed > gzip;
  console.log(`${file.padEnd(12)} ${content.length} of ${bytes} bytes, gzip ${packed} of ${gzip}`);
}
process.exit(over ? 1 : 0);
