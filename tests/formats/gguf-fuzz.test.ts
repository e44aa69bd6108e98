import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { fuzzGguf } from './fuzz-gguf.js';

const bounded = suite('fuzz of GGUF (bounded; `node build/js/tests/formats/fuzz-gguf.js` runs a million)');

bounded('30,000 mutations end in a sound header or a typed error', async () => {
  const { accepted, codes } = await fuzzGguf(30_000, 2);
  // The run reaches what it is for: sound files, and every rule behind the first checks.
  assert.ok(accepted > 3_000, `${accepted} accepted`);
  for (const rule of ['magic', 'big-endian', 'version', 'truncated', 'count-beyond-file', 'string-beyond-file', 'not-utf8', 'duplicate-key', 'value-type', 'bad-bool', 'array-beyond-file', 'alignment', 'duplicate-tensor', 'too-many-dimensions',
    'empty-dimension', 'count-overflow', 'tensor-type', 'partial-block', 'misaligned', 'offset-beyond-file', 'overlap', 'missing-key', 'key-type']) {
    assert.ok((codes.get(`gguf/${rule}`) ?? 0) > 0, rule);
  }
  for (const code of ['model/unsupported', 'adapter/gguf-kind', 'adapter/architecture']) assert.ok((codes.get(code) ?? 0) > 0, code);
});
bounded.run();
