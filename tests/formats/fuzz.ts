/**
 * A fuzz run of the readers of strangers' files: safetensors headers, indexes of shards, adapter configurations.
 *
 *   node build/js/tests/formats/fuzz.js --runs 1000000 --seed 1
 *
 * Most mutations know the structure: they change one or a few tokens of a valid text (offsets, shapes, dtypes, names, brackets) and then mend the length
 * prefix and the file's size, so that they get past the first checks. Whatever comes out has to be a header whose tensors cover the file exactly,
 * and which JSON.parse reads the same way, or a LorikeetError of the reader's own area. The lines of the readers that the run reached are counted
 * by V8's block coverage and printed. A run with one seed is always the same.
 */
import type { Session } from 'node:inspector/promises';
import type * as Peft from '../../src/formats/peft.js';
import type * as Safetensors from '../../src/formats/safetensors.js';

export interface FuzzResult {
  runs: number;
  /** Texts that were accepted. */
  accepted: number;
  /** How often each code came. */
  codes: Map<string, number>;
}

export type Next = (below: number) => number;

const NUMBERS = ['0', '1', '2', '3', '4', '7', '8', '16', '255', '-1', '-0', '1.0', '0.5', '1e0', '1e400', '01', '2147483648', '4294967296', '9007199254740991', '9007199254740992', '18446744073709551615', '18446744073709551616', 'NaN', 'Infinity', '-Infinity', '1e', '-', '+1', '0x1'];
const DTYPES = ['F32', 'F16', 'BF16', 'F64', 'I8', 'U8', 'BOOL', 'I64', 'C64', 'F4', 'F6_E2M3', 'F6_E3M2', 'F8_E4M3', 'F8_E5M2FNUZ', 'f32', 'F128', '', '__proto__'];
const STRINGS = ['"a"', '"b"', '""', '"__metadata__"', '"__proto__"', '"dtype"', '"shape"', '"data_offsets"', '"\\u0061"', '"\\ud800"', '"\\ud83d\\ude00"', '"\\udc00"', '"\\x"', '"\u0001"', '"\\n\\/\\"\\\\"', '"\\u12', '"a', "'a'", ...DTYPES.map((d) => JSON.stringify(d))];
const STRUCTURE = ['{', '}', '[', ']', ':', ',', ' ', '\n', 'null', 'true', 'false', 'nul', '/**/', '\u0000', '\ufeff', '{}', '[]', '"a":1,'];
const PATHS = ['"../x"', '"/x"', '"C:x"', '"a/../../b"', '"a\\\\b"', '"file:///x"', '"sub/x.safetensors"', '"."', '"%2e%2e/x"', '"x\\u0000"'];
const PATTERNS = ['".*q_proj"', '"(a+)+b"', '"[]a]"', '"[^a-z]{2,3}"', '"(?P<n>\\\\d+)"', '"(?=a)"', '"(a)\\\\1"', '"a{1000}{1000}"', '"((((a))))"', '"(((a{50}){50}){50})"', '"a**"', '"\\\\Z\\\\b\\\\w\\\\S"', '"["', '")"', '"a|b|"', '"x{,3}?"', '"\\\\x41\\\\u0041"', '"[z-a]"', '"[\\\\d-x]"', '"a++"', '"^*"', '"(?i)a"'];

/** mulberry32 */
export function generator(seed: number): Next {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

interface Entry { name: string; dtype: string; shape: number[]; begin: number; end: number; fields: [key: string, value: string][] | null }

const BYTES: Readonly<Record<string, number>> = { F32: 4, BF16: 2, I8: 1, I64: 8, F4: 0.5, F6_E2M3: 0.75 };
const sizeOf = ({ dtype, shape }: Entry): number => Math.ceil((BYTES[dtype] ?? 4) * shape.reduce((n, s) => n * s, 1));

/** A valid header of up to four tensors. */
function drawEntries(next: Next): Entry[] {
  let offset = 0;
  return Array.from({ length: next(5) }, (_, i) => {
    const dtype = ['F32', 'BF16', 'I8', 'I64', 'F32', 'F4', 'F6_E2M3'][next(7)]!;
    const shape = [next(4), 1 + next(3), ...(dtype.startsWith('F4') || dtype.startsWith('F6') ? [4] : [])];
    const entry: Entry = { name: `"t${i}"`, dtype, shape, begin: offset, end: 0, fields: null };
    entry.end = offset += sizeOf(entry);
    return entry;
  });
}

/** Changes what the header says, not its syntax; a change of size is often mended in the offsets behind it. */
function bend(entries: Entry[], next: Next): void {
  for (let changes = 1 + next(3); changes > 0 && entries.length > 0; changes--) {
    const at = next(entries.length);
    const entry = entries[at]!;
    const step = pick(next, [-8, -4, -2, -1, 1, 2, 4, 8]);
    switch (next(12)) {
      case 0: entry.begin += step; break;
      case 1: entry.end += step; break;
      case 2: case 3: entry.begin += step; entry.end += step; break; // moved whole: a hole, an overlap
      case 4: [entry.begin, entry.end] = [entry.end, entry.begin]; break;
      case 5: entry.shape[next(entry.shape.length + 1)] = pick(next, [0, 1, 2, 3, 5, 8, 2 ** 31, 2 ** 32, 2 ** 53 - 1]); break;
      case 6: entry.dtype = pick(next, DTYPES); break;
      case 7: entry.name = pick(next, entries).name; break; // a name twice
      case 8: { const other = pick(next, entries); [entry.begin, entry.end] = [other.begin, other.end]; break; }
      case 9: entries.splice(next(entries.length), 0, ...entries.splice(at, 1)); break; // another order: harmless
      case 10: entries.splice(at, 1); break;
      default: { // one field another
        const fields = fieldsOf(entry);
        const field = fields[next(fields.length)]!;
        if (next(3) === 0) fields.splice(fields.indexOf(field), 1);
        else field[next(4) ? 1 : 0] = pick(next, ['1', 'null', '"x"', '[]', '[1]', '{}', '[0,4,8]', '[-1]', '[1.0]', '[0,NaN]', '[[0],4]', '"F32"', '[18446744073709551616,1]', '[0,1e2]']);
        entry.fields = fields.map(([key, value]) => [key.startsWith('"') ? key : '"x"', value]);
      }
    }
    entry.begin = Math.max(0, entry.begin);
    entry.end = Math.max(0, entry.end);
    if (next(2)) for (let offset = 0, i = 0; i < entries.length; i++) { entries[i]!.begin = offset; entries[i]!.end = offset += Math.min(sizeOf(entries[i]!), 2 ** 52); }
  }
}

function fieldsOf({ dtype, shape, begin, end, fields }: Entry): [string, string][] {
  return fields ?? [['"dtype"', JSON.stringify(dtype)], ['"shape"', JSON.stringify(shape.map((n) => n ?? 1))], ['"data_offsets"', `[${begin},${end}]`]];
}

function tokensOf(entries: readonly Entry[], next: Next): string[] {
  const object = (fields: readonly (readonly [string, readonly string[]])[]) => ['{', ...fields.flatMap(([key, value], i) => [...(i ? [','] : []), key, ':', ...value]), '}'];
  const split = (text: string) => text.match(/"(?:[^"\\]|\\.)*"|[^\s"[\]{},:]+|./g) ?? [];
  const all = entries.map((entry): [string, string[]] => [entry.name, next(100) === 0 ? [pick(next, ['1', 'null', 'true', '"F32"'])] : object(fieldsOf(entry).map(([key, value]) => [key, split(value)]))]);
  if (next(3) === 0) all.push(['"__metadata__"', object([['"format"', ['"pt"']], next(16) ? ['"k"', ['"v"']] : [pick(next, ['"k"', '"format"', '"__proto__"']), [pick(next, ['"v"', '1', 'null', '{}'])]]])]);
  return object(all);
}

const TEXTS = {
  index: ['{', '"metadata"', ':', '{', '"total_size"', ':', '8', '}', ',', '"weight_map"', ':', '{', '"a"', ':', '"m1.safetensors"', ',', '"b"', ':', '"sub/m2.safetensors"', '}', '}'],
  config: ['{', '"peft_type"', ':', '"LORA"', ',', '"r"', ':', '8', ',', '"lora_alpha"', ':', '16.5', ',', '"target_modules"', ':', '[', '"q_proj"', ',', '"v_proj"', ']', ',', '"exclude_modules"', ':', '".*mlp"', ',',
    '"layers_to_transform"', ':', '[', '0', ',', '1', ']', ',', '"layers_pattern"', ':', '"layers"', ',', '"rank_pattern"', ':', '{', '"q_proj"', ':', '4', ',', '"a|b"', ':', '2', '}', ',', '"alpha_pattern"', ':', '{', '}', ',', '"modules_to_save"', ':', 'null', ',',
    '"trainable_token_indices"', ':', '{', '"embed_tokens"', ':', '[', '1', ',', '2', ']', '}', ',', '"use_dora"', ':', 'false', ',', '"bias"', ':', '"none"', ',', '"init_lora_weights"', ':', 'true', ',', '"use_qalora"', ':', 'false', ',', '"megatron_config"', ':', 'null', '}'],
};

function pick<T>(next: Next, items: readonly T[]): T {
  return items[next(items.length)]!;
}

/** Changes one to four tokens. `words` are tried where a string stands. */
function mutate(tokens: string[], next: Next, words: readonly string[]): void {
  for (let changes = 1 + next(4); changes > 0; changes--) {
    const at = next(tokens.length);
    const token = tokens[at] ?? '';
    switch (next(12)) {
      case 0: tokens.splice(at, 1); break;
      case 1: tokens.splice(at, 0, token); break;
      case 2: tokens.splice(at, 0, pick(next, STRUCTURE)); break;
      case 3: { const other = next(tokens.length); [tokens[at], tokens[other]] = [tokens[other]!, token]; break; }
      case 4: tokens.splice(at, 1, pick(next, NUMBERS)); break;
      case 5: tokens.splice(at, 1, pick(next, words)); break;
      case 6: { // an entry or a part of one, twice
        const from = Math.max(0, at - next(24));
        tokens.splice(at, 0, ',', ...tokens.slice(from, at));
        break;
      }
      case 7: tokens.splice(at, 0, (next(2) ? '[' : '{"a":').repeat(next(100))); break;
      case 8: { // a string of the same kind, escaped differently or cut
        if (token.startsWith('"')) tokens[at] = pick(next, [`"\\u${token.charCodeAt(1).toString(16).padStart(4, '0')}${token.slice(2)}`, token.slice(0, -1), `${token.slice(0, 2)}\\${token.slice(2)}`]);
        break;
      }
      default: { // the usual one: a number a little off, or another string
        const spot = tokens.findIndex((t, i) => i >= at && (/^[0-9]/.test(t) || t.startsWith('"')));
        if (spot < 0) break;
        tokens[spot] = /^[0-9]/.test(tokens[spot]!) ? (next(3) ? String(Math.max(0, Number(tokens[spot]) + pick(next, [-8, -4, -1, 1, 2, 4, 8]))) : pick(next, NUMBERS)) : pick(next, words);
      }
    }
  }
}

interface Readers { st: typeof Safetensors; peft: typeof Peft }

/** Seven in ten change what the header says, two in ten its tokens, one its bytes or the lengths. */
async function fuzzHeader(next: Next, { st }: Readers): Promise<void> {
  const entries = drawEntries(next);
  const kind = next(10);
  if (kind < 7 || next(3) === 0) bend(entries, next);
  const data = Math.max(0, ...entries.map(({ end }) => end));
  const tokens = tokensOf(entries, next);
  if (kind === 7 || kind === 8) mutate(tokens, next, STRINGS);
  let json: Uint8Array = Buffer.from(tokens.join(''));
  if (kind === 9 && next(2) && json.length > 0) { json = Uint8Array.from(json); json[next(json.length)] = next(256); }
  if (next(8) === 0) json = Buffer.concat([json, Buffer.from(' '.repeat((8 - (json.length % 8)) % 8))]);
  // Mended: the prefix says how long the JSON is, the file ends where the data does.
  let size = 8 + json.length + (next(16) ? data : next(64));
  const first = Buffer.alloc(8);
  first.writeBigUInt64LE(BigInt(json.length));
  if (kind === 9 && next(2)) {
    switch (next(4)) {
      case 0: size = Math.max(0, size + pick(next, [-9, -8, -1, 1, 8])); break;
      case 1: first[next(8)] = next(256); break;
      case 2: size = next(16); break;
      case 3: first.writeBigUInt64LE(pick(next, [0n, 1n, 100_000_000n, 100_000_001n, 2n ** 53n, 2n ** 64n - 1n])); break;
    }
  }
  const length = st.readHeaderLength(first.subarray(0, Math.min(8, size)), size);
  if (length > size - 8) throw new Error(`a header of ${length} bytes was let into a file of ${size}`);
  const header = st.parseHeader(length <= json.length ? json.subarray(0, length) : Buffer.concat([json, Buffer.alloc(Math.min(length, 4096) - json.length)]), size);
  if (size < 4096 && next(8) === 0 && length === json.length) await st.readHeader({ size, read: async (begin, end) => Buffer.concat([first, json, Buffer.alloc(size)]).subarray(begin, end) });
  let covered = header.headerBytes;
  for (const [name, info] of header.tensors) {
    if (info.name !== name || info.begin !== covered || info.end < info.begin || info.end > size || info.end - info.begin !== st.byteLength(info.dtype, info.shape)) throw new Error(`a bad range was let through: ${JSON.stringify(info)} in a file of ${size}`);
    covered = info.end;
  }
  if (covered !== size) throw new Error(`${covered} of ${size} bytes are covered`);
  const theirs = JSON.parse(Buffer.from(json.subarray(0, length)).toString()) as Record<string, { dtype: string; shape: number[] }>;
  const names = Object.keys(theirs).filter((name) => name !== '__metadata__');
  if (names.length !== header.tensors.size || names.some((name) => JSON.stringify(theirs[name]!.shape) !== JSON.stringify(header.tensors.get(name)?.shape))) throw new Error(`JSON.parse reads ${JSON.stringify(theirs)}`);
}

function fuzzIndex(next: Next, { st }: Readers): void {
  const tokens = [...TEXTS.index];
  mutate(tokens, next, [...STRINGS, ...PATHS]);
  const { weightMap, files } = st.shardedIndex(tokens.join(''));
  for (const file of files) if (/^[/\\]|[:\\\0]|(?:^|\/)\.\.?(?:\/|$)/.test(file)) throw new Error(`the file ${file} was let through`);
  if (new Set(weightMap.values()).size !== files.length) throw new Error('a file is missing');
}

function fuzzConfig(next: Next, { peft }: Readers): void {
  const tokens = [...TEXTS.config];
  const words = [...STRINGS.filter((s) => /^"[^"\u0001]*"$/.test(s)), ...PATTERNS];
  if (next(4) === 0) mutate(tokens, next, words);
  else {
    for (let changes = 1 + next(3); changes > 0; changes--) { // values alone: the text stays JSON
      const at = next(tokens.length);
      if (/^["0-9tfn]/.test(tokens[at]!)) tokens[at] = tokens[at + 1] === ':' ? pick(next, [tokens[at]!, ...PATTERNS, '"layer_replication"', '"future_key"']) : pick(next, [...words, ...words, '1', '0', '2.5', '-3', '1e3', 'true', 'false', 'null', '[]', '{}', '[1]', '["a"]', '[null]', '{"a":[1]}', '"all-linear"', '"pissa"', '"gaussian"', '"lora_only"', '"(.*\\\\.)?x$"']);
    }
  }
  const config = peft.parseAdapterConfig(tokens.join(''));
  if (!Number.isSafeInteger(config.r) || config.r < 1 || !Number.isFinite(config.lora_alpha)) throw new Error(`r ${config.r}, lora_alpha ${config.lora_alpha}`);
  const path = 'model.layers.1.self_attn.q_proj';
  if (peft.parseAdapterKey(`${path}.${pick(next, tokens)}`).role === undefined) throw new Error('no role');
  if (typeof config.target_modules === 'string') peft.compileRegex(config.target_modules).fullmatch(path);
  for (const pattern of config.rank_pattern.keys()) peft.pathPattern(pattern)(path);
}

/** One run; throws at the first outcome that isn't allowed, with what it takes to repeat it. */
export async function fuzz(runs: number, seed: number): Promise<FuzzResult> {
  const readers: Readers = { st: await import('../../src/formats/safetensors.js'), peft: await import('../../src/formats/peft.js') };
  const result: FuzzResult = { runs, accepted: 0, codes: new Map() };
  const targets = [[fuzzHeader, /^safetensors\//], [fuzzIndex, /^safetensors\/index|^store\/escape$/], [fuzzConfig, /^adapter\//]] as const;
  for (let run = 0; run < runs; run++) {
    const next = generator(seed * 1_000_003 + run);
    const [target, codes] = targets[Math.max(0, next(20) - 17)]!;
    try {
      await target(next, readers);
      result.accepted++;
    } catch (error) {
      const code = error instanceof Error && error.name === 'LorikeetError' ? (error as Error & { code: string }).code : '';
      if (!codes.test(code)) throw new Error(`run ${run} of seed ${seed}, ${target.name}: ${error instanceof Error ? error.stack : String(error)}`);
      result.codes.set(code, (result.codes.get(code) ?? 0) + 1);
    }
  }
  return result;
}

/** Lines of each reader that V8 saw executed, found by the source maps beside the built files: a line counts as reached when any part of it ran. */
async function coverage(session: Session): Promise<{ file: string; reached: number; lines: number; missed: number[] }[]> {
  const { SourceMap } = await import('node:module');
  const { readFileSync } = await import('node:fs');
  const { fileURLToPath } = await import('node:url');
  const { result } = await session.post('Profiler.takePreciseCoverage');
  return result.filter(({ url }) => /\/src\/formats\/[^/]+\.js$/.test(url) && !url.endsWith('/write.js')).map(({ url, functions }) => {
    const path = fileURLToPath(url);
    const script = readFileSync(path, 'utf8');
    const map = new SourceMap(JSON.parse(readFileSync(`${path}.map`, 'utf8')) as ConstructorParameters<typeof SourceMap>[0]);
    const counts = new Int32Array(script.length);
    // Ranges of a function nest, and functions nest: the later, inner one holds.
    const ranges = functions.flatMap((f) => f.ranges).sort((a, b) => a.startOffset - b.startOffset || b.endOffset - a.endOffset);
    for (const { startOffset, endOffset, count } of ranges) counts.fill(count, startOffset, endOffset);
    const lines = new Map<number, boolean>();
    let [line, column] = [0, 0];
    for (let i = 0; i < script.length; i++) {
      if (script[i] === '\n') { line++; column = 0; continue; }
      const entry = map.findEntry(line, column++) as { originalLine?: number; generatedLine?: number };
      if (entry.originalLine === undefined || entry.generatedLine !== line || /\s|[{}();]/.test(script[i]!)) continue;
      lines.set(entry.originalLine + 1, (lines.get(entry.originalLine + 1) ?? false) || counts[i]! > 0);
    }
    const missed = [...lines].filter(([, reached]) => !reached).map(([at]) => at).sort((a, b) => a - b);
    return { file: path.replace(/^.*\/src\//, 'src/').replace(/js$/, 'ts'), reached: lines.size - missed.length, lines: lines.size, missed };
  });
}

/** Runs a fuzz for the command line: prints how often each outcome came, and which lines of the readers were reached; `parser` names the files that count. */
export async function report(fuzz: (runs: number, seed: number) => Promise<FuzzResult>, name: string, parser: RegExp): Promise<void> {
  const { parseArgs } = await import('node:util');
  const { Session } = await import('node:inspector/promises');
  const { values } = parseArgs({ options: { runs: { type: 'string', default: '1000000' }, seed: { type: 'string', default: '1' } } });
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true }); // before the readers are loaded
  const { runs, accepted, codes } = await fuzz(Number(values.runs), Number(values.seed));
  for (const [code, count] of [...codes].sort((a, b) => b[1] - a[1])) console.log(`${String(count).padStart(9)}  ${code}`);
  console.log(`${String(accepted).padStart(9)}  accepted`);
  const files = await coverage(session);
  for (const { file, reached, lines, missed } of files) console.log(`${file}: ${reached} of ${lines} lines reached${missed.length ? `, not ${missed.join(', ')}` : ''}`);
  const counted = files.filter(({ file }) => parser.test(file));
  const sum = (key: 'reached' | 'lines') => counted.reduce((n, file) => n + file[key], 0);
  console.log(`${name}: ${sum('reached')} of ${sum('lines')} lines, ${((100 * sum('reached')) / sum('lines')).toFixed(1)} %`);
  console.log(`${runs} mutations, no other outcome`);
}

if (process.argv[1] && import.meta.url === new URL(`file://${process.argv[1]}`).href) await report(fuzz, 'safetensors parser (header, json, dtypes, index-json, relative-path)', /\/(?:header|json|dtypes|index-json|relative-path)\.ts$/);
