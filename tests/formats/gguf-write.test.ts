import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { GgufStrings } from '../../src/formats/gguf-strings.js';
import { readGguf } from '../../src/formats/gguf.js';
import { layOutGguf, streamGguf, valueTypeOf, type GgufField, type GgufTensorChunks } from '../../src/formats/gguf-write.js';
import { isLorikeetError } from '../../src/errors.js';

const test = suite('GGUF writer');

/** Every type a value can have, at the ends of its range. */
const EVERY: readonly (readonly [string, GgufField])[] = [
  ['general.architecture', { type: 'string', value: 'llama' }],
  ['u8', { type: 'u8', value: 255 }], ['i8', { type: 'i8', value: -128 }], ['u16', { type: 'u16', value: 65535 }], ['i16', { type: 'i16', value: -32768 }],
  ['u32', { type: 'u32', value: 4294967295 }], ['i32', { type: 'i32', value: -2147483648 }], ['f32', { type: 'f32', value: 10000 }], ['f64', { type: 'f64', value: 0.1 }],
  ['u64', { type: 'u64', value: 2n ** 64n - 1n }], ['i64', { type: 'i64', value: -(2n ** 63n) }], ['small i64', { type: 'i64', value: -5 }],
  ['true', { type: 'bool', value: true }], ['false', { type: 'bool', value: false }], ['text', { type: 'string', value: 'Grüße 🦜 \u0000' }],
  ['tokens', { type: 'array', value: ['', 'Ġa', '▁'] }], ['bools', { type: 'array', value: [true, false] }], ['none', { type: 'array', value: [] }],
  ['bytes', { type: 'array', value: Uint8Array.of(1, 2) }], ['shorts', { type: 'array', value: Int16Array.of(-1, 2) }], ['scores', { type: 'array', value: Float32Array.of(-1.5, 0) }],
  ['types', { type: 'array', value: Int32Array.of(1, -3) }], ['longs', { type: 'array', value: BigUint64Array.of(2n ** 63n) }], ['doubles', { type: 'array', value: Float64Array.of(0.1) }],
  ['nested', { type: 'array', value: [Uint32Array.of(1), Uint32Array.of(2, 3)] }],
];

const bytes = (count: number, from = 0): Uint8Array => Uint8Array.from({ length: count }, (_, i) => i + from);

async function whole(tensors: readonly GgufTensorChunks[], metadata: ReadonlyMap<string, GgufField>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of streamGguf(tensors, metadata)) chunks.push(chunk.slice());
  return new Uint8Array(Buffer.concat(chunks));
}

const source = (file: Uint8Array) => ({ name: 'memory', size: file.length, read: async (begin: number, end: number) => file.subarray(begin, end) });

test('what is written is read again: metadata of every type, in order, and tensors at their places', async () => {
  const tensors: GgufTensorChunks[] = [
    { name: 'token_embd.weight', dtype: 'Q8_0', shape: [3, 64], bytes: () => [bytes(100), bytes(104, 100)] },
    { name: 'blk.0.attn_norm.weight', dtype: 'F32', shape: [3], bytes: bytes(12) },
    { name: 'experts', dtype: 'Q4_0', shape: [2, 2, 32], bytes: async function* () { yield bytes(72); } },
    { name: 'last', dtype: 'F16', shape: [5], bytes: bytes(10) },
  ];
  const metadata = new Map(EVERY);
  const file = await whole(tensors, metadata);
  assert.is(file.length % 32, 0);
  assert.is(file.length, layOutGguf(tensors, metadata).fileSize);
  const header = await readGguf(source(file));
  assert.is(header.version, 3);
  assert.equal([...header.metadata.keys()], EVERY.map(([key]) => key));
  for (const [key, { type, value }] of EVERY) {
    assert.is(valueTypeOf(header.types.get(key)!), type, key);
    const found = header.metadata.get(key);
    assert.equal(found instanceof GgufStrings ? [...found] : found, value, key);
  }
  assert.equal([...header.tensors.keys()], tensors.map(({ name }) => name));
  for (const { name, dtype, shape } of tensors) {
    const found = header.tensors.get(name)!;
    assert.equal({ dtype: found.dtype, shape: found.shape }, { dtype, shape });
    assert.is(found.begin % 32, 0);
  }
  const place = (name: string): Uint8Array => file.subarray(header.tensors.get(name)!.begin, header.tensors.get(name)!.end);
  assert.equal(place('token_embd.weight'), bytes(204));
  assert.equal(place('experts'), bytes(72));
  assert.equal(place('last'), bytes(10));
  assert.equal(file.subarray(header.tensors.get('last')!.end), new Uint8Array(22));
});

test('a large vocabulary outgrows the first buffer', async () => {
  const tokens = Array.from({ length: 40000 }, (_, i) => `token ${i}`);
  const header = await readGguf(source(await whole([], new Map<string, GgufField>([['tokenizer.ggml.tokens', { type: 'array', value: tokens }]]))));
  assert.equal([...(header.metadata.get('tokenizer.ggml.tokens') as GgufStrings)], tokens);
});

const refused = (name: string, code: string, tensors: readonly GgufTensorChunks[], metadata: Readonly<Record<string, GgufField>> = {}): void => test(`refused: ${name}`, async () => {
  const error = await whole(tensors, new Map(Object.entries(metadata))).catch((reason: unknown) => reason);
  assert.ok(isLorikeetError(error, code), `expected ${code}, found ${String(error)}`);
});

const tensor = (fields: Partial<GgufTensorChunks>): GgufTensorChunks => ({ name: 'w', dtype: 'F32', shape: [2], bytes: bytes(8), ...fields });
refused('two tensors of one name', 'gguf/duplicate-tensor', [tensor({}), tensor({})]);
refused('a row that is no whole number of blocks', 'gguf/partial-block', [tensor({ dtype: 'Q4_0', shape: [2, 48] })]);
refused('no dimension', 'gguf/bad-shape', [tensor({ shape: [] })]);
refused('five dimensions', 'gguf/bad-shape', [tensor({ shape: [1, 1, 1, 1, 2] })]);
refused('an empty dimension', 'gguf/bad-shape', [tensor({ shape: [0, 2] })]);
refused("a name longer than ggml's", 'gguf/name-too-long', [tensor({ name: 'w'.repeat(64) })]);
refused('too few bytes', 'gguf/wrong-size', [tensor({ bytes: bytes(7) })]);
refused('too many bytes', 'gguf/wrong-size', [tensor({ bytes: () => [bytes(8), bytes(1)] })]);
refused('a number outside its type', 'gguf/bad-value', [], { 'llama.block_count': { type: 'u32', value: -1 } });
refused('a fraction as an integer', 'gguf/bad-value', [], { 'llama.block_count': { type: 'u32', value: 1.5 } });
refused('a number as text', 'gguf/bad-value', [], { 'general.name': { type: 'string', value: 5 } });
refused('a list as a number', 'gguf/bad-value', [], { k: { type: 'f32', value: ['1'] } });
refused('a number as a list', 'gguf/bad-value', [], { k: { type: 'array', value: 1 } });

test.run();
