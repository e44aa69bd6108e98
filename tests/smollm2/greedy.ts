import type { Blend, Engine } from '../../src/index.js';

/** Greedy ids behind a prompt, exactly `count`: an end token is taken like any other. */
export async function greedy(engine: Engine, ids: readonly number[], count: number, blend: Blend = {}): Promise<readonly number[]> {
  const session = engine.session({ adapters: blend });
  for await (const _ of session.complete(ids, { maxTokens: count, temperature: 0, endTokens: [] })) void _;
  const chosen = session.tokens.slice(ids.length);
  session.dispose();
  return chosen;
}
