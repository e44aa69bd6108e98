import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Digest } from './digest.js';

const test = suite('browser/digest');

/** FNV-1a as it is written down, a word at a time. */
function fnv(words: Uint32Array): string {
  let hash = 0xcbf29ce484222325n;
  for (const word of words) hash = ((hash ^ BigInt(word)) * 0x100000001b3n) & 0xffffffffffffffffn;
  return hash.toString(16).padStart(16, '0');
}

test('a digest is FNV-1a over words of 32 bits', () => {
  const words = Uint32Array.from({ length: 1000 }, (_, i) => Math.imul(i + 1, 0x9e3779b1) >>> 0);
  for (const length of [0, 1, 2, 1000]) assert.is(new Digest().add(words.subarray(0, length)).toString(), fnv(words.subarray(0, length)));
  assert.is(new Digest().add(words.subarray(0, 10)).add(words.subarray(10)).toString(), fnv(words));
});

test('one bit makes another digest, the sign of a zero too', () => {
  assert.is.not(new Digest().add(Float32Array.of(0, 1)).toString(), new Digest().add(Float32Array.of(-0, 1)).toString());
  assert.is.not(new Digest().add(Float32Array.of(0, 1)).toString(), new Digest().add(Float32Array.of(1, 0)).toString());
});

test.run();
