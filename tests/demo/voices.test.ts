import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createEngine, type ChatMessage } from '../../src/index.js';
import { createChatTemplate } from '../../src/text/chat-template.js';
import { ROOT } from '../models/golden.js';

// Clearly different voices: on held-out lines (never trained on: scripts/demo/write_heldout.py), each persona's own adapter has the lowest perplexity of all
// adapters and the base in at least 90 %. The measure: mean −log p over the answer's tokens and its end token, given the conversation.
interface Line {
  readonly messages: readonly ChatMessage[];
  readonly answer: string;
}
const voices = JSON.parse(readFileSync(`${ROOT}models/tavern/heldout.json`, 'utf8')) as Record<string, readonly Line[]>;
const config = JSON.parse(readFileSync(`${ROOT}models/tavern/tokenizer_config.json`, 'utf8')) as Record<string, unknown>;
const template = createChatTemplate(config.chat_template as string, config);
const engine = await createEngine({ model: `${ROOT}models/tavern` });
const personas = Object.keys(voices).filter((name) => name !== 'townsfolk');
for (const name of personas) await engine.adapters.load(name, `${ROOT}adapters/${name}`);

const loss = ({ messages, answer }: Line, adapters: Record<string, number>): number => {
  const prompt = engine.tokenizer.encode(template(messages, true), false);
  const whole = engine.tokenizer.encode(template([...messages, { role: 'assistant', content: answer }], false), false);
  assert.equal(whole.slice(0, prompt.length), prompt);
  const told = engine.logProbabilities(whole, { adapters }).subarray(prompt.length - 1);
  return -told.reduce((sum, p) => sum + p, 0) / told.length;
};

const test = suite('voices of the demo model');
assert.ok(personas.length >= 4);
for (const persona of personas) {
  test(`${persona} is best told by its own adapter`, () => {
    const lines = voices[persona]!;
    assert.ok(lines.length >= 40, `${lines.length} lines`);
    const own = lines.filter((line) => {
      const mine = loss(line, { [persona]: 1 });
      return [{}, ...personas.filter((other) => other !== persona).map((other) => ({ [other]: 1 }))].every((other) => mine < loss(line, other));
    });
    assert.ok(own.length >= 0.9 * lines.length, `${own.length} of ${lines.length}`);
  });
}
test.after(() => engine.dispose());
test.run();
