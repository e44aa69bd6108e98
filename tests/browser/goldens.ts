// The golden models through the public API: every engine holds the logits against PEFT's, and digests their bits.
import { Digest } from './digest.js';

type Lorikeet = typeof import('../../src/index.js');
type BuildName = import('../../src/index.js').BuildName;

interface Case {
  name: string;
  tokens: number[];
  adapters: Record<string, number>;
  /** A tensor [T, V] of golden.safetensors. */
  logits: string;
  selective?: boolean;
}

/** What the checks of a golden model found: a digest of all its logits, and the cases that are off. */
export interface GoldenReport {
  checks: number;
  failures: string[];
  digest: string;
}

const TOLERANCE = 1e-4; // of the largest logit, where that is above 1: other machines than PEFT's add in another order

/** Runs the cases of tests/golden/models/`name` over a build of the kernels; `root` is the repository, a file: or http: URL. */
export async function runGolden({ createEngine }: Lorikeet, root: URL, name: string, build: BuildName): Promise<GoldenReport> {
  const folder = new URL(`tests/golden/models/${name}/`, root);
  const cases = JSON.parse(new TextDecoder().decode(await readBytes(new URL('cases.json', folder)))) as Case[];
  const expected = readTensors(await readBytes(new URL('golden.safetensors', folder)));
  const failures: string[] = [];
  const digest = new Digest();
  const engine = await createEngine({ model: folder, build });
  try {
    for (const { name: title, tokens, adapters, logits, selective } of cases) {
      try {
        for (const adapter of Object.keys(adapters)) await engine.adapters.load(adapter, new URL(`adapters/${adapter}/`, folder), { selective: selective ?? false });
        const found = engine.logits(tokens, { adapters });
        digest.add(found);
        const off = difference(found, expected(logits));
        if (!(off <= TOLERANCE)) failures.push(`${name}: ${title}: off by ${off}`);
      } catch (error) {
        failures.push(`${name}: ${title}: ${String(error)}`);
      } finally {
        for (const adapter of Object.keys(adapters)) if (engine.adapters.has(adapter)) engine.adapters.unload(adapter);
      }
    }
  } finally {
    engine.dispose();
  }
  return { checks: cases.length, failures, digest: digest.toString() };
}

/** How the demo model is loaded: in its own dtype, and quantised with a quantised cache. */
const LOADED = [{}, { dtype: 'q8_0', kvDtype: 'f16' }, { dtype: 'q4_1', kvDtype: 'q8' }] as const;

/**
 * What the relaxed builds' logits may differ from those of `simd`, as a share of the largest: fused products, which beside Q8_0 tip a rounding of 12 bits now
 * and then; activations of 8 bits, not 12, beside weights of fewer than 8.
 */
const RELAXED = { f32: 1e-5, q8_0: 0.005, q4_0: 0.05, q4_1: 0.05, q5_0: 0.05, q5_1: 0.05 } as const;

/** The demo model in each dtype, with an adapter: what of its logits on a build is further from those of `simd` than that build's arithmetic explains. */
export async function runBeside({ createEngine }: Lorikeet, root: URL, model: string, adapter: string, build: BuildName): Promise<{ checks: number; failures: string[]; off: Record<string, number> }> {
  const failures: string[] = [], off: Record<string, number> = {};
  const tokens = Array.from({ length: 24 }, (_, i) => 1 + ((i * 37) % 200));
  for (const [dtype, most] of Object.entries(RELAXED)) {
    const logits: Float32Array[] = [];
    for (const each of ['simd', build] as const) {
      const engine = await createEngine({ model: new URL(`models/${model}/`, root), dtype: dtype as keyof typeof RELAXED, build: each });
      await engine.adapters.load(adapter, new URL(`adapters/${adapter}/`, root));
      logits.push(engine.logits(tokens, { adapters: { [adapter]: 1 } }));
      engine.dispose();
    }
    off[dtype] = difference(logits[1]!, logits[0]!);
    if (!(off[dtype] <= most)) failures.push(`${model} in ${dtype}: off by ${off[dtype]} from simd`);
  }
  return { checks: Object.keys(RELAXED).length, failures, off };
}

/** The answers of the demo model, alone and with each adapter, greedy and sampled: a digest of their token ids. */
export async function runAnswers({ createEngine }: Lorikeet, root: URL, model: string, adapters: string[], maxTokens: number, build: BuildName): Promise<string> {
  const digest = new Digest();
  const even = Object.fromEntries(adapters.slice(0, 2).map((adapter) => [adapter, 0.5]));
  for (const options of LOADED) {
    const engine = await createEngine({ model: new URL(`models/${model}/`, root), build, ...options });
    try {
      for (const adapter of adapters) await engine.adapters.load(adapter, new URL(`adapters/${adapter}/`, root));
      for (const blend of [{}, ...adapters.map((adapter) => ({ [adapter]: 1 })), even]) {
        for (const sampling of [{ temperature: 0 }, { temperature: 0.9, topK: 40, topP: 0.95, minP: 0.02, repetitionPenalty: 1.1 }]) {
          const session = engine.session({ adapters: blend, seed: 7 });
          for await (const piece of session.say('Where is the treasure?', { ...sampling, maxTokens })) void piece;
          digest.add(Uint32Array.from(session.tokens));
          session.dispose();
        }
      }
    } finally {
      engine.dispose();
    }
  }
  return digest.toString();
}

/** The largest |a − b|, over the largest |b| where that is above 1; NaN where a value or the length is wrong. */
function difference(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length || a.length === 0) return NaN;
  let [largest, off] = [1, 0];
  for (let i = 0; i < a.length; i++) {
    const d = Math.abs(a[i]! - b[i]!);
    if (!(d <= Infinity)) return NaN;
    off = Math.max(off, d);
    largest = Math.max(largest, Math.abs(b[i]!));
  }
  return off / largest;
}

/** F32 tensors of a .safetensors file, by name, read here on their own: this is the ruler. */
function readTensors(bytes: Uint8Array): (name: string) => Float32Array {
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length))) as Record<string, { dtype: string; data_offsets: [number, number] }>;
  return (name) => {
    const { dtype, data_offsets: [from, to] } = header[name]!;
    if (dtype !== 'F32') throw new Error(`${name} is ${dtype}, not F32`);
    return new Float32Array(bytes.slice(8 + length + from, 8 + length + to).buffer);
  };
}

async function readBytes(url: URL): Promise<Uint8Array> {
  if (url.protocol === 'file:') {
    const { readFile } = await import('node:fs/promises');
    return new Uint8Array(await readFile(url));
  }
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url.href}: HTTP status ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}
