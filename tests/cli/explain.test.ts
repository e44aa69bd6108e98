import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { escapeName, escapeText, safeJson } from '../../src/cli/escape.js';
import { explain } from '../../src/cli/explain.js';
import { nearest } from '../../src/cli/nearest.js';
import { LorikeetError } from '../../src/errors.js';

const explaining = suite('explain');
explaining('expected and found are added where the sentence lacks them', () => {
  assert.equal(explain(new LorikeetError('a/b', 'It is wrong.', { expected: [1, 2], found: 3 })), ['lorikeet: It is wrong. [a/b]', '  expected: 1, 2']);
  assert.equal(explain(new LorikeetError('a/b', 'Wrong.', { expected: [1, 2], found: 3 })), ['lorikeet: Wrong. [a/b]', '  expected: 1, 2', '  found: 3']);
  assert.equal(explain(new LorikeetError('a/b', 'The size expected 1, 2, got 3.', { expected: [1, 2], found: 3 })), ['lorikeet: The size expected 1, 2, got 3. [a/b]']);
});
explaining('no words of the engine: memory, files, defects', () => {
  const errno = (code: string): Error => Object.assign(new Error(`${code}: no such file or directory, open 'x'`), { code, syscall: 'open', path: 'x\u001b' });
  assert.equal(explain(errno('ENOSPC')), ['lorikeet: "x\\u001b" can\'t be used: the disk is full. [store/unreadable]']);
  for (const error of [new RangeError('Array buffer allocation failed'), new RangeError('WebAssembly.Memory(): could not allocate memory'), new RangeError('Invalid typed array length: 99')]) {
    assert.match(explain(error)[0]!, /memory.*\[memory\/exhausted\]$/);
  }
  for (const error of [new TypeError("Cannot read properties of undefined (reading 'x')"), new WebAssembly.RuntimeError('unreachable'), new RangeError('Maximum call stack size exceeded'), 'text', undefined, null]) {
    assert.equal(explain(error).length, 1);
    assert.match(explain(error)[0]!, /^lorikeet: Something went wrong inside lorikeet.*\[cli\/internal\]$/);
  }
});
explaining('a message of megabytes is cut', () => assert.ok(explain(new LorikeetError('a/b', 'x'.repeat(1e7)))[0]!.length < 2000));
explaining('the stack is told when asked for, with its causes', () => {
  const lines = explain(new LorikeetError('a/b', 'Wrong.', { cause: new Error('below') }), true);
  assert.ok(lines.some((line) => line.includes('    at ')));
  assert.ok(lines.some((line) => line.includes('below')));
});
explaining.run();

const escaping = suite('escape');
escaping('names lose everything invisible, and are cut between code points', () => {
  assert.is(escapeName('a\u001b[0m\n\t\u007f\u0085\u202e\u2067\u200d\ufeff\u{e0041}\ud800\u2028é漢😀'), 'a\\u{1b}[0m\\u{a}\\u{9}\\u{7f}\\u{85}\\u{202e}\\u{2067}\\u{200d}\\u{feff}\\u{e0041}\\u{d800}\\u{2028}é漢😀');
  assert.is(escapeName('😀'.repeat(9), 3), '😀😀😀…');
  assert.is(escapeName('abc', 3), 'abc');
});
escaping('text keeps its lines, tabs and the joiners of emoji and scripts', () => {
  assert.is(escapeText('a\n\tb\r\u001b[2J\u202e\u009b'), 'a\n\tb\\u{d}\\u{1b}[2J\\u{202e}\\u{9b}');
  assert.is(escapeText('👩‍👩‍👧 می‌خواهم'), '👩‍👩‍👧 می‌خواهم');
});
escaping('JSON stays the same value', () => {
  const value = { 'k\u202e': ['\u009b\u001b\u2028😀\u{e0041}', 1] };
  const text = safeJson(value);
  assert.match(text, /^[ -~😀]*$/u);
  assert.equal(JSON.parse(text), value);
});
escaping.run();

const near = suite('nearest');
near('a slip of two letters at most', () => {
  const known = ['tokens', 'temperature', 'top-k', 'out'];
  assert.is(nearest('token', known), 'tokens');
  assert.is(nearest('tempreature', known), 'temperature');
  assert.is(nearest('temp', known), 'temperature');
  assert.is(nearest('xyz', known), undefined);
  assert.is(nearest('o', known), undefined);
});
near.run();
