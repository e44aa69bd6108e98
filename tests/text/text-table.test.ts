import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { GgufStrings } from '../../src/formats/gguf-strings.js';
import { encodeTexts, indexOf, isEncodedTexts, type EncodedTexts } from '../../src/text/text-table.js';

/** Texts as a GGUF has them, each behind eight bytes that say how long it is. */
function inFile(texts: readonly (string | readonly number[])[]): EncodedTexts {
  const bytes = texts.map((text) => (typeof text === 'string' ? Buffer.from(text) : Buffer.from(text)));
  let end = 0;
  const ends = Uint32Array.from(bytes, ({ length }) => (end += 8 + length));
  return new GgufStrings(Buffer.concat(bytes.flatMap((text) => { const size = Buffer.alloc(8); size.writeUInt32LE(text.length); return [size, text]; })), ends);
}

const scripts = ['a', 'b', ' ', 'Ġ', 'é', '中', '한', '😀', '\u0800', '\uffff', '\u0000', '\ufeff', 'क्ष', '\u{10ffff}'];
const drawn = [...new Set(Array.from({ length: 4000 }, (_, i) => Array.from({ length: i % 19 }, (_, j) => scripts[(i * 7 + j * (i % 11) + ((i * j) >> 3)) % scripts.length]).join('')))];

const test = suite('texts found by their bytes');

test('every text at its place, and none that is not there', () => {
  for (const texts of [encodeTexts(drawn), inFile(drawn)]) {
    assert.ok(isEncodedTexts(texts));
    const index = indexOf(texts);
    assert.is(indexOf(texts), index);
    drawn.forEach((text, i) => {
      assert.is(index.find(text), i, JSON.stringify(text));
      assert.is(texts.at(i), text);
    });
    const known = new Set(drawn);
    for (const text of drawn) for (const other of [`${text}a`, text.slice(1), `x${text}`, text.toUpperCase()]) assert.is(index.find(other), known.has(other) ? drawn.indexOf(other) : -1, JSON.stringify(other));
    assert.is(index.find('a'.repeat(100_000)), -1);
  }
});

test('two texts with a space between them', () => {
  const index = indexOf(inFile(['a b', 'Ġt he', 'x', ' y', 'z ', '中 国']));
  for (const [left, right, place] of [['a', 'b', 0], ['Ġt', 'he', 1], ['', 'y', 3], ['z', '', 4], ['中', '国', 5], ['b', 'a', -1], ['x', '', -1]] as const) assert.is(index.find(left, right), place, `${left} ${right}`);
});

test('of equal texts the last, as in a Map', () => {
  assert.is(indexOf(inFile(['a', 'b', 'a', 'c'])).find('a'), 2);
});

test('what is not UTF-8 is found by the text that it decodes to', () => {
  const bytes = [[0xff, 0x61], [0xc3, 0x28], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xc0, 0x80], [0xe4, 0xb8], [0xf0, 0x8f, 0xbf, 0xbf]];
  const texts = inFile(['x', ...bytes, '\ufffd']);
  const decoder = new TextDecoder();
  const all = ['x', ...bytes.map((some) => decoder.decode(Uint8Array.from(some))), '\ufffd'];
  all.forEach((text, i) => {
    assert.is(texts.at(i), text);
    assert.is(indexOf(texts).find(text), all.lastIndexOf(text), `text ${i}`);
  });
  assert.is(indexOf(texts).find('\ud800'), all.length - 1); // a lone surrogate is U+FFFD in UTF-8
  assert.is(indexOf(texts).find('\ufffd\ufffd\ufffd\ufffd\ufffd'), -1);
});

test('none at all', () => {
  assert.is(indexOf(encodeTexts([])).find('a'), -1);
  assert.is(indexOf(encodeTexts([''])).find(''), 0);
});

test.run();
