import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createEngine, type Blend } from '../../src/index.js';
import { GOLDEN, ROOT } from '../models/golden.js';

// Greedy text of the demo model beside transformers and PEFT (tests/golden/texts.py): byte for byte, 200 tokens, for the base, each adapter, a blend,
// after a merge and after unloading. No decision among them is nearer than 1e-3; results differ from PEFT's by some 1e-5.
interface Text {
  readonly line: string;
  readonly prompt: string;
  readonly ids: readonly number[];
  readonly adapters: Blend;
  readonly tokens: readonly number[];
  readonly text: string;
  readonly merged?: boolean;
}
const texts = JSON.parse(readFileSync(`${GOLDEN}texts.json`, 'utf8')) as Text[];
const engine = await createEngine({ model: `${ROOT}models/tavern` });
const names = [...new Set(texts.flatMap(({ adapters }) => Object.keys(adapters)))];
const load = async (): Promise<void> => { for (const name of names) await engine.adapters.load(name, `${ROOT}adapters/${name}`); };

const answer = async (ids: readonly number[], adapters: Blend): Promise<{ tokens: readonly number[]; text: string }> => {
  const session = engine.session({ adapters });
  let text = '';
  for await (const piece of session.complete(ids, { maxTokens: 200, endTokens: [] })) text += piece;
  const tokens = session.tokens.slice(ids.length);
  session.dispose();
  return { tokens, text };
};
const told = ({ line, adapters }: Text): string => `${JSON.stringify(adapters)} ${line}`;

const beside = suite('greedy text beside the base');
beside.before(load);
for (const text of texts.filter((t) => !t.merged)) {
  beside(told(text), async () => {
    assert.equal(engine.tokenizer.encode(text.prompt, false), text.ids);
    const found = await answer(text.ids, text.adapters);
    assert.equal(found.tokens, text.tokens);
    assert.is(found.text, text.text);
  });
}
beside.run();

const merged = suite('greedy text, the adapter merged into the base');
for (const text of texts.filter((t) => t.merged)) {
  merged(told(text), async () => {
    engine.adapters.merge(text.adapters);
    const found = await answer(text.ids, {});
    engine.adapters.unmerge();
    assert.equal(found.tokens, text.tokens);
    assert.is(found.text, text.text);
  });
}
merged('unmerged, the base again', async () => {
  for (const text of texts.filter(({ adapters }) => Object.keys(adapters).length === 0)) assert.equal((await answer(text.ids, {})).tokens, text.tokens);
});
merged.run();

const unloaded = suite('greedy text after unloading every adapter');
unloaded('the base again', async () => {
  for (const name of names) engine.adapters.unload(name);
  assert.is(engine.memory().adapters.used, 0);
  for (const text of texts.filter(({ adapters }) => Object.keys(adapters).length === 0)) assert.is((await answer(text.ids, {})).text, text.text);
  engine.dispose();
});
unloaded.run();
