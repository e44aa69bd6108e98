/**
 * The header of a .safetensors file.
 *
 *   0        8              8 + N                        file size
 *   ┌────────┬──────────────┬──────────┬──────────┬──────┐
 *   │ N, u64 │ JSON, N bytes│ tensor   │ tensor   │ …    │   data: no holes, no overlaps, nothing behind
 *   └────────┴──────────────┴──────────┴──────────┴──────┘
 *
 * JSON: { "name": { "dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end] }, …, "__metadata__": { string: string } },
 * offsets count from 8 + N. The rules are those of the safetensors crate (0.8) and, where that is laxer, of the format's page: the JSON starts
 * with `{`, and a key stands once.
 */
import { LorikeetError } from '../errors.js';
import { bitsOf, byteLength, isSafetensorsDtype, SAFETENSORS_DTYPES, type SafetensorsDtype } from './dtypes.js';
import type { GgmlName } from './ggml-types.js';
import { type Json, JsonProblem, Numeral, parseJson, showJson } from './json.js';

/** The longest header that the reference implementation reads. */
export const MAX_HEADER_BYTES = 100_000_000;

/** One tensor of a file (safetensors' or GGUF's): `begin` and `end` are byte offsets from the start of the file, `shape` is [rows, columns]. */
export interface TensorInfo<Dtype extends string = SafetensorsDtype | GgmlName> {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

export interface SafetensorsHeader {
  /** By name, in the order of their bytes in the file. */
  readonly tensors: ReadonlyMap<string, TensorInfo<SafetensorsDtype>>;
  /** What stands under `__metadata__`. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Where the data starts: 8 + the length of the JSON. */
  readonly headerBytes: number;
}

/** A source of bytes by range; those of src/store are. The array is read before the next call. */
export interface RangeReader {
  readonly name?: string;
  readonly size: number;
  read(begin: number, end: number): Promise<Uint8Array>;
}

const CHUNK = 1 << 20;

/** Reads and checks the header of a file from a source of bytes. Every range in it lies inside the file. */
export async function readHeader(source: RangeReader): Promise<SafetensorsHeader> {
  const length = readHeaderLength(await source.read(0, Math.min(8, source.size)), source.size);
  const json = new Uint8Array(length);
  for (let at = 0; at < length; at += CHUNK) {
    const end = Math.min(length, at + CHUNK);
    json.set(await source.read(8 + at, 8 + end), at);
  }
  return parseHeader(json, source.size);
}

/**
 * The length of the JSON, from the first 8 bytes of a file.
 *
 * @throws LorikeetError `safetensors/header-too-short`, `safetensors/header-too-large`, `safetensors/header-beyond-file`
 */
export function readHeaderLength(first8: Uint8Array, fileSize: number): number {
  if (first8.length < 8 || fileSize < 8) {
    fail('header-too-short', `The file is ${Math.min(first8.length, fileSize)} bytes long, expected at least the 8 bytes of the header's length; it isn't a safetensors file or it was cut.`, 8, Math.min(first8.length, fileSize));
  }
  const length = new DataView(first8.buffer, first8.byteOffset, 8).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER_BYTES)) {
    fail('header-too-large', `The header says that it is ${length} bytes long, expected at most ${MAX_HEADER_BYTES}; it isn't a safetensors file or its start was damaged.`, MAX_HEADER_BYTES, length);
  }
  if (Number(length) > fileSize - 8) {
    fail('header-beyond-file', `The header says that it is ${length} bytes long, but only ${fileSize - 8} bytes follow; the file was cut.`, fileSize - 8, Number(length));
  }
  return Number(length);
}

/**
 * Reads the JSON of a header and checks it against the size of its file: every tensor's bytes match its dtype and shape, and all of them together
 * cover the rest of the file once, without a hole.
 *
 * @param json the header's bytes, without the 8 of its length
 * @throws LorikeetError with a code for each rule: `safetensors/header-not-utf8`, `header-start`, `header-not-json`, `nesting`, `duplicate-key`, `nan`,
 * `bad-entry`, `bad-dtype`, `bad-shape`, `bad-offsets`, `count-overflow`, `misaligned`, `offsets-reversed`, `wrong-size`, `offset-beyond-file`, `overlap`, `hole`, `trailing-bytes`,
 * `metadata-not-string`
 */
export function parseHeader(json: Uint8Array, fileSize: number): SafetensorsHeader {
  const root = parseRoot(json);
  const start = 8 + json.length;
  const metadata = parseMetadata(root.get('__metadata__'));
  const list: TensorInfo<SafetensorsDtype>[] = [];
  for (const [name, entry] of root) {
    if (name !== '__metadata__') list.push(parseEntry(name, entry, start, fileSize));
  }
  list.sort((a, b) => a.begin - b.begin || a.end - b.end);
  checkCover(list, start, fileSize);
  return { tensors: new Map(list.map((info) => [info.name, info])), metadata, headerBytes: start };
}

function parseRoot(json: Uint8Array): ReadonlyMap<string, Json> {
  if (json[0] !== 0x7b) {
    const found = json.length === 0 ? 'nothing' : `byte 0x${json[0]!.toString(16).padStart(2, '0')}`;
    fail('header-start', `The header starts with ${found}, expected "{" (0x7b).`, '{', found);
  }
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(json);
  } catch (cause) {
    throw new LorikeetError('safetensors/header-not-utf8', 'The header is not valid UTF-8; the file was damaged.', { expected: 'UTF-8', cause });
  }
  try {
    return parseJson(text, { depth: 8, counts: true }) as ReadonlyMap<string, Json>; // the text starts with "{"
  } catch (problem) {
    if (!(problem instanceof JsonProblem)) throw problem;
    const rule = problem.rule === 'syntax' || problem.rule === 'trailing' ? 'header-not-json' : problem.rule;
    throw new LorikeetError(`safetensors/${rule}`, `The header is not the JSON of a safetensors file: ${problem.message}.`, { expected: problem.expected, found: problem.found, cause: problem });
  }
}

function parseMetadata(entry: Json | undefined): Readonly<Record<string, string>> {
  const metadata: Record<string, string> = Object.create(null) as Record<string, string>;
  if (entry === undefined || entry === null) return metadata; // null stands for none, as in the crate
  if (!(entry instanceof Map)) fail('metadata-not-string', `"__metadata__" is ${showJson(entry)}, expected an object of strings.`, 'an object of strings', showJson(entry));
  for (const [key, value] of entry as ReadonlyMap<string, Json>) {
    if (typeof value !== 'string') fail('metadata-not-string', `"__metadata__" holds ${showJson(value)} under ${JSON.stringify(key)}, expected a string.`, 'a string', showJson(value));
    metadata[key] = value;
  }
  return Object.freeze(metadata);
}

function parseEntry(name: string, entry: Json, start: number, fileSize: number): TensorInfo<SafetensorsDtype> {
  const tensor = `Tensor ${JSON.stringify(name)}`;
  if (!(entry instanceof Map)) fail('bad-entry', `${tensor} is ${showJson(entry)}, expected an object with dtype, shape and data_offsets.`, 'an object', showJson(entry));
  const fields = entry as ReadonlyMap<string, Json>;
  const dtype = fields.get('dtype');
  if (!isSafetensorsDtype(dtype)) fail('bad-dtype', `${tensor} has the dtype ${showJson(dtype)}, expected one of ${SAFETENSORS_DTYPES.join(', ')}.`, SAFETENSORS_DTYPES, showJson(dtype));
  const shape = parseCounts(fields.get('shape'), 'bad-shape', `${tensor} has the shape`, 'a list of counts');
  const offsets = parseCounts(fields.get('data_offsets'), 'bad-offsets', `${tensor} has the data_offsets`, 'two counts, [begin, end]');
  if (offsets.length !== 2) fail('bad-offsets', `${tensor} has ${offsets.length} data_offsets, expected two, [begin, end].`, 2, offsets.length);
  const [begin, end] = offsets as [number, number];

  const bytes = byteLength(dtype, shape);
  if (bytes === 'overflow') fail('count-overflow', `${tensor} has the shape [${shape.join(', ')}], more elements than can be counted.`, Number.MAX_SAFE_INTEGER, shape);
  if (bytes === 'misaligned') fail('misaligned', `${tensor} of ${dtype} and shape [${shape.join(', ')}] doesn't end at a whole byte (${bitsOf(dtype)} bits each).`, 'whole bytes', shape);
  if (begin > end) fail('offsets-reversed', `${tensor} begins at ${begin}, behind its end at ${end}.`, 'begin ≤ end', offsets);
  if (end - begin !== bytes) fail('wrong-size', `${tensor} of ${dtype} and shape [${shape.join(', ')}] needs ${bytes} bytes, but its data_offsets [${begin}, ${end}] hold ${end - begin}.`, bytes, end - begin);
  if (end > fileSize - start) fail('offset-beyond-file', `${tensor} ends at ${end}, but the file holds ${fileSize - start} bytes of data; the file was cut.`, fileSize - start, end);
  return Object.freeze({ name, dtype, shape: Object.freeze(shape), begin: start + begin, end: start + end });
}

function parseCounts(value: Json | undefined, rule: string, subject: string, expected: string): number[] {
  if (!Array.isArray(value)) fail(rule, `${subject} ${showJson(value)}, expected ${expected}.`, expected, showJson(value));
  const items = value as readonly Json[];
  for (const item of items) {
    if (typeof item === 'number') continue;
    if (item instanceof Numeral && /^[0-9]+$/.test(item.token)) fail('count-overflow', `${subject} ${showJson(items)}, expected counts below 2^53.`, Number.MAX_SAFE_INTEGER, item.token);
    fail(rule, `${subject} ${showJson(items)}, expected ${expected}.`, expected, showJson(item));
  }
  return items as unknown as number[];
}

/** `list` is sorted by begin, then end: the data has to be covered from its first byte to its last, each byte once. */
function checkCover(list: readonly TensorInfo[], start: number, fileSize: number): void {
  let covered = start;
  let before = 'the header';
  for (const { name, begin, end } of list) {
    const tensor = `Tensor ${JSON.stringify(name)}`;
    if (begin < covered) fail('overlap', `${tensor} begins at ${begin - start}, inside ${before}, which ends at ${covered - start}.`, covered - start, begin - start);
    if (begin > covered) fail('hole', `${tensor} begins at ${begin - start}, ${begin - covered} bytes behind ${before}; expected no hole.`, covered - start, begin - start);
    covered = end;
    before = `tensor ${JSON.stringify(name)}`;
  }
  if (covered !== fileSize) fail('trailing-bytes', `${fileSize - covered} bytes follow the last tensor; expected the file to end there.`, covered, fileSize);
}

function fail(rule: string, message: string, expected?: unknown, found?: unknown): never {
  throw new LorikeetError(`safetensors/${rule}`, message, { expected, found });
}
