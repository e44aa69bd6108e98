import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createRuntime } from '../../src/arena/runtime.js';
import { isLorikeetError } from '../../src/errors.js';
import { readGguf, type GgufHeader } from '../../src/formats/gguf.js';
import { streamGguf, type GgufField } from '../../src/formats/gguf-write.js';
import { quantizeFolder, quantizeGguf, type QuantizedModel, type QuantizeOptions } from '../../src/models/quantize.js';
import { createEngine, type EngineOptions } from '../../src/index.js';
import { openFolder, openModelOrigin, type OpenedFile } from '../../src/store/open.js';
import { ROUNDED, type WeightDtype } from '../../src/tensor/matrix.js';
import { GOLDEN, ROOT } from './golden.js';

const TAVERN = `${ROOT}models/tavern`;
const TOKENS = [1, 4, 595, 305, 267, 910, 36, 2, 5, 46, 75, 298];
const runtime = await createRuntime();

async function whole(model: QuantizedModel): Promise<Uint8Array<ArrayBuffer>> {
  try {
    const chunks: Uint8Array[] = [];
    for await (const chunk of streamGguf(model.tensors, model.metadata)) chunks.push(chunk.slice());
    return new Uint8Array(Buffer.concat(chunks));
  } finally {
    await model.close();
  }
}

/** A folder as a GGUF, without its tokenizer. */
async function written(folder: string | Record<string, Uint8Array | string>, options: QuantizeOptions): Promise<Uint8Array<ArrayBuffer>> {
  const model = await quantizeFolder(runtime, await openFolder(folder), options);
  model.metadata.set('tokenizer.ggml.model', { type: 'string', value: 'no_vocab' });
  return whole(model);
}

const requantized = async (file: Uint8Array, options: QuantizeOptions): Promise<Uint8Array<ArrayBuffer>> => whole(await quantizeGguf(runtime, (await openModelOrigin(file)) as OpenedFile, options));
const headerOf = (file: Uint8Array): Promise<GgufHeader> => readGguf({ name: 'memory', size: file.length, read: async (begin: number, end: number) => file.subarray(begin, end) });

async function logitsOf(options: EngineOptions): Promise<Buffer> {
  const engine = await createEngine({ text: false, ...options });
  try {
    const { buffer, byteOffset, byteLength } = engine.logits(TOKENS);
    return Buffer.from(buffer, byteOffset, byteLength);
  } finally {
    engine.dispose();
  }
}

/** Every tensor of both files, as type, shape and bytes. */
async function sameTensors(found: Uint8Array, expected: Uint8Array): Promise<void> {
  const [a, b] = [await headerOf(found), await headerOf(expected)];
  assert.equal([...a.tensors.keys()].sort(), [...b.tensors.keys()].sort());
  for (const [name, tensor] of b.tensors) {
    const other = a.tensors.get(name)!;
    assert.equal([other.dtype, other.shape], [tensor.dtype, tensor.shape], name);
    assert.ok(Buffer.from(found.subarray(other.begin, other.end)).equals(Buffer.from(expected.subarray(tensor.begin, tensor.end))), `${name} has other bytes`);
  }
}

const files = suite('a folder written as GGUF');
for (const name of ['llama_tied', 'llama_f16', 'qwen2', 'qwen3']) {
  files(`${name}: the tensors and keys of gguf-py's file`, async () => {
    const expected = new Uint8Array(readFileSync(`${GOLDEN}gguf/${name}.gguf`));
    const { tensors } = await headerOf(expected);
    const type = ROUNDED.find((dtype) => [...tensors.values()].some((tensor) => tensor.shape.length > 1 && tensor.dtype === dtype))!;
    const found = await written(`${GOLDEN}models/${name}`, { type });
    await sameTensors(found, expected);
    const [keys, wanted] = [(await headerOf(found)).metadata, (await headerOf(expected)).metadata];
    for (const [key, value] of wanted) if (!['general.name', 'general.file_type'].includes(key)) assert.equal(keys.get(key), value, key);
  });
}

files('rows that are no whole number of blocks stay halves', async () => {
  const { tensors } = await headerOf(await written(`${GOLDEN}models/qwen3`, { type: 'Q8_0' }));
  for (const { name, dtype, shape } of tensors.values()) assert.is(dtype, shape.length === 1 ? 'F32' : shape[1]! % 32 === 0 ? 'Q8_0' : 'F16', name);
});

files('another type for embedding and head', async () => {
  const { tensors, metadata } = await headerOf(await written(TAVERN, { type: 'Q4_0', headType: 'Q8_0' }));
  assert.is(tensors.get('token_embd.weight')!.dtype, 'Q8_0');
  assert.is(tensors.get('blk.3.attn_q.weight')!.dtype, 'Q4_0');
  assert.not.ok(tensors.has('output.weight'), 'a tied head has no tensor of its own');
  assert.is(metadata.get('general.file_type'), 2);
});

files('progress counts every byte of the tensors', async () => {
  const seen: [number, number][] = [];
  await written(TAVERN, { type: 'Q8_0', onProgress: (done, total) => seen.push([done, total]) });
  const [done, total] = seen.at(-1)!;
  assert.is(done, total);
  assert.ok(seen.every(([part], i) => i === 0 || part > seen[i - 1]![0]));
});
files.run();

const loading = suite('dtype on load');
for (const type of ROUNDED) {
  const dtype = type.toLowerCase() as WeightDtype;
  loading(`${dtype}: the bits of the GGUF that quantize writes`, async () => {
    const found = await logitsOf({ model: TAVERN, dtype });
    assert.ok(found.equals(await logitsOf({ model: await written(TAVERN, { type }) })), 'other logits');
  });
}

loading('a quantised model is smaller; bf16 is what the file has already', async () => {
  const sizes: number[] = [];
  for (const dtype of [undefined, 'bf16', 'q8_0', 'q4_0'] as const) {
    const engine = await createEngine({ model: TAVERN, text: false, ...(dtype ? { dtype } : {}) });
    sizes.push(engine.model.bytes);
    engine.dispose();
  }
  const [own, bf16, q8, q4] = sizes as [number, number, number, number];
  assert.is(bf16, own);
  assert.ok(q8 < 0.55 * own && q4 < 0.3 * own, sizes.join());
  assert.ok((await logitsOf({ model: TAVERN, dtype: 'bf16' })).equals(await logitsOf({ model: TAVERN })));
});

loading('rows that are no whole number of blocks, and GPT-2\'s columns, stay what they are', async () => {
  const tokens = [3, 17, 40];
  for (const name of ['gpt2', 'kitchen_sink']) {
    const results = [];
    for (const dtype of [undefined, 'q8_0'] as const) {
      const engine = await createEngine({ model: `${GOLDEN}models/${name}`, text: false, ...(dtype ? { dtype } : {}) });
      results.push(engine.logits(tokens));
      engine.dispose();
    }
    const [own, rounded] = results as [Float32Array, Float32Array];
    let most = 0;
    let size = 0;
    for (let i = 0; i < own.length; i++) [most, size] = [Math.max(most, Math.abs(own[i]! - rounded[i]!)), Math.max(size, Math.abs(own[i]!))];
    assert.ok(most <= 0.05 * size, `${name}: off by ${most} of ${size}`);
  }
});

loading('a dtype that weights can\'t be rounded to', async () => {
  for (const dtype of ['q4_k', 'Q8_0', 'int8', ''] as unknown as WeightDtype[]) {
    const error = await createEngine({ model: TAVERN, dtype }).catch((reason: unknown) => reason);
    assert.ok(isLorikeetError(error, 'model/dtype'), String(error));
    assert.match(error.message, /q8_0, q4_0/);
  }
});

loading('weights too large for the scales', async () => {
  const folder = { 'config.json': readFileSync(`${TAVERN}/config.json`, 'utf8'), 'model.safetensors': new Uint8Array(readFileSync(`${TAVERN}/model.safetensors`)) };
  const bytes = folder['model.safetensors'];
  const start = 8 + Number(new DataView(bytes.buffer).getBigUint64(0, true));
  new DataView(bytes.buffer).setUint16(start, 0x7f00, true); // the first weight of the file, in bf16: 1.7e38
  for (const work of [() => createEngine({ model: folder, dtype: 'q8_0', text: false }), () => written(folder, { type: 'Q8_0' })]) {
    const error = await (work() as Promise<unknown>).catch((reason: unknown) => reason);
    assert.ok(isLorikeetError(error, 'tensor/overflow'), String(error));
  }
});
loading.run();

const again = suite('a GGUF rounded anew');
again('from floats: the tensors that the folder gives, every key kept with its type', async () => {
  const floats = await written(TAVERN, { type: 'BF16' });
  const found = await requantized(floats, { type: 'Q5_1' });
  await sameTensors(found, await written(TAVERN, { type: 'Q5_1' }));
  const [before, after] = [await headerOf(floats), await headerOf(found)];
  for (const [key, value] of before.metadata) {
    if (key !== 'general.file_type') assert.equal(after.metadata.get(key), value, key);
    assert.is(after.types.get(key), before.types.get(key), key);
  }
  assert.is(after.metadata.get('general.file_type'), 9);
});

again('from blocks: what they widen to is rounded', async () => {
  const blocks = new Uint8Array(readFileSync(`${GOLDEN}gguf/blocks32.gguf`));
  const wide = await requantized(blocks, { type: 'F32' });
  await sameTensors(await requantized(blocks, { type: 'Q8_0' }), await requantized(wide, { type: 'Q8_0' }));
  const model = await quantizeGguf(runtime, (await openModelOrigin(blocks)) as OpenedFile, { type: 'Q8_0' });
  await model.close();
  assert.ok((model.from.get('Q4_1') ?? 0) > 0);
});

again('K-quants, too', async () => {
  const blocks = new Uint8Array(readFileSync(`${GOLDEN}gguf/kquants.gguf`));
  const { tensors } = await headerOf(await requantized(blocks, { type: 'Q4_0' }));
  assert.ok([...tensors.values()].every(({ dtype, shape }) => dtype === (shape.length === 1 ? 'F32' : 'Q4_0')));
});

again('same type: the bytes themselves', async () => {
  const file = await written(TAVERN, { type: 'Q8_0' });
  await sameTensors(await requantized(file, { type: 'Q8_0' }), file);
});
again.run();

const refused = suite('models that no GGUF says');
/** The configuration of a golden model, changed. */
const changed = (name: string, change: Readonly<Record<string, unknown>>): Record<string, Uint8Array | string> => ({
  'config.json': JSON.stringify({ ...(JSON.parse(readFileSync(`${GOLDEN}models/${name}/config.json`, 'utf8')) as object), ...change }),
  'model.safetensors': readFileSync(`${GOLDEN}models/${name}/model.safetensors`),
});
for (const [what, folder, code] of [
  ['another activation', changed('llama_tied', { hidden_act: 'gelu' }), 'quantize/unsupported'],
  ['a scale of attention that is not its heads\'', `${GOLDEN}models/gemma3`, 'quantize/unsupported'],
  ['a sliding window of Qwen', changed('qwen2', { use_sliding_window: true, max_window_layers: 0, sliding_window: 8, layer_types: null }), 'quantize/unsupported'],
  ['GPT-2', `${GOLDEN}models/gpt2`, 'model/unsupported'],
  ['a model without text', `${GOLDEN}models/kitchen_sink`, 'model/unsupported'],
] as const) {
  refused(what, async () => {
    const error = await written(folder, { type: 'Q8_0' }).catch((reason: unknown) => reason);
    assert.ok(isLorikeetError(error, code), String(error));
  });
}

refused('Gemma\'s layers in an order without a period become a list', async () => {
  const config = JSON.parse(readFileSync(`${GOLDEN}models/gemma3/config.json`, 'utf8')) as { num_hidden_layers: number; head_dim: number };
  const types = Array.from({ length: config.num_hidden_layers }, (_, i) => (i === 0 || i === config.num_hidden_layers - 1 ? 'full_attention' : 'sliding_attention'));
  for (const [layer_types, expected] of [[types, undefined], [types.map(() => 'full_attention'), 1], [types.map(() => 'sliding_attention'), config.num_hidden_layers + 1]] as const) {
    const model = await quantizeFolder(runtime, await openFolder(changed('gemma3', { query_pre_attn_scalar: config.head_dim, layer_types })), { type: 'F32' });
    await model.close();
    const field: GgufField = model.metadata.get('gemma3.attention.sliding_window_pattern')!;
    assert.equal(field.value, expected ?? types.map((type) => type === 'sliding_attention'));
  }
});
refused.run();
