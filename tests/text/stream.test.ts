import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { TextStream } from '../../src/text/stream.js';
import { createTokenizer } from '../../src/text/tokenizer.js';
import { ROOT } from '../models/golden.js';

const tokenizer = createTokenizer(readFileSync(`${ROOT}models/tavern/tokenizer.json`, 'utf8'), readFileSync(`${ROOT}models/tavern/tokenizer_config.json`, 'utf8'));
/** The pieces of a text whose ids arrive one by one; the last is what `end` gives. */
const pieces = (text: string, stops: readonly string[] = []): { told: string[]; stopped: boolean } => {
  const stream = new TextStream(tokenizer, stops);
  const told: string[] = [];
  for (const id of tokenizer.encode(text, false)) {
    if (stream.stopped) break;
    told.push(stream.push(id));
  }
  told.push(stream.end());
  return { told, stopped: stream.stopped };
};

const test = suite('text stream');

test('gives the text of the whole', () => {
  for (const text of ['Where is the treasure?', '  two  spaces ', 'line\nline', 'é ü 漢字 🦜 👩‍👩‍👧', 'a']) assert.is(pieces(text).told.join(''), text);
});

test('breaks no character, though a token may hold a part of one', () => {
  const { told } = pieces('🦜漢é🦜');
  assert.ok(told.length > 5, 'the tokenizer has no token for any of these');
  for (const piece of told) assert.not.match(piece, /\uFFFD/);
});

test('ends at a stop text, which is not told, even where it spans tokens or pieces', () => {
  for (const stop of ['treasure', 'is the', 'e is', 'W']) {
    const text = 'Where is the treasure?';
    const { told, stopped } = pieces(text, ['never', stop]);
    assert.ok(stopped);
    assert.is(told.join(''), text.slice(0, text.indexOf(stop)));
  }
});

test('what only began like a stop text is told in the end', () => {
  assert.is(pieces('Where is the treas', ['treasure']).told.join(''), 'Where is the treas');
  assert.is(pieces('treasury', ['treasure']).stopped, false);
});

test.run();
