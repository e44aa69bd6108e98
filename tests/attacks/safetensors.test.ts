import { readdirSync, readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { LorikeetError } from '../../src/errors.js';
import { readHeader } from '../../src/formats/safetensors.js';
import { openFile } from '../../src/store/index.js';

const FOLDER = 'tests/attacks/safetensors';
const manifest = JSON.parse(readFileSync(`${FOLDER}/manifest.json`, 'utf8')) as Record<string, string>;

async function codeOf(from: string | Uint8Array): Promise<string> {
  const source = await openFile(from);
  try {
    await readHeader(source);
    return 'none';
  } catch (error) {
    if (!(error instanceof LorikeetError)) throw error;
    assert.match(error.message, /^[A-Z0-9"].{10,}\.$/, 'a sentence'); // what and where; the numbers differ
    assert.not.match(error.message, /undefined|\[object|NaN bytes/);
    return error.code;
  } finally {
    await source.close();
  }
}

const attacks = suite('attacks on safetensors');
for (const [name, code] of Object.entries(manifest)) {
  attacks(`${name}: ${code}`, async () => {
    assert.is(await codeOf(`${FOLDER}/${name}`), code);
    assert.is(await codeOf(readFileSync(`${FOLDER}/${name}`)), code);
  });
}

attacks('the folder is what its script writes', async () => {
  const script = (await import(new URL('make-safetensors.mjs', `file://${process.cwd()}/tests/attacks/`).href)) as { attacks: Record<string, [string, Uint8Array]>; manifest: Record<string, string> };
  assert.equal(script.manifest, manifest);
  assert.equal(readdirSync(FOLDER).sort(), ['manifest.json', ...Object.keys(manifest)].sort());
  for (const [name, [, content]] of Object.entries(script.attacks)) assert.ok(Buffer.from(content).equals(readFileSync(`${FOLDER}/${name}.safetensors`)), name);
  assert.ok(Object.keys(manifest).length >= 35);
});

attacks('every rule of the format is broken by a file', () => {
  const broken = new Set(Object.values(manifest));
  const rules = ['header-too-short', 'header-too-large', 'header-beyond-file', 'header-start', 'header-not-utf8', 'header-not-json', 'nan', 'nesting', 'duplicate-key', 'bad-entry', 'bad-dtype', 'bad-shape',
    'count-overflow', 'misaligned', 'bad-offsets', 'offsets-reversed', 'wrong-size', 'offset-beyond-file', 'overlap', 'hole', 'trailing-bytes', 'metadata-not-string'];
  assert.equal([...broken].sort(), rules.map((rule) => `safetensors/${rule}`).sort());
});

attacks.run();
