import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createEngine } from '../../src/index.js';
import { gguf, golden, text } from './files.js';

const test = suite('smollm2/perplexity');
const path = gguf();
if (path !== null) {
  test('over text.txt within 0.5 % of llama.cpp on the same file: every chunk alone, each position after its first scored', async () => {
    const { perplexity: kept } = golden<{ perplexity: { perplexity: number; tokens: number; chunk: number } }>('llama.json');
    const engine = await createEngine({ model: path });
    const ids = engine.tokenizer.encode(text(), false);
    let sum = 0;
    let tokens = 0;
    for (let at = 0; at + 1 < ids.length; at += kept.chunk) {
      for (const logProbability of engine.logProbabilities(ids.slice(at, at + kept.chunk))) { sum += logProbability; tokens++; }
    }
    engine.dispose();
    assert.is(tokens, kept.tokens);
    assert.ok(tokens >= 20_000);
    const found = Math.exp(-sum / tokens);
    assert.ok(Math.abs(found / kept.perplexity - 1) < 0.005, `${found}, llama.cpp ${kept.perplexity}`);
  });
  test.run();
}
