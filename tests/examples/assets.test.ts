import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ROOT } from '../models/golden.js';
import { runScript } from './run-script.js';

const assets = suite('assets of the examples');

assets('are what their script writes, byte for byte', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tiles-'));
  try {
    const { code, stderr } = await runScript('scripts/examples/make-tiles.mjs', [folder], { from: ROOT });
    assert.is(code, 0, stderr);
    const files = (readdirSync(folder, { recursive: true }) as string[]).filter((name) => name.includes('.')).sort();
    assert.equal(files.length, 6);
    for (const file of files) assert.ok(readFileSync(join(folder, file)).equals(readFileSync(join(ROOT, 'examples/assets', file))), file);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

assets.run();
