import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { fuzz } from './fuzz.js';

const bounded = suite('fuzz (bounded; `node build/js/tests/formats/fuzz.js` runs a million)');

bounded('40,000 mutations end in a sound header or a typed error', async () => {
  const { accepted, codes } = await fuzz(40_000, 2);
  // The run reaches what it is for: sound files, and every rule behind the first checks.
  assert.ok(accepted > 10_000, `${accepted} accepted`);
  for (const rule of ['bad-entry', 'bad-dtype', 'bad-shape', 'bad-offsets', 'count-overflow', 'misaligned', 'offsets-reversed', 'wrong-size', 'offset-beyond-file', 'overlap', 'hole', 'trailing-bytes', 'metadata-not-string', 'duplicate-key', 'nan', 'nesting', 'header-not-utf8', 'header-not-json', 'header-start', 'header-too-short', 'header-too-large', 'header-beyond-file']) {
    assert.ok((codes.get(`safetensors/${rule}`) ?? 0) > 0, rule);
  }
});
bounded.run();
