import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readGguf, type GgufHeader, type GgufValue } from '../../src/formats/gguf.js';
import { GgufStrings } from '../../src/formats/gguf-strings.js';
import { streamGguf, type GgufField } from '../../src/formats/gguf-write.js';

/** A source that gives at most what is asked for, and counts. */
function sourceOf(bytes: Uint8Array, reads: [number, number][] = []): { size: number; read(begin: number, end: number): Promise<Uint8Array> } {
  return { size: bytes.length, read: async (begin, end) => { reads.push([begin, end]); return bytes.subarray(begin, end); } };
}

async function written(metadata: Readonly<Record<string, GgufField>>, tensors: Parameters<typeof streamGguf>[0] = []): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of streamGguf(tensors, new Map(Object.entries(metadata)))) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const read = async (metadata: Readonly<Record<string, GgufField>>): Promise<GgufHeader> => readGguf(sourceOf(await written(metadata)));

/** A list of strings as the host's strings, each asked for alone. */
const plain = (value: GgufValue | undefined): unknown => (value instanceof GgufStrings ? Array.from({ length: value.length }, (_, i) => value.at(i)) : value);

const values = suite('GGUF: values');
values('every type of value', async () => {
  const given: Record<string, GgufField> = {
    u8: { type: 'u8', value: 255 }, i8: { type: 'i8', value: -128 }, u16: { type: 'u16', value: 65535 }, i16: { type: 'i16', value: -32768 }, u32: { type: 'u32', value: 4294967295 }, i32: { type: 'i32', value: -2147483648 },
    f32: { type: 'f32', value: 0.5 }, yes: { type: 'bool', value: true }, no: { type: 'bool', value: false }, text: { type: 'string', value: 'Ġ中😀\u0000"' }, empty: { type: 'string', value: '' },
    u64: { type: 'u64', value: 9007199254740991 }, u64_large: { type: 'u64', value: 2n ** 64n - 1n }, i64: { type: 'i64', value: -9007199254740991 }, i64_large: { type: 'i64', value: -(2n ** 63n) }, f64: { type: 'f64', value: 1e300 },
  };
  const { metadata, version } = await read(given);
  assert.is(version, 3);
  assert.equal([...metadata], Object.entries(given).map(([key, { value }]) => [key, value]));
});
values('arrays of numbers are of the type of the file', async () => {
  const arrays: GgufValue[] = [Uint8Array.of(1, 255), Int8Array.of(-1), Uint16Array.of(65535), Int16Array.of(-2), Uint32Array.of(4294967295), Int32Array.of(-3), Float32Array.of(0.25), BigUint64Array.of(2n ** 64n - 1n), BigInt64Array.of(-1n), Float64Array.of(1e-300), ['a', '', 'é'], [true, false]];
  const { metadata } = await read(Object.fromEntries(arrays.map((value, i) => [`k${i}`, { type: 'array', value }])));
  assert.equal([...metadata.values()].map(plain), arrays);
});
values('arrays in arrays', async () => {
  const bytes = Buffer.from(await written({ k: { type: 'array', value: [] as string[] } }));
  const at = bytes.indexOf('k') + 1;
  const u32 = (value: number): Buffer => { const b = Buffer.alloc(4); b.writeUInt32LE(value); return b; };
  const u64 = (value: number): Buffer => { const b = Buffer.alloc(8); b.writeUInt32LE(value); return b; };
  const inner = Buffer.concat([u32(9), u64(2), u32(0), u64(2), Buffer.from([1, 2]), u32(8), u64(1), u64(3), Buffer.from('abc')]);
  const { metadata } = await readGguf(sourceOf(Buffer.concat([bytes.subarray(0, at), u32(9), inner])));
  assert.equal((metadata.get('k') as GgufValue[]).map(plain), [Uint8Array.of(1, 2), ['abc']]);
});
values('strings of every length and script, as TextDecoder reads them; what is not UTF-8 is told by U+FFFD', async () => {
  const scripts = ['a', 'Ġ', 'é', 'ß', '中', '한', '😀', '\u0800', '\ud7ff', '\ue000', '\uffff', '\u0000', '\ufeff', 'क्ष'];
  const list = Array.from({ length: 400 }, (_, i) => Array.from({ length: i % 60 }, (_, j) => scripts[(i * 7 + j * (i % 5)) % scripts.length]).join(''));
  const found = (await read({ k: { type: 'array', value: list } })).metadata.get('k') as GgufStrings;
  assert.equal(plain(found), list);
  assert.equal([...found], list);
  const bytes = Buffer.from(await written({ k: { type: 'array', value: ['xxxx', 'yyyy', 'zzzz'] } }));
  bytes.set([0xff, 0x61, 0xc3, 0x28], bytes.indexOf('xxxx'));
  bytes.set([0xed, 0xa0, 0x80, 0x62], bytes.indexOf('yyyy'));
  bytes.set([0xe4, 0xb8, 0xad, 0xe4], bytes.indexOf('zzzz'));
  const bent = (await readGguf(sourceOf(bytes))).metadata.get('k') as GgufStrings;
  assert.equal(plain(bent), ['\ufffda\ufffd(', '\ufffd\ufffd\ufffdb', '中\ufffd']);
});
values('a header of several chunks is read once, each byte once', async () => {
  const list = Array.from({ length: 120_000 }, (_, i) => `token ${i} é`);
  const bytes = await written({ tokens: { type: 'array', value: list }, scores: { type: 'array', value: Float32Array.from(list, (_, i) => i) }, long: { type: 'string', value: 'x'.repeat(3_000_000) }, last: { type: 'u8', value: 7 } });
  const reads: [number, number][] = [];
  const { metadata } = await readGguf(sourceOf(bytes, reads));
  assert.equal(plain(metadata.get('tokens')), list);
  assert.is((metadata.get('scores') as Float32Array)[119_999], 119_999);
  assert.is((metadata.get('long') as string).length, 3_000_000);
  assert.is(metadata.get('last'), 7);
  assert.ok(reads.length >= 5);
  for (let i = 2; i < reads.length; i++) assert.is(reads[i]![0], reads[i - 1]![1]); // behind the four bytes of the magic
});
values.run();

const tensors = suite('GGUF: tensors');
tensors('places, shapes and types, of gguf-py\'s file', async () => {
  const bytes = readFileSync('tests/golden/gguf/blocks32.gguf');
  const header = await readGguf(sourceOf(bytes));
  assert.equal(header.tensors.get('token_embd.weight')?.shape, [67, 64]);
  assert.is(header.tensors.get('blk.0.ffn_down.weight')?.shape[1], 96);
  const dtypes = new Set([...header.tensors.values()].map(({ dtype }) => dtype));
  assert.equal([...dtypes].sort(), ['BF16', 'F16', 'F32', 'Q4_0', 'Q4_1', 'Q5_0', 'Q5_1', 'Q8_0']);
  assert.is(header.headerBytes % 32, 0);
  assert.is(Math.min(...[...header.tensors.values()].map(({ begin }) => begin)), header.headerBytes);
});
tensors('version 2 is the same', async () => {
  const bytes = Buffer.from(readFileSync('tests/golden/gguf/qwen2.gguf'));
  const three = await readGguf(sourceOf(bytes));
  bytes.writeUInt32LE(2, 4);
  const two = await readGguf(sourceOf(bytes));
  assert.is(two.version, 2);
  assert.equal(two.tensors, three.tensors);
});
tensors('a type that can only be shown', async () => {
  const { tensors: found } = await readGguf(sourceOf(await written({}, [{ name: 'a', dtype: 'IQ2_XS', shape: [2, 512], bytes: new Uint8Array(4 * 74) }])));
  assert.equal(found.get('a'), { name: 'a', dtype: 'IQ2_XS', shape: [2, 512], begin: found.get('a')!.begin, end: found.get('a')!.begin + 296 });
});
tensors('another alignment, no tensors, no keys', async () => {
  const { headerBytes } = await readGguf(sourceOf(await written({ 'general.alignment': { type: 'u32', value: 1 } })));
  assert.ok(headerBytes < 64);
  const none = await readGguf(sourceOf(await written({})));
  assert.equal([none.tensors.size, none.metadata.size], [0, 0]);
});
tensors.run();
