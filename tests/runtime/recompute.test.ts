import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createEngine } from '../../src/index.js';
import { GOLDEN } from '../models/golden.js';

const recompute = suite('cost of a change of blend');

const LLAMA = `${GOLDEN}models/llama`;
const PROMPT = [3, 17, 40, 5, 60, 45, 24, 65, 4, 4];
const ANSWER = { maxTokens: 6, endTokens: [] };

async function answered(stream: AsyncIterable<string>, onPiece: () => void = () => {}): Promise<void> {
  for await (const _ of stream) onPiece();
}

recompute('is told in tokens and in milliseconds, apart from what is new', async () => {
  const engine = await createEngine({ model: LLAMA });
  await engine.adapters.load('qv', `${LLAMA}/adapters/qv`);
  const session = engine.session({ adapters: { qv: 1 } });
  await answered(session.complete(PROMPT, ANSWER));
  assert.equal([session.stats.promptTokens, session.stats.recomputed, session.stats.recomputeMs], [PROMPT.length, 0, 0]);

  const before = session.tokens.length;
  session.adapters = { qv: 0.5 };
  await answered(session.complete([...session.tokens, 7, 8], ANSWER));
  // The last token of the answer before was never worked.
  assert.is(session.stats.recomputed, before - 1);
  assert.ok(session.stats.recomputeMs > 0);
  assert.ok(session.stats.recomputeMs < session.stats.firstTokenMs, 'a part of the time to the first token');

  await answered(session.complete([...session.tokens, 9], ANSWER));
  assert.equal([session.stats.recomputed, session.stats.recomputeMs], [0, 0]);
  engine.dispose();
});

recompute('is nothing where the cache is kept', async () => {
  const engine = await createEngine({ model: LLAMA });
  await engine.adapters.load('qv', `${LLAMA}/adapters/qv`);
  const session = engine.session({ adapters: { qv: 1 }, kv: 'keep' });
  await answered(session.complete(PROMPT, ANSWER));
  session.adapters = {};
  await answered(session.complete([...session.tokens, 7], ANSWER));
  assert.equal([session.stats.recomputed, session.stats.recomputeMs], [0, 0]);
  engine.dispose();
});

recompute('is told of a rescale within an answer', async () => {
  const engine = await createEngine({ model: LLAMA, loop: 'manual' });
  await engine.adapters.load('qv', `${LLAMA}/adapters/qv`);
  const session = engine.session({ adapters: { qv: 1 } });
  const answer = answered(session.complete(PROMPT, ANSWER));
  let rescaled = false;
  for (let busy = true; busy;) {
    await new Promise((resolve) => { setImmediate(resolve); });
    busy = engine.step(1e-6); // one op or one frame, so that the rescale falls into the answer
    if (!rescaled && session.stats.tokens === 2) {
      engine.adapters.rescale('qv', 0.5);
      rescaled = true;
    }
  }
  await answer;
  assert.is(session.stats.tokens, 6);
  assert.is(session.stats.recomputed, PROMPT.length + 1, 'the prompt and the first token of the answer');
  assert.ok(session.stats.recomputeMs > 0);
  engine.dispose();
});

recompute.run();
