import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createEngine, type ChatMessage, type Engine } from '../../src/index.js';
import { ROOT } from '../models/golden.js';
import { collect } from './tavern.js';

/** The demo model, with a template that looks at more than messages. */
async function templated(chat_template: string): Promise<Engine> {
  const names = ['config.json', 'model.safetensors', 'tokenizer.json', 'generation_config.json'];
  const files = Object.fromEntries(names.map((name) => [name, readFileSync(`${ROOT}models/tavern/${name}`)]));
  const config = JSON.parse(readFileSync(`${ROOT}models/tavern/tokenizer_config.json`, 'utf8')) as object;
  return createEngine({ model: { ...files, 'tokenizer_config.json': JSON.stringify({ ...config, chat_template }) } });
}

const options = suite('template options');
const TEMPLATE = "{% if tools %}{{ tools | tojson }}{% endif %}{% for message in messages %}<|{{ message.role }}|>{{ message.content }}<|end|>{% endfor %}{% if mood is defined %}{{ mood.word }}{% endif %}{% if add_generation_prompt %}<|assistant|>{% endif %}";

options('reach the template, of a session, of chat and of a restored session; a shift renders with them, too', async () => {
  const engine = await templated(TEMPLATE);
  const promptOf = (session: { tokens: readonly number[]; stats: { tokens: number } }): string => engine.tokenizer.decode(session.tokens.slice(0, session.tokens.length - session.stats.tokens), true);
  const given = { mood: { word: 'gloomy' }, tools: [{ name: 'open_door' }] };
  const session = engine.session({ templateOptions: given, contextLength: 100, whenFull: 'shift' });
  given.mood.word = 'changed later';
  await collect(session.say('Who are you?', { maxTokens: 4 }));
  assert.is(promptOf(session), '[{"name": "open_door"}]<|user|>Who are you?<|end|>gloomy<|assistant|>');
  const restored = engine.restore(session.save());
  for (const of of [session, restored]) {
    await collect(of.say('Where is the treasure?', { maxTokens: 4 }));
    assert.ok(promptOf(of).endsWith('<|user|>Where is the treasure?<|end|>gloomy<|assistant|>'));
  }
  assert.equal(restored.tokens, session.tokens);
  while (session.stats.dropped === 0) await collect(session.say('Who are you?', { maxTokens: 4 }));
  assert.ok(promptOf(session).startsWith('[{"name": "open_door"}]<|user|>') && promptOf(session).includes('gloomy<|assistant|>'));
  let first = '';
  for await (const piece of engine.chat('Who are you?', { templateOptions: { mood: { word: 'gloomy' } }, maxTokens: 4 })) first += piece;
  assert.ok(first.length > 0);
  engine.dispose();
});
options('messages of a conversation go on as they are; the last is the one that is answered', async () => {
  const engine = await templated(TEMPLATE);
  const messages: ChatMessage[] = [{ role: 'system', content: 'Be brief.' }, { role: 'user', content: 'Who are you?' }, { role: 'assistant', content: 'Nobody.' }, { role: 'user', content: 'Where is the treasure?' }];
  const session = engine.session();
  session.messages.push(...messages.slice(0, -1));
  const expected = await collect(session.say('Where is the treasure?', { maxTokens: 12 }));
  assert.is(await collect(engine.chat(messages, { maxTokens: 12 })), expected);
  assert.is(messages.length, 4, 'the caller\'s list is left alone');
  engine.dispose();
});
options('disposing by "using" gives everything back', async () => {
  const engine = await templated(TEMPLATE);
  const { used } = engine.memory().kv;
  for (const speculate of [false, true]) {
    const session = engine.session({ speculate, whenFull: 'shift', contextLength: 64 });
    const stream = session.say('Who are you?', { maxTokens: 500, endTokens: [] });
    for (let i = 0; i < 30; i++) await stream.next();
    session[Symbol.dispose]();
    assert.is(engine.memory().kv.used, used);
  }
  engine[Symbol.dispose]();
  assert.is(engine.memory().weights.used, 0);
});
options.run();
