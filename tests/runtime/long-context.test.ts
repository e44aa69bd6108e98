import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createEngine, isLorikeetError, type Engine, type EngineOptions, type Session } from '../../src/index.js';
import { difference, GOLDEN, readTensors } from '../models/golden.js';

// A model of 8192 positions read to its end, beside transformers (tests/golden/long_context.py): 256 blocks of the cache.

const POSITIONS = 8192, PROMPT = 8000;
const golden = readTensors(`${GOLDEN}long/golden.safetensors`);
const said = [...golden.get('said')!.data];

/** As long_context.py draws them: Lehmer's generator. */
const TOKENS = Array.from({ length: POSITIONS }, ((state) => () => 3 + ((state = (state * 48271) % 2147483647) % 64))(1));

/**
 * Largest difference of a logit, logits being about 3: the order of additions in f32; an element within 2⁻¹¹ in f16, within 1/254 of its neighbours' largest in q8.
 * Measured: 8e-6, 3e-3, 2e-2.
 */
const TOLERANCES = { f32: 1e-4, f16: 6e-3, q8: 6e-2 } as const;

/** Bytes of a head's part of a block: 32 positions, heads of 8. */
const HEAD_BYTES = { f32: 2 * 8 * 32 * 4, f16: 2 * (8 * 32 * 2 + 32 * 4), q8: 2 * (8 * 32 + 32 * 4) } as const;

async function withEngine(options: Partial<EngineOptions>, work: (engine: Engine) => Promise<void> | void): Promise<void> {
  const engine = await createEngine({ model: `${GOLDEN}long`, ...options });
  try {
    await work(engine);
  } finally {
    engine.dispose();
  }
}

async function answer(session: Session, prompt: readonly number[], maxTokens: number): Promise<number[]> {
  for await (const _ of session.complete(prompt, { maxTokens, endTokens: [] }));
  return session.tokens.slice(prompt.length);
}

const test = suite('8192 positions');

for (const kvDtype of ['f32', 'f16', 'q8'] as const) {
  test(`logits along the way are those of transformers, ${kvDtype}`, () => withEngine({ kvDtype }, (engine) => {
    const found = engine.logits(TOKENS), width = engine.model.outputSize;
    const { shape, data } = golden.get('logits')!;
    assert.equal(shape, [golden.get('rows')!.data.length, width]);
    for (const [i, row] of golden.get('rows')!.data.entries()) {
      const off = difference(found.subarray(row * width, (row + 1) * width), data.subarray(i * width, (i + 1) * width));
      assert.ok(off <= TOLERANCES[kvDtype], `row ${row}: largest difference ${off}`);
    }
  }));

  test(`a session reads 8000 tokens and goes on, in the memory that its cache's dtype says, ${kvDtype}`, () => withEngine({ kvDtype }, async (engine) => {
    const session = engine.session();
    const table = session.kvBytes;
    const found = await answer(session, TOKENS.slice(0, PROMPT), said.length);
    if (kvDtype === 'f32') assert.equal(found, said);
    const { layers, kvHeads, headDim } = engine.model.kv!;
    assert.is(headDim, 8);
    assert.is(session.kvBytes - table, Math.ceil((PROMPT + said.length) / 32) * layers * kvHeads * HEAD_BYTES[kvDtype]);
    // The same logits in one piece and by frames, token by token at the end.
    const ids = [...TOKENS.slice(0, PROMPT), ...found];
    const rows = engine.logits(ids), width = engine.model.outputSize;
    for (const [i, id] of found.entries()) {
      const row = rows.subarray((PROMPT - 1 + i) * width, (PROMPT + i) * width);
      assert.is(row.indexOf(Math.max(...row)), id, `token ${i}`);
    }
  }));
}

test('an answer ends with the last position, and no prompt reaches beyond it', () => withEngine({}, async (engine) => {
  assert.is((await answer(engine.session(), TOKENS.slice(0, POSITIONS - 3), 9)).length, 3);
  let refused: unknown;
  await answer(engine.session(), TOKENS, 1).catch((error: unknown) => { refused = error; });
  assert.ok(isLorikeetError(refused, 'context/full'), String(refused));
}));

test.run();
