/**
 * A fuzz run of the GGUF reader, and of what reads a model or an adapter out of its header.
 *
 *   node build/js/tests/formats/fuzz-gguf.js --runs 1000000 --seed 1
 *
 * A small valid file is drawn as a list of fields (counts, lengths, names, types, offsets), some of them are changed, and sometimes bytes of the whole. What comes out has to be a header whose tensors lie in
 * the file, apart, each as long as its type and shape say, or a LorikeetError of one of the readers' areas. A run with one seed is always the same.
 */
import type * as Gguf from '../../src/formats/gguf.js';
import type * as GgufAdapter from '../../src/formats/gguf-adapter.js';
import type * as GgufModel from '../../src/formats/gguf-model.js';
import { generator, report, type FuzzResult, type Next } from './fuzz.js';

interface Readers { gguf: typeof Gguf; model: typeof GgufModel; adapter: typeof GgufAdapter }

/** A field of a file; the numbers know how they may be bent. */
interface Field { bytes: Buffer; kind: 'u32' | 'u64' | 'text' | 'raw' }

const u32 = (value: number): Field => { const bytes = Buffer.alloc(4); bytes.writeUInt32LE(value >>> 0); return { bytes, kind: 'u32' }; };
const u64 = (value: number | bigint): Field => { const bytes = Buffer.alloc(8); bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value))); return { bytes, kind: 'u64' }; };
const f32 = (value: number): Field => { const bytes = Buffer.alloc(4); bytes.writeFloatLE(value); return { bytes, kind: 'raw' }; };
const raw = (bytes: Buffer): Field => ({ bytes, kind: 'raw' });
const text = (value: string): Field[] => [u64(Buffer.byteLength(value)), { bytes: Buffer.from(value), kind: 'text' }];

const SIZES = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8];
const EDGES = [0n, 1n, 2n, 3n, 4n, 5n, 7n, 8n, 9n, 12n, 13n, 16n, 31n, 32n, 33n, 64n, 255n, 256n, 4096n, 65535n, 65536n, 2n ** 21n, 2n ** 22n, 2n ** 31n - 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 61n, 2n ** 63n, 2n ** 64n - 32n, 2n ** 64n - 1n];
const TEXTS = ['', 'a', 'general.alignment', 'general.architecture', 'general.type', 'adapter', 'llama', 'qwen3', 'gemma3', 'controlvector', 'llama.block_count', 'token_embd.weight', 'output.weight', 'blk.0.attn_q.weight', 'blk.0.attn_q.weight.lora_a', 'blk.1.attn_k.bias', 'token_embd.weight.lora_b', '__proto__', 'é', '中', '😀', 'ÿ'];
const CODES = /^(?:gguf|model|adapter)\//;

function pick<T>(next: Next, items: readonly T[]): T {
  return items[next(items.length)]!;
}

/** A value of any type: its type, then its fields. */
function drawValue(next: Next, depth = 0): { type: number; fields: Field[] } {
  const type = next(13);
  if (type === 8) return { type, fields: text(pick(next, TEXTS)) };
  if (type !== 9) return { type, fields: [raw(Buffer.from(Array.from({ length: SIZES[type]! }, () => (type === 7 ? next(2) : next(256)))))] };
  const element = depth < 3 ? next(13) : next(9);
  const count = next(4);
  const items = Array.from({ length: count }, () => drawElement(next, element, depth + 1));
  return { type, fields: [u32(element), u64(count), ...items.flat()] };
}

function drawElement(next: Next, type: number, depth: number): Field[] {
  if (type === 8) return text(pick(next, TEXTS));
  if (type !== 9) return [raw(Buffer.from(Array.from({ length: SIZES[type]! }, () => (type === 7 ? next(2) : next(256)))))];
  const count = next(3);
  return [u32(0), u64(count), raw(Buffer.from(Array.from({ length: count }, () => next(256) & (depth + 255))))];
}

const key = (name: string, type: number, ...fields: Field[]): Field[] => [...text(name), u32(type), ...fields];

/** Keys and tensors of a model or an adapter that could be one. */
function drawFile(next: Next): { fields: Field[]; data: number } {
  const adapter = next(3) === 0;
  const architecture = pick(next, ['llama', 'llama', 'qwen2', 'qwen3', 'smollm3', 'phi3', 'gemma', 'gemma2', 'gemma3']);
  const keys: Field[][] = [key('general.architecture', 8, ...text(architecture))];
  if (adapter) keys.push(key('general.type', 8, ...text('adapter')), key('adapter.type', 8, ...text('lora')), key('adapter.lora.alpha', 6, f32(next(3))));
  else {
    for (const [name, value] of [['block_count', 1], ['context_length', 64], ['embedding_length', 32], ['feed_forward_length', 32], ['attention.head_count', 4], ['attention.head_count_kv', 2]] as const) keys.push(key(`${architecture}.${name}`, 4, u32(value)));
    keys.push(key(`${architecture}.attention.layer_norm_rms_epsilon`, 6, f32(1e-5)));
    if (next(2)) {
      const name = `${architecture}.${pick(next, ['expert_count', 'attention.key_length', 'rope.dimension_count', 'rope.scaling.factor', 'attention.sliding_window_pattern', 'attention.scale', 'rope.freq_base'])}`;
      keys.push(next(2) ? key(name, 4, u32(next(9))) : key(name, 6, f32(next(4))));
    }
  }
  for (let i = next(3); i > 0; i--) {
    const { type, fields } = drawValue(next);
    keys.push(key(`k${i}`, type, ...fields));
  }
  const alignment = next(4) ? 32 : pick(next, [1, 8, 64]);
  if (alignment !== 32) keys.push(key('general.alignment', 4, u32(alignment)));
  const tensors: Field[][] = [];
  let offset = 0;
  for (const name of adapter ? ['blk.0.attn_q.weight', 'token_embd.weight'].flatMap((base) => [`${base}.lora_a`, `${base}.lora_b`]) : ['token_embd.weight', 'blk.0.attn_q.weight', 'output_norm.weight'].slice(0, next(4))) {
    const [type, block, bytes] = pick(next, [[0, 1, 4], [1, 1, 2], [30, 1, 2], [8, 32, 34], [2, 32, 18], [18, 256, 98]] as const);
    const rows = 1 + next(3);
    tensors.push([...text(name), u32(2), u64(block), u64(rows), u32(type), u64(offset)]);
    offset = Math.ceil((offset + rows * bytes) / alignment) * alignment;
  }
  return { fields: [raw(Buffer.from('GGUF')), u32(2 + next(2)), u64(tensors.length), u64(keys.length), ...keys.flat(), ...tensors.flat()], data: offset };
}

/** Changes one to three fields. */
function bend(fields: Field[], next: Next): void {
  for (let changes = 1 + next(3); changes > 0; changes--) {
    const at = next(fields.length);
    const field = fields[at]!;
    switch (next(10)) {
      case 0: fields.splice(at, 1); break;
      case 1: fields.splice(at, 0, field); break;
      case 2: { const other = next(fields.length); [fields[at], fields[other]] = [fields[other]!, field]; break; }
      case 3: { const from = Math.max(0, at - next(8)); fields.splice(at, 0, ...fields.slice(from, at)); break; }
      default:
        if (field.kind === 'text') fields[at] = { ...field, bytes: next(2) ? Buffer.from(pick(next, TEXTS)) : Buffer.from(Array.from(field.bytes, () => next(256))) };
        else if (field.kind === 'u32') fields[at] = next(3) ? u32(field.bytes.readUInt32LE() + pick(next, [-2, -1, 1, 2, 8])) : u32(Number(pick(next, EDGES) & 0xffffffffn));
        else if (field.kind === 'u64') fields[at] = next(3) ? u64(field.bytes.readBigUInt64LE() + BigInt(pick(next, [-32, -8, -1, 1, 8, 32]))) : u64(pick(next, EDGES));
        else fields[at] = raw(Buffer.from(Array.from(field.bytes, (byte) => (next(4) ? byte : next(256)))));
    }
  }
  // A text whose length was told wrong ends most runs at once, so it is mostly mended.
  if (next(4)) for (let i = 1; i < fields.length; i++) if (fields[i]!.kind === 'text' && fields[i - 1]!.kind === 'u64') fields[i - 1] = u64(fields[i]!.bytes.length);
}

async function run(next: Next, { gguf, model, adapter }: Readers): Promise<void> {
  const { fields, data } = drawFile(next);
  if (next(8)) bend(fields, next);
  const head = Buffer.concat(fields.map(({ bytes }) => bytes));
  const file = Buffer.concat([head, Buffer.alloc((32 - (head.length % 32)) % 32 + data, 1)]);
  if (next(4) === 0) for (let flips = 1 + next(3); flips > 0; flips--) file[next(file.length)] = next(256);
  const size = next(16) ? file.length : next(file.length + 1);
  const header = await gguf.readGguf({ size, read: async (begin, end) => file.subarray(begin, Math.min(end, size)) });
  let last = 0;
  for (const tensor of [...header.tensors.values()].sort((a, b) => a.begin - b.begin)) {
    const type = gguf.ggmlTypeNamed(tensor.dtype)!;
    const elements = tensor.shape.reduce((product, length) => product * length, 1);
    if (tensor.begin < Math.max(last, header.headerBytes) || tensor.end > size || tensor.end - tensor.begin !== (elements / type.block) * type.bytes) throw new Error(`a bad range was let through: ${JSON.stringify(tensor)} in a file of ${size}`);
    last = tensor.end;
  }
  if (header.metadata.get('general.type') === 'adapter') {
    const { config, tensors } = adapter.readGgufAdapter(header);
    if (tensors.size !== header.tensors.size || !Number.isFinite(config.lora_alpha) || config.r < 1) throw new Error('a bad adapter was let through');
  } else {
    const { config, tensors } = model.readGgufModel(header);
    if (tensors.size > header.tensors.size || !Object.isFrozen(config) || typeof config.model_type !== 'string') throw new Error('a bad model was let through');
  }
}

/** Throws at the first outcome that isn't allowed, with what it takes to repeat it. */
export async function fuzzGguf(runs: number, seed: number): Promise<FuzzResult> {
  const readers: Readers = { gguf: await import('../../src/formats/gguf.js'), model: await import('../../src/formats/gguf-model.js'), adapter: await import('../../src/formats/gguf-adapter.js') };
  const result: FuzzResult = { runs, accepted: 0, codes: new Map() };
  for (let i = 0; i < runs; i++) {
    try {
      await run(generator(seed * 1_000_003 + i), readers);
      result.accepted++;
    } catch (error) {
      const code = error instanceof Error && error.name === 'LorikeetError' ? (error as Error & { code: string }).code : '';
      if (!CODES.test(code)) throw new Error(`run ${i} of seed ${seed}: ${error instanceof Error ? error.stack : String(error)}`);
      result.codes.set(code, (result.codes.get(code) ?? 0) + 1);
    }
  }
  return result;
}

if (process.argv[1] && import.meta.url === new URL(`file://${process.argv[1]}`).href) await report(fuzzGguf, 'GGUF reader', /\/(?:gguf(?:-values|-names|-model|-adapter)?|ggml-types)\.ts$/);
