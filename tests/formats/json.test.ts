import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Json, JsonProblem, Numeral, parseJson, showJson } from '../../src/formats/json.js';

/** Maps back to plain objects, to hold against JSON.parse. */
const plain = (value: Json): unknown => (value instanceof Map ? Object.fromEntries([...value].map(([k, v]) => [k, plain(v as Json)])) : Array.isArray(value) ? value.map(plain) : value);
const ruleOf = (text: string, options = {}) => {
  try { parseJson(text, options); } catch (e) { if (e instanceof JsonProblem) return `${e.rule}@${e.offset}`; throw e; }
  return 'none';
};

const valid = suite('parseJson: valid texts');
for (const text of ['null', 'true', ' false ', '0', '-0', '1.5e3', '-12.25E-2', '""', '"a\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00"', '"é😀"', '[]', '[1,[2,[]],{}]', '{}', '{"a":1,"b":[true,null]}', '\t{\r\n"a" : 1 }\n', '{"":{"":""}}', '"\u007f\u2028\ufeff"']) {
  valid(text, () => assert.equal(plain(parseJson(text)), JSON.parse(text)));
}
valid('keys keep their order, and __proto__ is only a key', () => {
  assert.equal([...(parseJson('{"b":1,"7":2,"a":3,"__proto__":4}') as ReadonlyMap<string, Json>).keys()], ['b', '7', 'a', '__proto__']);
});
valid('counts stay numbers, the rest their spelling', () => {
  const numbers = parseJson('[0, 12, 9007199254740991, 9007199254740992, 1.0, 1e2, -0, -5]', { counts: true }) as readonly Json[];
  assert.equal(numbers.slice(0, 3), [0, 12, 2 ** 53 - 1]);
  assert.equal(numbers.slice(3).map((n) => (n as Numeral).token), ['9007199254740992', '1.0', '1e2', '-0', '-5']);
});
valid.run();

const refused = suite('parseJson: refused texts');
const table: readonly [string, string][] = [
  ['', 'syntax@0'], ['{', 'syntax@1'], ['[1', 'syntax@2'], ['[1,]', 'syntax@3'], ['{"a"}', 'syntax@4'], ['{"a":}', 'syntax@5'], ['{"a":1,}', 'syntax@7'], ['{a:1}', 'syntax@1'], ["'a'", 'syntax@0'],
  ['nul', 'syntax@0'], ['True', 'syntax@0'], ['tru', 'syntax@0'], ['01', 'trailing@1'], ['+1', 'syntax@0'], ['.5', 'syntax@0'], ['1.', 'trailing@1'], ['1e', 'trailing@1'], ['-', 'syntax@0'], ['0x10', 'trailing@1'],
  ['"', 'syntax@1'], ['"\\', 'syntax@1'], ['"\\x"', 'syntax@1'], ['"\\u12"', 'syntax@1'], ['"\\u12g4"', 'syntax@1'], ['"\t"', 'syntax@1'], ['"\u0000"', 'syntax@1'],
  ['"\\ud800"', 'syntax@7'], ['"\\ud800\\n"', 'syntax@7'], ['"\\ud800\\u0041"', 'syntax@7'], ['"\\udc00"', 'syntax@1'],
  ['1 2', 'trailing@2'], ['{}x', 'trailing@2'], ['[]]', 'trailing@2'], ['\ufeff{}', 'syntax@0'], ['\u00a01', 'syntax@0'],
  ['NaN', 'nan@0'], ['[Infinity]', 'nan@1'], ['-Infinity', 'nan@0'], ['nan', 'nan@0'], ['1e999', 'nan@0'],
  ['{"a":1,"a":2}', 'duplicate-key@7'], ['{"a":1,"\\u0061":2}', 'duplicate-key@7'], ['[{"a":{"b":1,"c":2,"b":3}}]', 'duplicate-key@19'],
];
for (const [text, rule] of table) refused(`${JSON.stringify(text)}: ${rule}`, () => assert.is(ruleOf(text), rule));
refused('nesting is bounded, whatever the length', () => {
  assert.is(ruleOf('[[[1]]]', { depth: 3 }), 'none');
  assert.is(ruleOf('[[[[1]]]]', { depth: 3 }), 'nesting@3');
  assert.is(ruleOf('['.repeat(1_000_000)), 'nesting@64');
  assert.is(ruleOf('{"a":'.repeat(100_000)), 'nesting@320');
});
refused('in counts mode too', () => {
  assert.is(ruleOf('[1e999]', { counts: true }), 'none');
  assert.is(ruleOf('[NaN]', { counts: true }), 'nan@1');
});
refused.run();

const shown = suite('showJson');
shown('is short and never fails', () => {
  assert.is(showJson(undefined), 'nothing');
  assert.is(showJson(null), 'null');
  assert.is(showJson('a'), '"a"');
  assert.is(showJson(new Numeral('-0')), '-0');
  assert.is(showJson(parseJson('{"a":1,"b":2}')), 'an object of 2 keys');
  assert.is(showJson(parseJson('[1,"a",[2]]')), '[1, "a", [2]]');
  assert.ok(showJson('x'.repeat(1000)).length < 90);
  assert.ok(showJson(parseJson(`[${'1,'.repeat(500)}1]`)).length < 90);
});
shown.run();
