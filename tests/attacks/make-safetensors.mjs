// Writes tests/attacks/safetensors/: small malformed files, each breaking one rule of the format, and manifest.json with the code that each must give.
//   node tests/attacks/make-safetensors.mjs
// The files are committed, so that other readers can be held against them too; a test checks that this script still writes the same bytes.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const encoder = new TextEncoder();
const bytes = (...parts) => Buffer.concat(parts.map((part) => (typeof part === 'string' ? encoder.encode(part) : Uint8Array.from(part))));
const u64 = (value) => { const b = Buffer.alloc(8); b.writeBigUInt64LE(BigInt(value)); return b; };
/** A file whose stated header length is right: the attack is in the JSON or behind it. */
const file = (json, data = 0, length) => {
  const header = typeof json === 'string' ? encoder.encode(json) : json;
  return bytes(u64(length ?? header.length), header, Buffer.alloc(data, 1));
};
const tensor = (dtype, shape, begin, end) => `{"dtype":${JSON.stringify(dtype)},"shape":${JSON.stringify(shape)},"data_offsets":[${begin},${end}]}`;
const f32 = (shape, begin, end) => tensor('F32', shape, begin, end);

export const attacks = {
  // The length of the header
  'empty': ['header-too-short', bytes()],
  'seven_bytes': ['header-too-short', bytes([2, 0, 0, 0, 0, 0, 0])],
  'header_longer_than_file': ['header-beyond-file', bytes(u64(100), '{}')],
  'header_one_byte_longer': ['header-beyond-file', bytes(u64(3), '{}')],
  'header_length_only': ['header-beyond-file', bytes(u64(2))],
  'header_over_100_mb': ['header-too-large', bytes(u64(100_000_001), '{}')],
  'header_length_2_63': ['header-too-large', bytes(u64(2n ** 63n), '{}')],
  'header_length_all_ones': ['header-too-large', bytes(u64(2n ** 64n - 1n), '{}')],
  'header_length_wraps_with_8': ['header-too-large', bytes(u64(2n ** 64n - 8n), '{}      ')],
  'pickle_instead': ['header-too-large', bytes([0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8])],
  'zip_instead': ['header-too-large', bytes('PK\u0003\u0004', [0x14, 0, 8, 8], 'archive/data.pkl')],
  'gguf_instead': ['header-too-large', bytes('GGUF', [3, 0, 0, 0], '')],
  // The text of the header
  'header_empty': ['header-start', bytes(u64(0))],
  'header_starts_with_space': ['header-start', file(' {}')],
  'header_starts_with_bom': ['header-start', file('\ufeff{}')],
  'header_is_array': ['header-start', file('[]')],
  'header_is_null': ['header-start', file('null')],
  'not_utf8': ['header-not-utf8', file(bytes('{"', [0xff, 0xfe], '":', f32([], 0, 4), '}'), 4)],
  'utf8_overlong': ['header-not-utf8', file(bytes('{"', [0xc0, 0xaf], '":', f32([], 0, 4), '}'), 4)],
  'utf8_surrogate': ['header-not-utf8', file(bytes('{"', [0xed, 0xa0, 0x80], '":', f32([], 0, 4), '}'), 4)],
  'utf8_cut': ['header-not-utf8', file(bytes('{"a":', f32([], 0, 4), '}', [0xe2, 0x82]), 4)],
  'json_cut': ['header-not-json', file('{"a":{"dtype":"F32"')],
  'json_trailing_comma': ['header-not-json', file(`{"a":${f32([1], 0, 4)},}`, 4)],
  'json_single_quotes': ['header-not-json', file("{'a':1}")],
  'json_comment': ['header-not-json', file('{/* none */}')],
  'json_two_objects': ['header-not-json', file('{}{}')],
  'json_nul_padding': ['header-not-json', file('{}\u0000\u0000\u0000\u0000\u0000\u0000')],
  'json_control_in_string': ['header-not-json', file(`{"a\nb":${f32([1], 0, 4)}}`, 4)],
  'json_bad_escape': ['header-not-json', file(`{"\\x41":${f32([1], 0, 4)}}`, 4)],
  'json_lone_high_surrogate': ['header-not-json', file(`{"\\ud800":${f32([1], 0, 4)}}`, 4)],
  'json_lone_low_surrogate': ['header-not-json', file(`{"\\udc00":${f32([1], 0, 4)}}`, 4)],
  'json_leading_zero': ['header-not-json', file('{"a":{"dtype":"F32","shape":[01],"data_offsets":[0,4]}}', 4)],
  'json_plus_sign': ['header-not-json', file('{"a":{"dtype":"F32","shape":[+1],"data_offsets":[0,4]}}', 4)],
  'json_hexadecimal': ['header-not-json', file('{"a":{"dtype":"F32","shape":[0x1],"data_offsets":[0,4]}}', 4)],
  'nan_in_shape': ['nan', file('{"a":{"dtype":"F32","shape":[NaN],"data_offsets":[0,4]}}', 4)],
  'infinity_in_offsets': ['nan', file('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,Infinity]}}', 4)],
  'minus_infinity': ['nan', file('{"a":{"dtype":"F32","shape":[-Infinity],"data_offsets":[0,4]}}', 4)],
  'nested_arrays': ['nesting', file(`{"a":${'['.repeat(5000)}${']'.repeat(5000)}}`)],
  'nested_objects': ['nesting', file(`${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}`)],
  'duplicate_tensor': ['duplicate-key', file(`{"a":${f32([1], 0, 4)},"a":${f32([1], 4, 8)}}`, 8)],
  'duplicate_tensor_escaped': ['duplicate-key', file(`{"a":${f32([1], 0, 4)},"\\u0061":${f32([1], 4, 8)}}`, 8)],
  'duplicate_dtype': ['duplicate-key', file('{"a":{"dtype":"F32","dtype":"I32","shape":[1],"data_offsets":[0,4]}}', 4)],
  'duplicate_metadata': ['duplicate-key', file('{"__metadata__":{"format":"pt"},"__metadata__":{"format":"np"}}')],
  'duplicate_in_metadata': ['duplicate-key', file('{"__metadata__":{"format":"pt","format":"np"}}')],
  // Entries
  'entry_is_number': ['bad-entry', file('{"a":1}')],
  'entry_is_null': ['bad-entry', file('{"a":null}')],
  'entry_is_array': ['bad-entry', file('{"a":["F32",[1],[0,4]]}', 4)],
  'dtype_missing': ['bad-dtype', file('{"a":{"shape":[1],"data_offsets":[0,4]}}', 4)],
  'dtype_unknown': ['bad-dtype', file(`{"a":${tensor('F128', [1], 0, 16)}}`, 16)],
  'dtype_lower_case': ['bad-dtype', file(`{"a":${tensor('f32', [1], 0, 4)}}`, 4)],
  'dtype_is_number': ['bad-dtype', file('{"a":{"dtype":32,"shape":[1],"data_offsets":[0,4]}}', 4)],
  'dtype_of_prototype': ['bad-dtype', file(`{"a":${tensor('toString', [1], 0, 4)}}`, 4)],
  'shape_missing': ['bad-shape', file('{"a":{"dtype":"F32","data_offsets":[0,4]}}', 4)],
  'shape_is_number': ['bad-shape', file('{"a":{"dtype":"F32","shape":1,"data_offsets":[0,4]}}', 4)],
  'shape_negative': ['bad-shape', file('{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}', 4)],
  'shape_two_negatives': ['bad-shape', file('{"a":{"dtype":"F32","shape":[-1,-1],"data_offsets":[0,4]}}', 4)],
  'shape_minus_zero': ['bad-shape', file('{"a":{"dtype":"F32","shape":[-0],"data_offsets":[0,0]}}')],
  'shape_fraction': ['bad-shape', file('{"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}}', 4)],
  'shape_exponent': ['bad-shape', file('{"a":{"dtype":"F32","shape":[1e0],"data_offsets":[0,4]}}', 4)],
  'shape_of_strings': ['bad-shape', file('{"a":{"dtype":"F32","shape":["1"],"data_offsets":[0,4]}}', 4)],
  'shape_nested': ['bad-shape', file('{"a":{"dtype":"F32","shape":[[1]],"data_offsets":[0,4]}}', 4)],
  'count_2_64': ['count-overflow', file('{"a":{"dtype":"F32","shape":[18446744073709551616],"data_offsets":[0,4]}}', 4)],
  'count_wraps_to_one': ['count-overflow', file(`{"a":${f32([4294967296, 4294967296], 0, 4)}}`, 4)],
  'count_wraps_then_zero': ['count-overflow', file(`{"a":${f32([9007199254740991, 4, 0], 0, 0)}}`)],
  'count_of_bits_overflows': ['count-overflow', file(`{"a":${tensor('F64', [9007199254740991], 0, 8)}}`, 8)],
  'count_just_above_2_53': ['count-overflow', file('{"a":{"dtype":"U8","shape":[9007199254740993],"data_offsets":[0,9007199254740993]}}', 8)],
  'many_dimensions': ['count-overflow', file(`{"a":${f32(new Array(200).fill(2), 0, 4)}}`, 4)],
  'misaligned_f4': ['misaligned', file(`{"a":${tensor('F4', [3], 0, 2)}}`, 2)],
  'misaligned_f6': ['misaligned', file(`{"a":${tensor('F6_E2M3', [2], 0, 2)}}`, 2)],
  // Offsets
  'offsets_missing': ['bad-offsets', file('{"a":{"dtype":"F32","shape":[1]}}', 4)],
  'offsets_one': ['bad-offsets', file('{"a":{"dtype":"F32","shape":[1],"data_offsets":[4]}}', 4)],
  'offsets_three': ['bad-offsets', file('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}}', 4)],
  'offsets_negative': ['bad-offsets', file('{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}', 4)],
  'offsets_fraction': ['bad-offsets', file('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4.5]}}', 5)],
  'offsets_2_64': ['count-overflow', file('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,18446744073709551620]}}', 4)],
  'offsets_reversed': ['offsets-reversed', file(`{"a":${f32([1], 4, 0)}}`, 4)],
  'size_too_small': ['wrong-size', file(`{"a":${f32([2], 0, 4)}}`, 4)],
  'size_too_large': ['wrong-size', file(`{"a":${f32([1], 0, 8)}}`, 8)],
  'size_of_other_dtype': ['wrong-size', file(`{"a":${tensor('F16', [2], 0, 8)}}`, 8)],
  'size_of_empty': ['wrong-size', file(`{"a":${f32([0, 5], 0, 4)}}`, 4)],
  'data_cut': ['offset-beyond-file', file(`{"a":${f32([4], 0, 16)}}`, 12)],
  'data_missing': ['offset-beyond-file', file(`{"a":${f32([4], 0, 16)}}`)],
  'terabytes': ['offset-beyond-file', file(`{"a":${tensor('U8', [1099511627776], 0, 1099511627776)}}`, 8)],
  'second_tensor_cut': ['offset-beyond-file', file(`{"a":${f32([1], 0, 4)},"b":${f32([2], 4, 12)}}`, 8)],
  'overlap': ['overlap', file(`{"a":${f32([2], 0, 8)},"b":${f32([2], 4, 12)}}`, 12)],
  'overlap_equal': ['overlap', file(`{"a":${f32([2], 0, 8)},"b":${f32([2], 0, 8)}}`, 8)],
  'overlap_inside': ['overlap', file(`{"a":${f32([4], 0, 16)},"b":${f32([1], 4, 8)}}`, 16)],
  'overlap_by_empty': ['overlap', file(`{"a":${f32([2], 0, 8)},"b":${f32([0], 4, 4)}}`, 8)],
  'hole_at_start': ['hole', file(`{"a":${f32([1], 4, 8)}}`, 8)],
  'hole_between': ['hole', file(`{"a":${f32([1], 0, 4)},"b":${f32([1], 8, 12)}}`, 12)],
  'trailing_bytes': ['trailing-bytes', file(`{"a":${f32([1], 0, 4)}}`, 5)],
  'trailing_without_tensors': ['trailing-bytes', file('{}', 1)],
  // Metadata
  'metadata_is_string': ['metadata-not-string', file('{"__metadata__":"pt"}')],
  'metadata_is_array': ['metadata-not-string', file('{"__metadata__":["pt"]}')],
  'metadata_of_numbers': ['metadata-not-string', file('{"__metadata__":{"step":1}}')],
  'metadata_nested': ['metadata-not-string', file('{"__metadata__":{"config":{"r":8}}}')],
  'metadata_is_a_tensor': ['metadata-not-string', file(`{"__metadata__":${f32([1], 0, 4)}}`, 4)],
};

export const manifest = Object.fromEntries(Object.entries(attacks).map(([name, [rule]]) => [`${name}.safetensors`, `safetensors/${rule}`]));

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const folder = new URL('safetensors/', import.meta.url);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  for (const [name, [, content]] of Object.entries(attacks)) writeFileSync(new URL(`${name}.safetensors`, folder), content);
  writeFileSync(new URL('manifest.json', folder), `${JSON.stringify(manifest, null, 2)}\n`);
  console.log(`${Object.keys(attacks).length} files`);
}
