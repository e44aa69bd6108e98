// Writes tests/attacks/gguf/: small malformed files, each breaking one rule of the format, and manifest.json with the code that each must give.
//   node tests/attacks/make-gguf.mjs
// The files are committed, so that other readers can be held against them too; a test checks that this script still writes the same bytes.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const bytes = (...parts) => Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Uint8Array.from(part))));
const u32 = (value) => { const b = Buffer.alloc(4); b.writeUInt32LE(value >>> 0); return b; };
const u64 = (value) => { const b = Buffer.alloc(8); b.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value))); return b; };
const string = (text) => { const b = typeof text === 'string' ? Buffer.from(text) : Buffer.from(text); return bytes(u64(b.length), b); };

/** Value types by number; a value is [type, bytes]. */
const TYPES = { u8: 0, i8: 1, u16: 2, i16: 3, u32: 4, i32: 5, f32: 6, bool: 7, string: 8, array: 9, u64: 10, i64: 11, f64: 12 };
const key = (name, type, value) => bytes(string(name), u32(TYPES[type] ?? type), value);
const arch = key('general.architecture', 'string', string('llama'));
const align = (value) => key('general.alignment', 'u32', u32(value));
const array = (type, count, content) => bytes(u32(TYPES[type] ?? type), u64(count), content);
const tensor = (name, dims, type, offset) => bytes(string(name), u32(dims.length), ...dims.map(u64), u32(type), u64(offset));
const F32 = 0, Q4_0 = 2, Q4_K = 12;

/** A file whose counts are right, padded to 32, with `data` bytes of tensors behind. */
const file = (keys, tensors, data = 0, { version = 3, tensorCount = tensors.length, keyCount = keys.length, alignment = 32 } = {}) => {
  const head = bytes('GGUF', u32(version), u64(tensorCount), u64(keyCount), ...keys, ...tensors);
  return bytes(head, Buffer.alloc((alignment - (head.length % alignment)) % alignment), Buffer.alloc(data, 1));
};
const nested = (depth) => (depth === 1 ? array('u8', 1, [7]) : array('array', 1, nested(depth - 1)));

export const attacks = {
  // Magic and version
  'empty': ['magic', bytes()],
  'three_bytes': ['magic', bytes('GGU')],
  'ggml_instead': ['magic', bytes('lmgg', u32(1))],
  'ggjt_instead': ['magic', bytes('tjgg', u32(3))],
  'safetensors_instead': ['magic', bytes(u64(2), '{}')],
  'zip_instead': ['magic', bytes('PK\u0003\u0004', [0x14, 0, 8, 8], 'archive/data.pkl')],
  'lower_case': ['magic', bytes('gguf', u32(3), u64(0), u64(0))],
  'big_endian': ['big-endian', bytes('GGUF', [0, 0, 0, 3], [0, 0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0, 0])],
  'big_endian_version_2': ['big-endian', bytes('GGUF', [0, 0, 0, 2], u64(0), u64(0))],
  'version_0': ['version', bytes('GGUF', u32(0), u64(0), u64(0))],
  'version_1': ['version', bytes('GGUF', u32(1), u32(0), u32(0))],
  'version_4': ['version', bytes('GGUF', u32(4), u64(0), u64(0))],
  'version_65535': ['version', bytes('GGUF', u32(65535), u64(0), u64(0))],
  // Cut
  'magic_alone': ['truncated', bytes('GGUF')],
  'cut_in_version': ['truncated', bytes('GGUF', [3, 0])],
  'cut_in_counts': ['truncated', bytes('GGUF', u32(3), u64(0), [0, 0, 0])],
  'cut_before_counts': ['truncated', bytes('GGUF', u32(3))],
  'cut_in_value': ['truncated', bytes('GGUF', u32(3), u64(0), u64(1), string('kkkkkkkk'), u32(TYPES.u64), [1, 2, 3])],
  'cut_before_value_type': ['truncated', bytes('GGUF', u32(3), u64(0), u64(1), string('kkkkkkkk'), [8])],
  'cut_in_string_length': ['truncated', bytes('GGUF', u32(3), u64(0), u64(1), string('kkkkkkkk'), u32(TYPES.string), [3, 0, 0, 0])],
  'cut_in_array_count': ['truncated', bytes('GGUF', u32(3), u64(0), u64(1), string('kkkkkkkk'), u32(TYPES.array), u32(TYPES.u8), [1, 0])],
  'cut_in_array_of_strings': ['truncated', bytes('GGUF', u32(3), u64(0), u64(1), key('k', 'array', array('string', 2, string('aaaaaaaaaa'))), [1, 0, 0])],
  'cut_in_tensor': ['truncated', bytes('GGUF', u32(3), u64(1), u64(0), string('a'), u32(2), u64(1), [1, 0, 0, 0, 0, 0, 0])],
  'cut_in_dimensions': ['truncated', bytes('GGUF', u32(3), u64(1), u64(0), string('a'), u32(4), u64(1), u64(1))],
  // Counts
  'tensors_2_32': ['count-beyond-file', file([arch], [], 0, { tensorCount: 2 ** 32 })],
  'tensors_2_63': ['count-beyond-file', file([arch], [], 0, { tensorCount: 2n ** 63n })],
  'tensors_all_ones': ['count-beyond-file', file([arch], [], 0, { tensorCount: 2n ** 64n - 1n })],
  'keys_2_32': ['count-beyond-file', file([arch], [], 0, { keyCount: 2 ** 32 })],
  'keys_all_ones': ['count-beyond-file', file([arch], [], 0, { keyCount: 2n ** 64n - 1n })],
  'one_tensor_too_many': ['count-beyond-file', bytes('GGUF', u32(3), u64(2), u64(0), tensor('a', [], F32, 0), Buffer.alloc(4))],
  // Keys
  'key_length_2_63': ['string-beyond-file', bytes('GGUF', u32(3), u64(0), u64(1), u64(2n ** 63n), Buffer.alloc(16))],
  'key_longer_than_file': ['string-beyond-file', bytes('GGUF', u32(3), u64(0), u64(1), u64(100), 'general', Buffer.alloc(8))],
  'key_over_64_kb': ['name-too-long', file([key('k'.repeat(65536), 'u8', [0])], [])],
  'key_not_utf8': ['not-utf8', file([key([0x66, 0xff, 0xfe], 'u8', [0])], [])],
  'key_utf8_surrogate': ['not-utf8', file([key([0xed, 0xa0, 0x80], 'u8', [0])], [])],
  'duplicate_key': ['duplicate-key', file([arch, arch], [])],
  'duplicate_key_other_type': ['duplicate-key', file([arch, key('general.architecture', 'u8', [1])], [])],
  // Values
  'value_type_13': ['value-type', file([key('k', 13, u64(0))], [])],
  'value_type_all_ones': ['value-type', file([key('k', 0xffffffff, u64(0))], [])],
  'value_string_all_ones': ['string-beyond-file', file([key('k', 'string', u64(2n ** 64n - 1n))], [])],
  'value_string_one_byte_longer': ['string-beyond-file', bytes('GGUF', u32(3), u64(0), u64(1), key('k', 'string', bytes(u64(5), 'four')))],
  'bool_2': ['bad-bool', file([key('k', 'bool', [2])], [])],
  'bool_255_in_array': ['bad-bool', file([key('k', 'array', array('bool', 2, [1, 255]))], [])],
  'array_type_13': ['value-type', file([key('k', 'array', array(13, 1, [0]))], [])],
  'array_2_32': ['array-beyond-file', file([key('k', 'array', array('u8', 2 ** 32, [0]))], [])],
  'array_all_ones': ['array-beyond-file', file([key('k', 'array', array('f64', 2n ** 64n - 1n, [0]))], [])],
  'array_bytes_wrap': ['array-beyond-file', file([key('k', 'array', array('u64', 2n ** 61n + 1n, u64(0)))], [])],
  'array_of_strings_2_40': ['array-beyond-file', file([key('k', 'array', array('string', 2 ** 40, string('a')))], [])],
  'array_of_arrays_2_40': ['array-beyond-file', file([key('k', 'array', array('array', 2 ** 40, nested(1)))], [])],
  'array_string_beyond': ['string-beyond-file', file([key('k', 'array', array('string', 2, bytes(string('a'), u64(1000))))], [])],
  'nested_5': ['nesting', file([key('k', 'array', nested(5))], [])],
  'nested_500': ['nesting', file([key('k', 'array', nested(500))], [])],
  // Alignment
  'alignment_0': ['alignment', file([align(0)], [])],
  'alignment_24': ['alignment', file([align(24)], [])],
  'alignment_2_31': ['alignment', file([align(2 ** 31)], [])],
  'alignment_4_mb': ['alignment', file([align(2 ** 22)], [])],
  'alignment_is_string': ['alignment', file([key('general.alignment', 'string', string('32'))], [])],
  'alignment_is_fraction': ['alignment', file([key('general.alignment', 'f32', [0, 0, 0, 63])], [])],
  'alignment_is_array': ['alignment', file([key('general.alignment', 'array', array('u32', 1, u32(32)))], [])],
  'alignment_is_bool': ['alignment', file([key('general.alignment', 'bool', [1])], [])],
  // Tensors: names
  'duplicate_tensor': ['duplicate-tensor', file([arch], [tensor('a', [1], F32, 0), tensor('a', [1], F32, 32)], 36)],
  'tensor_name_not_utf8': ['not-utf8', file([], [tensor([0xc0, 0xaf], [1], F32, 0)], 4)],
  'tensor_name_beyond': ['string-beyond-file', bytes('GGUF', u32(3), u64(1), u64(0), u64(2n ** 62n), Buffer.alloc(32))],
  // Tensors: shapes
  'five_dimensions': ['too-many-dimensions', file([], [tensor('a', [1, 1, 1, 1, 1], F32, 0)], 4)],
  'dimensions_all_ones': ['too-many-dimensions', bytes('GGUF', u32(3), u64(1), u64(0), string('a'), u32(0xffffffff), Buffer.alloc(32))],
  'dimension_0': ['empty-dimension', file([], [tensor('a', [0], F32, 0)])],
  'dimension_0_of_two': ['empty-dimension', file([], [tensor('a', [4, 0], F32, 0)])],
  'dimension_negative': ['count-overflow', file([], [tensor('a', [-1], F32, 0)], 4)],
  'dimensions_wrap_to_zero': ['count-overflow', file([], [tensor('a', [2 ** 32, 2 ** 32], F32, 0)], 4)],
  'dimensions_wrap_to_one': ['count-overflow', file([], [tensor('a', [2n ** 63n + 1n, 2n ** 63n + 1n], F32, 0)], 4)],
  'dimensions_of_2_53': ['count-overflow', file([], [tensor('a', [2 ** 27, 2 ** 26], F32, 0)], 4)],
  'bytes_overflow': ['count-overflow', file([], [tensor('a', [2 ** 26, 2 ** 26], 27, 0)], 4)],
  // Tensors: types
  'type_4_dropped': ['tensor-type', file([], [tensor('a', [32], 4, 0)], 64)],
  'type_42': ['tensor-type', file([], [tensor('a', [32], 42, 0)], 64)],
  'type_all_ones': ['tensor-type', file([], [tensor('a', [32], 0xffffffff, 0)], 64)],
  'row_of_half_a_block': ['partial-block', file([], [tensor('a', [16], Q4_0, 0)], 32)],
  'rows_that_share_a_block': ['partial-block', file([], [tensor('a', [16, 2], Q4_0, 0)], 32)],
  'row_of_a_block_and_a_half': ['partial-block', file([], [tensor('a', [384], Q4_K, 0)], 256)],
  'row_of_32_in_superblocks': ['partial-block', file([], [tensor('a', [32, 8], Q4_K, 0)], 144)],
  // Tensors: places
  'misaligned': ['misaligned', file([], [tensor('a', [1], F32, 4)], 8)],
  'misaligned_to_64': ['misaligned', file([align(64)], [tensor('a', [1], F32, 32)], 36, { alignment: 64 })],
  'offset_2_63': ['offset-beyond-file', file([], [tensor('a', [1], F32, 2n ** 63n)], 4)],
  'offset_wraps': ['offset-beyond-file', file([], [tensor('a', [8], F32, 2n ** 64n - 32n)], 32)],
  'data_cut': ['offset-beyond-file', file([], [tensor('a', [4], F32, 0)], 15)],
  'data_missing': ['offset-beyond-file', file([], [tensor('a', [4], F32, 0)])],
  'second_tensor_cut': ['offset-beyond-file', file([], [tensor('a', [4], F32, 0), tensor('b', [8], F32, 32)], 48)],
  'terabytes': ['offset-beyond-file', file([], [tensor('a', [2 ** 40], 24, 0)], 8)],
  'block_cut': ['offset-beyond-file', file([], [tensor('a', [32], Q4_0, 0)], 17)],
  'overlap_equal': ['overlap', file([], [tensor('a', [8], F32, 0), tensor('b', [8], F32, 0)], 32)],
  'overlap_inside': ['overlap', file([], [tensor('a', [32], F32, 0), tensor('b', [8], F32, 32)], 128)],
  'overlap_backwards': ['overlap', file([], [tensor('a', [8], F32, 32), tensor('b', [9], F32, 0)], 64)],
};

export const manifest = Object.fromEntries(Object.entries(attacks).map(([name, [rule]]) => [`${name}.gguf`, `gguf/${rule}`]));

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const folder = new URL('gguf/', import.meta.url);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  for (const [name, [, content]] of Object.entries(attacks)) writeFileSync(new URL(`${name}.gguf`, folder), content);
  writeFileSync(new URL('manifest.json', folder), `${JSON.stringify(manifest, null, 2)}\n`);
  console.log(`${Object.keys(attacks).length} files`);
}
