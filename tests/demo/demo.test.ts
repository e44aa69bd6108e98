import { tmpdir } from 'node:os';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { runScript } from '../examples/run-script.js';

const demo = suite('demo');

const outcome = await runScript('src/demo/main.js', [], { cwd: tmpdir() });
const lines = outcome.stdout.split('\n');
const facts = lines.filter((line) => line.startsWith('▸ '));
const number = (text: string): number => Number(text.replaceAll(',', ''));

demo('ends well, wherever it is started', () => {
  assert.is(outcome.code, 0, outcome.stderr);
  assert.is(outcome.stderr, '');
});

demo('is plain text of 80 columns when piped', () => {
  for (const line of lines) assert.ok([...line].length <= 80, line);
  assert.not.match(outcome.stdout, /[\u0000-\u0009\u000b-\u001f\u007f]/);
});

demo('closes each act with one line of facts', () => {
  const acts = lines.flatMap((line, i) => (line !== '' && !line.startsWith(' ') && !line.startsWith('▸') ? [i] : []));
  assert.is(acts.length, 9);
  assert.is(facts.length, acts.length);
  acts.forEach((at, i) => {
    const end = acts[i + 1] ?? lines.length;
    const act = lines.slice(at + 1, end).filter((line) => line !== '');
    assert.is(act.filter((line) => line.startsWith('▸ ')).length, 1, lines[at]);
    assert.ok(act.at(-1)!.startsWith('▸ '), lines[at]);
  });
});

demo('measures speed, switches, rescales and the cache', () => {
  const all = (pattern: RegExp): number[] => facts.flatMap((line) => [...line.matchAll(pattern)].map((m) => number(m[1]!)));
  const speeds = all(/([\d,]+) tok\/s/g);
  assert.ok(speeds.length >= 7);
  assert.ok(speeds.every((speed) => speed > 0));
  assert.is(all(/switch ([\d.]+) µs/g).length, 3);
  assert.is(all(/rescale ([\d.]+) µs/g).length, 1);
  assert.is(all(/KV ([\d,]+) tokens in [\d.]+ ms/g).length, 2);
  assert.ok(all(/rescale .* KV ([\d,]+) tokens in/g)[0]! > 0, 'a rescale within a conversation costs its cache');
});

demo('gives back every byte that the adapters took', () => {
  const used = [...outcome.stdout.matchAll(/unloaded: ([\d,]+) bytes used; loaded again: ([\d,]+)\./g)].map((m) => [number(m[1]!), number(m[2]!)])[0]!;
  const [without, all] = used as [number, number];
  assert.ok(without < all);
  const returned = number(/([\d,]+) bytes returned/.exec(facts.at(-1)!)![1]!);
  assert.is(returned, all + (all - without), 'all of them once, and the one that left and came back once more');
  assert.match(facts.at(-1)!, /adapters: 0\.0 MiB used/);
});

demo('finds the base as it was, after merging and after everybody left', () => {
  assert.is(outcome.stdout.match(/the same bits/g)?.length, 2);
  assert.not.match(outcome.stdout, /OTHER BITS/);
  assert.match(outcome.stdout, /The linear memory has not grown/);
});

demo('lets six voices answer the same lines, not all alike', () => {
  const said = new Map(['townsfolk', 'pirate', 'herald', 'ghost', 'goblin', 'automaton'].map((voice) => [voice, lines.filter((line) => line.startsWith(`  ${voice} `) && !line.includes('modules')).map((line) => line.slice(13))]));
  for (const [voice, answers] of said) {
    assert.ok(answers.length >= 2, voice);
    assert.ok(answers.every((answer) => answer.trim().length > 0), voice);
  }
  assert.ok(new Set([...said.values()].map((answers) => answers[0])).size > 1);
});

demo.run();
