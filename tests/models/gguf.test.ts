import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createEngine, type LorikeetError, type ModelOrigin } from '../../src/index.js';
import { difference, GOLDEN, readTensors } from './golden.js';

// The golden models as llama.cpp's converters write them (tests/golden/gguf_files.py): the same weights under other names, in another order, the rows of q and k interleaved.
const FOLDER = `${GOLDEN}gguf`;
const TOKENS = [3, 17, 40, 5, 60, 45, 24, 65, 4, 4, 59, 55, 50, 2, 31, 8, 8, 22];

async function logitsOf(model: ModelOrigin, tokens: readonly number[], adapter?: string): Promise<Float32Array> {
  const engine = await createEngine({ model });
  try {
    if (adapter !== undefined) await engine.adapters.load('a', adapter);
    return engine.logits(tokens, { adapters: adapter === undefined ? {} : { a: 1 } });
  } finally {
    engine.dispose();
  }
}

/** Compared as bits: a message of a thousand numbers helps nobody. */
const sameBits = (a: Float32Array, b: Float32Array): void => {
  assert.ok(Buffer.from(a.buffer, a.byteOffset, a.byteLength).equals(Buffer.from(b.buffer, b.byteOffset, b.byteLength)), `other bits, largest difference ${difference(a, b)}`);
};

/** A golden model's folder, its configuration changed. */
function changed(name: string, change: Readonly<Record<string, unknown>>): Record<string, Uint8Array | string> {
  const config = JSON.parse(readFileSync(`${GOLDEN}models/${name}/config.json`, 'utf8')) as Record<string, unknown>;
  return { 'config.json': JSON.stringify({ ...config, ...change }), 'model.safetensors': readFileSync(`${GOLDEN}models/${name}/model.safetensors`) };
}

const floats = suite('GGUF beside the folder it was made of');
for (const name of ['llama_tied', 'llama_f16', 'qwen2', 'qwen3', 'smollm3', 'phi3', 'gemma', 'gemma2', 'gemma3']) {
  floats(`${name}: the same bits`, async () => {
    // A GGUF has no query_pre_attn_scalar: llama.cpp takes the heads' size.
    const folder = name === 'gemma2' || name === 'gemma3' ? changed(name, { query_pre_attn_scalar: 10 }) : `${GOLDEN}models/${name}`;
    sameBits(await logitsOf(`${FOLDER}/${name}.gguf`, TOKENS), await logitsOf(folder, TOKENS));
  });
}
for (const name of ['llama3', 'llama_old']) {
  floats(`${name}: frequencies divided by rope_freqs are llama3's but for their rounding`, async () => {
    const off = difference(await logitsOf(`${FOLDER}/${name}.gguf`, TOKENS), await logitsOf(`${GOLDEN}models/${name}`, TOKENS));
    assert.ok(off < 2e-6, `largest difference ${off}`);
  });
}
floats.run();

const adapters = suite('adapters in llama.cpp\'s form beside the PEFT folders they were made of');
for (const [model, adapter] of [['llama', 'all'], ['llama', 'bf16'], ['llama', 'alora'], ['llama', 'embed_head_qv'], ['llama_tied', 'embed'], ['qwen2', 'by_architecture'], ['qwen3', 'all'], ['smollm3', 'all'], ['phi3', 'all'], ['gemma3', 'by_architecture']] as const) {
  adapters(`${model}, ${adapter}: the same bits`, async () => {
    const folder = `${GOLDEN}models/${model}`;
    const tokens = adapter === 'alora' ? [4, 9, 33, 11, 12, 50, 7, 2] : TOKENS; // with its invocation in them
    const base = await logitsOf(folder, tokens);
    const expected = await logitsOf(folder, tokens, `${folder}/adapters/${adapter}`);
    assert.ok(difference(base, expected) > 1e-3, 'it does something');
    sameBits(await logitsOf(folder, tokens, `${FOLDER}/adapters/${model}-${adapter}.gguf`), expected);
  });
}

adapters('one on a model from GGUF, from bytes, exported to PEFT', async () => {
  const engine = await createEngine({ model: `${FOLDER}/qwen3.gguf` });
  await engine.adapters.load('a', readFileSync(`${FOLDER}/adapters/qwen3-all.gguf`));
  await engine.adapters.load('b', engine.adapters.files('a'));
  const found = engine.logits(TOKENS, { adapters: { b: 1 } });
  sameBits(found, engine.logits(TOKENS, { adapters: { a: 1 } }));
  sameBits(found, await logitsOf(`${GOLDEN}models/qwen3`, TOKENS, `${GOLDEN}models/qwen3/adapters/all`));
  engine.dispose();
});

adapters('one of another architecture, a model, a shape that differs', async () => {
  const engine = await createEngine({ model: `${FOLDER}/qwen3.gguf` });
  const codeOf = async (file: string): Promise<string> => engine.adapters.load('a', `${FOLDER}/${file}`).then(() => 'none', (error: LorikeetError) => error.code);
  assert.is(await codeOf('adapters/qwen2-by_architecture.gguf'), 'adapter/architecture');
  assert.is(await codeOf('qwen3.gguf'), 'adapter/gguf-kind');
  assert.is(engine.memory().adapters.used, 0);
  engine.dispose();
  const other = await createEngine({ model: `${FOLDER}/blocks32.gguf` });
  assert.is(await other.adapters.load('a', `${FOLDER}/adapters/llama_tied-embed.gguf`).then(() => 'none', (error: LorikeetError) => error.code), 'adapter/shape-mismatch');
  other.dispose();
  assert.is(await createEngine({ model: `${FOLDER}/adapters/qwen3-all.gguf` }).then(() => 'none', (error: LorikeetError) => error.code), 'model/unsupported');
});
adapters.run();

const quantised = suite('quantised GGUF beside transformers on what gguf-py reads in it');
const golden = readTensors(`${FOLDER}/golden.safetensors`);
const cases = JSON.parse(readFileSync(`${FOLDER}/cases.json`, 'utf8')) as Record<string, number[]>;
for (const [name, file, adapter] of [['blocks32', 'blocks32'], ['blocks32_lora', 'blocks32', 'blocks32-q8_0'], ['kquants', 'kquants']] as const) {
  quantised(name, async () => {
    const found = await logitsOf(`${FOLDER}/${file}.gguf`, cases[file]!, adapter && `${FOLDER}/adapters/${adapter}.gguf`);
    // With activations rounded to 12 bits in blocks of 32 what is left is the order of additions, which now and then sends a value to the other side of a step.
    const rounded = difference(found, golden.get(`${name}_rounded`)!.data);
    assert.ok(rounded < 1e-3, `largest difference ${rounded} from rounded activations`);
    // The rounding itself: a step is 1/2047 of the largest of 32, and these weights are noise, which nothing forgives.
    const rounding = difference(found, golden.get(name)!.data);
    assert.ok(rounding < 0.003, `largest difference ${rounding}`);
  });
}
quantised.run();
