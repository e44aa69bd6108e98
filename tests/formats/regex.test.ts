import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isLorikeetError } from '../../src/errors.js';
import { compileRegex, layerPattern, pathPattern, savedPattern } from '../../src/formats/peft.js';

type Judged = { full: number[]; match: Record<string, Record<string, string | null>> };
const golden = JSON.parse(readFileSync('tests/formats/regex-golden.json', 'utf8')) as { texts: string[]; refused: string[]; cases: Record<string, Judged | null> };
const refuses = (pattern: string) => { try { compileRegex(pattern); return false; } catch (e) { return isLorikeetError(e, 'adapter/config-regex'); } };

const python = suite('compileRegex: what Python says');
python('the same patterns are errors', () => {
  for (const [pattern, judged] of Object.entries(golden.cases)) assert.is(refuses(pattern), judged === null, pattern);
});
python('the same texts match in full, and from the start with the same named groups', () => {
  let compared = 0;
  for (const [pattern, judged] of Object.entries(golden.cases)) {
    if (judged === null) continue;
    const regex = compileRegex(pattern);
    assert.equal(golden.texts.flatMap((text, i) => (regex.fullmatch(text) ? [i] : [])), judged.full, `fullmatch of ${pattern}`);
    golden.texts.forEach((text, i) => {
      const theirs = judged.match[i];
      const ours = regex.match(text);
      const shown = `match of ${pattern} on ${JSON.stringify(text)}`;
      assert.is(ours !== null, theirs !== undefined, shown);
      if (ours && theirs) assert.equal(Object.fromEntries(Object.entries(ours).map(([name, value]) => [name, value ?? null])), theirs, shown);
      compared++;
    });
  }
  assert.ok(compared > 10_000);
});
python('what needs backtracking, or is not worth a reader, is refused', () => {
  for (const pattern of golden.refused) assert.ok(refuses(pattern), pattern);
});
python.run();

const bounded = suite('compileRegex: bounds');
bounded('patterns that blow up elsewhere are linear here', () => {
  const text = 'a'.repeat(20_000);
  assert.not.ok(compileRegex('(a+)+b').fullmatch(text));
  assert.not.ok(compileRegex('(a|a)*b').fullmatch(text));
  assert.not.ok(compileRegex('(.*)*x').fullmatch(text));
  assert.ok(compileRegex('(a?){30}a{30}').fullmatch('a'.repeat(30)));
  assert.not.ok(compileRegex(`${'(?=(?:a|a)*b)'.repeat(20)}.*`).fullmatch(text));
  assert.ok(compileRegex(`${'(?!'.repeat(61)}.*b${')'.repeat(61)}.*`).fullmatch(text));
  assert.ok(compileRegex('(?:(?=.*a)(?<!b)a)*').fullmatch(text));
  assert.ok(compileRegex(`(${'.*'.repeat(40)}){1,3}`).fullmatch(text.slice(0, 2000)));
});
bounded('size, depth and counts are bounded', () => {
  assert.ok(refuses('a{1000}{1000}'));
  assert.ok(refuses('((a{1000}){1000}){1000}'));
  assert.ok(refuses('(((a{100}){100}){100})'));
  assert.ok(refuses(`${'('.repeat(100)}a${')'.repeat(100)}`));
  assert.ok(refuses('('.repeat(100_000)));
  assert.ok(refuses('a'.repeat(10_000)));
  assert.not.ok(refuses(`${'('.repeat(60)}a${')'.repeat(60)}`));
  assert.not.ok(refuses(Array.from({ length: 500 }, (_, i) => `layer_${i}`).join('|')));
});
bounded.run();

const built = suite('the patterns that PEFT builds');
built('pathPattern: the shortcut for plain keys is the pattern', () => {
  const paths = ['q_proj', 'model.layers.0.self_attn.q_proj', 'xq_proj', 'a.bq_proj', 'layers.1.q_proj', 'layers.11.q_proj', 'layers.1xq_proj', '', '.', 'a.', '.q_proj', 'model.q-proj'];
  for (const key of ['layers\\.1\\.q_proj', 'model\\.q\\-proj', 'q\\_proj', '\\.', 'q_proj', '1.q_proj', 'layers.1.q_proj', '', '.', '..', 'q-proj', 'proj', 'self_attn.q_proj', 'model.layers.0.self_attn.q_proj', 'very.long.model.layers.0.self_attn.q_proj']) {
    const general = compileRegex(`(.*\\.)?(${key})$`);
    for (const path of paths) assert.is(pathPattern(key)(path), general.match(path) !== null, `${key} on ${path}`);
  }
});
built('a key is a pattern, alternatives stay inside its group', () => {
  assert.ok(pathPattern('q_proj|v_proj')('model.v_proj'));
  assert.not.ok(pathPattern('q_proj|v_proj')('model.v_proj.x'));
});
built('savedPattern and layerPattern', () => {
  assert.ok(savedPattern('mlp')('model.layers.0.mlp.up_proj') && savedPattern('mlp')('mlp') && !savedPattern('mlp')('model.mlps'));
  assert.equal(layerPattern(null).match('model.layers.7.mlp.experts.3.w'), { idx: '7' });
  assert.equal(layerPattern('experts').match('model.layers.7.mlp.experts.3.w'), { idx: '3' });
  assert.equal(layerPattern('h').match('h.5.attn'), { idx: '5' });
  assert.is(layerPattern(null).match('h.5.attn'), null);
});
built.run();
