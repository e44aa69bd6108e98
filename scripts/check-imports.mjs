// The import rule of ARCHITECTURE.md ("Rooms"): a room imports only what its row allows. Reads esbuild's metafile, so that it sees what is really bundled.
import { build } from 'esbuild';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const table = /\| room \| holds \| may import \|\n\|[-|]+\|\n((?:\|.*\n)+)/.exec(readFileSync(`${root}ARCHITECTURE.md`, 'utf8'))?.[1] ?? '';
/** Room → the rooms that its row names. */
const named = new Map();
for (const row of table.trim().split('\n')) {
  const [rooms, , imports] = row.split('|').slice(1).map((cell) => cell.trim());
  for (const [, room] of rooms.matchAll(/`src\/([a-z]+)(?:\.ts|\/)?`/g)) named.set(room, imports.split(/[^a-z]+/).filter(Boolean));
}
if (named.size < 10) fail('The table of rooms in ARCHITECTURE.md was not found.');

/** What a room may import: what its row names, and whatever that may import. */
const allowed = (room, seen = new Set()) => {
  for (const next of named.get(room) ?? []) if (named.has(next) && !seen.has(next)) allowed(next, seen.add(next));
  return seen;
};
const { metafile: { inputs } } = await build({ absWorkingDir: root, entryPoints: ['src/index.ts', 'src/cli/main.ts', 'src/demo/main.ts'], outdir: 'build', bundle: true, write: false, metafile: true,
  format: 'esm', platform: 'neutral', mainFields: ['module', 'main'], external: ['node:*'] });
const roomOf = (path) => /^src\/([a-z]+)(?:\/|\.ts$)/.exec(path)?.[1];
const wrong = [];
let arrows = 0;
for (const [file, { imports }] of Object.entries(inputs)) {
  const from = roomOf(file);
  if (!from || from === 'index') continue;
  if (!named.has(from)) wrong.push(`${file}: the room "${from}" has no row in ARCHITECTURE.md`);
  for (const { path } of imports) {
    const to = roomOf(path);
    if (!to || to === from) continue;
    arrows++;
    if (!allowed(from).has(to)) wrong.push(`${file} → ${path}: "${from}" may not import "${to}"`);
  }
}
if (arrows === 0) fail('No import was found.');
if (wrong.length > 0) fail(wrong.join('\n'));
console.log(`${arrows} imports between rooms, all one way`);

function fail(text) {
  console.error(text);
  process.exit(1);
}
