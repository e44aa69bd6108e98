import { readdirSync, readFileSync, existsSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isLorikeetError } from '../../src/errors.js';
import { bitsOf, layOut, parseHeader, readHeader, SAFETENSORS_DTYPES, type SafetensorsDtype, shardedIndex, streamSafetensors, type TensorBytes, writeSafetensors } from '../../src/formats/safetensors.js';

/** Small seeded generator (mulberry32), so that a failure can be repeated. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

function drawTensors(next: (below: number) => number): TensorBytes[] {
  const alphabet = ['a', 'b.weight', 'é', '😀', '"', '\\', '\n', '7', '__proto__', '\uffee', 'x'.repeat(40)];
  const tensors = new Map<string, TensorBytes>();
  for (let i = next(8); i > 0; i--) {
    const name = Array.from({ length: 1 + next(3) }, () => alphabet[next(alphabet.length)]!).join('.');
    const dtype = SAFETENSORS_DTYPES[next(SAFETENSORS_DTYPES.length)]!;
    const shape = Array.from({ length: next(4) }, () => next(5));
    if ((shape.reduce((n, s) => n * s, 1) * bitsOf(dtype)) % 8 !== 0) shape.push(8);
    const bytes = new Uint8Array((shape.reduce((n, s) => n * s, 1) * bitsOf(dtype)) / 8).map(() => next(256));
    tensors.set(name, { name, dtype, shape, bytes });
  }
  return [...tensors.values()];
}

const source = (file: Uint8Array) => ({ size: file.length, read: async (begin: number, end: number) => file.subarray(begin, end) });
const code = (run: () => unknown) => { try { run(); } catch (e) { if (isLorikeetError(e)) return e.code; throw e; } return 'none'; };

const both = suite('safetensors: reading what was written');
both('500 drawn files come back whole, as one array and as a stream', async () => {
  for (let seed = 0; seed < 500; seed++) {
    const next = random(seed);
    const tensors = drawTensors(next);
    const metadata: Record<string, string> = next(2) ? { format: 'pt', 'ключ "1"': '\u0000\n😀', '2': 'b' } : {};
    const file = writeSafetensors(tensors, metadata);
    const { tensors: found, metadata: foundMetadata, headerBytes } = await readHeader(source(file));
    assert.is(headerBytes % 8, 0);
    assert.equal({ ...foundMetadata }, metadata);
    assert.is(found.size, tensors.length, `seed ${seed}`);
    for (const { name, dtype, shape, bytes } of tensors) {
      const info = found.get(name)!;
      assert.equal([info.name, info.dtype, info.shape], [name, dtype, shape]);
      assert.equal(file.subarray(info.begin, info.end), bytes);
    }
    const begins = [...found.values()].map(({ begin }) => begin);
    assert.equal(begins, [...begins].sort((a, b) => a - b), 'in the order of the file');
    assert.equal(writeSafetensors([...tensors].reverse(), metadata), file, 'whatever the order they are given in');

    const chunks: Uint8Array[] = [];
    const halves = tensors.map((t) => ({ ...t, bytes: () => [t.bytes.subarray(0, t.bytes.length >> 1), t.bytes.subarray(t.bytes.length >> 1)] }));
    for await (const chunk of streamSafetensors(next(2) ? halves : tensors, metadata)) chunks.push(chunk);
    assert.ok(Buffer.concat(chunks).equals(file));
  }
});

both('every dtype lands where its alignment wants it', () => {
  const tensors = SAFETENSORS_DTYPES.map((dtype: SafetensorsDtype) => ({ name: dtype, dtype, shape: [4] }));
  const { tensors: placed, header } = layOut(tensors);
  for (const { tensor, begin } of placed) assert.is((begin - header.length) % Math.max(1, bitsOf(tensor.dtype) >> 3), 0, tensor.name);
});

both('rewriting the files of the reference implementation gives their bytes', () => {
  const models = 'tests/golden/models';
  let files = 0;
  const rewrite = (path: string) => {
    if (!existsSync(path)) return;
    const file = new Uint8Array(readFileSync(path));
    const length = Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
    const { tensors, metadata } = parseHeader(file.subarray(8, 8 + length), file.length);
    if (Object.keys(metadata).length > 1) return; // the crate writes its keys in no fixed order
    const again = writeSafetensors([...tensors.values()].map((t) => ({ ...t, bytes: file.subarray(t.begin, t.end) })), metadata);
    assert.ok(Buffer.from(again).equals(file), path);
    files++;
  };
  for (const model of readdirSync(models)) {
    rewrite(`${models}/${model}/model.safetensors`);
    for (const adapter of readdirSync(`${models}/${model}/adapters`)) rewrite(`${models}/${model}/adapters/${adapter}/adapter_model.safetensors`);
  }
  assert.ok(files > 100, `${files} files`);
});

both('a header longer than one read is put together', async () => {
  const tensors = Array.from({ length: 20_000 }, (_, i) => ({ name: `model.layers.${i}.self_attn.q_proj.lora_A.weight`, dtype: 'U8' as const, shape: [1], bytes: new Uint8Array([i]) }));
  const file = writeSafetensors(tensors);
  const reused = new Uint8Array(1 << 20);
  const header = await readHeader({ size: file.length, read: async (begin, end) => { reused.set(file.subarray(begin, end)); return reused.subarray(0, end - begin); } });
  assert.ok(header.headerBytes > 2 << 20);
  assert.is(header.tensors.size, 20_000);
});

both('an empty file of the format', () => {
  assert.equal([...writeSafetensors([])], [8, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0x7d, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20]);
});
both.run();

const lax = suite('safetensors: what may be');
const header = (json: string, data: number) => parseHeader(new TextEncoder().encode(json), 8 + new TextEncoder().encode(json).length + data);
lax('any order of tensors, unknown fields, null metadata, padding, empty tensors, scalars', () => {
  const { tensors, metadata, headerBytes } = header('{"b":{"shape":[],"dtype":"F32","data_offsets":[4,8],"note":[{}]},"a":{"dtype":"I8","shape":[2,2],"data_offsets":[0,4]},"z":{"dtype":"F32","shape":[0,3],"data_offsets":[4,4]},"__metadata__":null} \n ', 8);
  assert.equal([...tensors.keys()], ['a', 'z', 'b']);
  assert.equal(tensors.get('b')!.begin, headerBytes + 4);
  assert.equal({ ...metadata }, {});
  assert.throws(() => { (tensors.get('a')!.shape as number[]).push(1); }, TypeError);
});
lax('names of prototypes are names', () => {
  const { tensors, metadata } = header('{"__proto__":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"constructor":{"dtype":"U8","shape":[1],"data_offsets":[1,2]},"__metadata__":{"__proto__":"x"}}', 2);
  assert.is(tensors.size, 2);
  assert.is(metadata['__proto__'], 'x');
  assert.is(({} as { x?: string }).x, undefined);
});
lax.run();

const writer = suite('writeSafetensors: refusals');
writer('each by its code', async () => {
  const t = (given: object) => ({ name: 'a', dtype: 'F32' as const, shape: [1], bytes: new Uint8Array(4), ...given });
  assert.is(code(() => writeSafetensors([t({ bytes: new Uint8Array(3) })])), 'safetensors/wrong-size');
  assert.is(code(() => writeSafetensors([t({}), t({})])), 'safetensors/duplicate-key');
  assert.is(code(() => writeSafetensors([t({}), t({ dtype: 'I32' })])), 'safetensors/duplicate-key');
  assert.is(code(() => writeSafetensors([t({ dtype: 'F128' })])), 'safetensors/bad-dtype');
  assert.is(code(() => writeSafetensors([t({ shape: [-1] })])), 'safetensors/bad-shape');
  assert.is(code(() => writeSafetensors([t({ shape: [0.5, 2] })])), 'safetensors/bad-shape');
  assert.is(code(() => writeSafetensors([t({ shape: [2 ** 52, 2 ** 52] })])), 'safetensors/count-overflow');
  assert.is(code(() => writeSafetensors([t({ dtype: 'F4', shape: [3] })])), 'safetensors/misaligned');
  assert.is(code(() => writeSafetensors([t({ name: '__metadata__' })])), 'safetensors/bad-name');
  assert.is(code(() => writeSafetensors([t({ name: '\ud800' })])), 'safetensors/bad-name');
  assert.is(code(() => writeSafetensors([], { a: 1 as unknown as string })), 'safetensors/metadata-not-string');
  const drain = async (bytes: Uint8Array[]) => { try { for await (const _ of streamSafetensors([t({ bytes })])); } catch (e) { return isLorikeetError(e) && e.code; } return 'none'; };
  assert.is(await drain([new Uint8Array(2), new Uint8Array(2)]), 'none');
  assert.is(await drain([new Uint8Array(2), new Uint8Array(3)]), 'safetensors/wrong-size');
  assert.is(await drain([new Uint8Array(2)]), 'safetensors/wrong-size');
});
writer.run();

const index = suite('shardedIndex');
index('maps tensors to files, each file once', () => {
  const found = shardedIndex('{"metadata":{"total_size":8},"weight_map":{"b":"model-00002-of-00002.safetensors","a":"model-00001-of-00002.safetensors","c":"model-00002-of-00002.safetensors"}}');
  assert.equal(found.files, ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors']);
  assert.is(found.weightMap.get('c'), 'model-00002-of-00002.safetensors');
});
index('refuses what is no index', () => {
  for (const text of ['', '[]', '{}', '{"weight_map":[]}', '{"weight_map":{"a":1}}', '{"weight_map":{"a":"x","a":"y"}}', 'null']) assert.is(code(() => shardedIndex(text)), 'safetensors/index-invalid', text);
});
index('refuses files outside the folder', () => {
  for (const name of ['../a', '/a', 'C:/a', 'a\\b', 'http://x/a', '']) assert.is(code(() => shardedIndex(JSON.stringify({ weight_map: { t: name } }))), 'store/escape', name);
});
index.run();
