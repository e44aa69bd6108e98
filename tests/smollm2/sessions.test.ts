import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createEngine, type Blend, type Engine, type SessionOptions } from '../../src/index.js';
import { adapterNames, adapters, gguf } from './files.js';

// Eight characters over one Q4_1 model, each with a blend and a seed of its own: together they say, bit for bit, what each says alone; and saved in the middle
// of a talk and restored in another engine they go on with the same words.
const CAST: readonly { readonly line: string; readonly adapters: Blend; readonly seed: number }[] = [
  { line: 'Where is the treasure?', adapters: { pirate: 1 }, seed: 1 },
  { line: 'Who are you?', adapters: { ghost: 1 }, seed: 2 },
  { line: 'give the lantern to the guard', adapters: { intents: 1 }, seed: 3 },
  { line: 'What lies beyond the harbour?', adapters: {}, seed: 4 },
  { line: 'Will there be a storm tonight?', adapters: { pirate: 0.5, ghost: 0.5 }, seed: 5 },
  { line: 'Sing me a song of the sea, and then tell me what it means.', adapters: { pirate: 0.25 }, seed: 6 },
  { line: 'Hello.', adapters: { ghost: 1.5, intents: 0.1 }, seed: 7 },
  { line: 'Tell me of the king.', adapters: { pirate: 1, ghost: 0.3, intents: 0.2 }, seed: 8 },
];
const SAMPLING = { temperature: 0.9, topP: 0.95 };
const MAX = 40;

const test = suite('smollm2/sessions');
const path = gguf();
const engine = path === null ? null : await withAdapters(path);

async function withAdapters(model: string): Promise<Engine> {
  const made = await createEngine({ model });
  for (const name of adapterNames) await made.adapters.load(name, `${adapters}${name}`);
  return made;
}

async function say(on: Engine, { line, ...options }: SessionOptions & { line: string }): Promise<{ text: string; tokens: readonly number[] }> {
  const session = on.session({ ...options, ...SAMPLING });
  let text = '';
  for await (const piece of session.say(line, { maxTokens: MAX })) text += piece;
  const tokens = [...session.tokens];
  session.dispose();
  return { text, tokens };
}

if (path !== null && engine !== null) {
  test('a mixed batch equals each session alone', async () => {
    const alone = [];
    for (const one of CAST) alone.push(await say(engine, one));
    const together = await Promise.all(CAST.map((one) => say(engine, one)));
    assert.equal(together, alone);
    assert.ok(new Set(alone.map(({ text }) => text)).size === CAST.length);
  });

  test('a saved session goes on in another engine as if nothing had been', async () => {
    const other = await withAdapters(path);
    for (const { line, ...options } of CAST.slice(0, 5)) {
      const session = engine.session({ ...options, ...SAMPLING });
      const drain = async (on: typeof session, text: string): Promise<string> => {
        let said = '';
        for await (const piece of on.say(text, { maxTokens: MAX })) said += piece;
        return said;
      };
      await drain(session, line);
      const saved: unknown = JSON.parse(JSON.stringify(session.save()));
      const restored = other.restore(saved as ReturnType<typeof session.save>);
      assert.equal(await drain(restored, 'And then?'), await drain(session, 'And then?'));
      assert.equal(restored.tokens, session.tokens);
      assert.equal(restored.messages, session.messages);
      session.dispose();
      restored.dispose();
    }
    other.dispose();
  });

  test.after(() => { engine.dispose(); });
  test.run();
}
