import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createRuntime, LoraConv1d, LoraEmbedding, LoraLinear, memoryReport, type Blend, type TensorInput } from '../../src/index.js';
import { difference, GOLDEN, readTensors } from '../models/golden.js';

// Single layers under adapters beside PEFT (tests/golden/layers.py): within 1e-5 of the values' size.
const TOLERANCE = 1e-5;

interface LayerCase {
  readonly name: string;
  readonly kind: 'linear' | 'linear_fan_in_fan_out' | 'embedding' | 'conv1d';
  readonly x: string | readonly number[];
  readonly weight: string;
  readonly bias?: string | null;
  readonly y: string;
  readonly stride?: number;
  readonly padding?: number | 'same' | 'valid';
  readonly dilation?: number;
  readonly groups?: number;
  readonly padding_mode?: 'zeros' | 'reflect' | 'replicate' | 'circular';
  readonly adapters: readonly { A: string; B: string; lora_alpha: number; use_rslora?: boolean; scale: number; lora_bias?: string; magnitude?: string }[];
}

const cases = JSON.parse(readFileSync(`${GOLDEN}layers/cases.json`, 'utf8')) as LayerCase[];
const tensors = readTensors(`${GOLDEN}layers/layers.safetensors`);
const golden = readTensors(`${GOLDEN}layers/golden.safetensors`);
const tensor = (name: string): TensorInput => tensors.get(name)!;
const runtime = await createRuntime();
const start = memoryReport(runtime);

const test = suite('layers beside PEFT');
for (const c of cases) {
  test(c.name, () => {
    const bias = c.bias ? tensor(c.bias) : null;
    const options = Object.fromEntries(Object.entries({ stride: c.stride, padding: c.padding, dilation: c.dilation, groups: c.groups, paddingMode: c.padding_mode }).filter(([, v]) => v !== undefined && v !== null));
    const layer = c.kind === 'embedding' ? new LoraEmbedding(runtime, { weight: tensor(c.weight) })
      : c.kind === 'conv1d' ? new LoraConv1d(runtime, { weight: tensor(c.weight), bias, ...options })
        : new LoraLinear(runtime, { weight: tensor(c.weight), bias, fanInFanOut: c.kind !== 'linear' });
    try {
      const blend: Record<string, number> = {};
      c.adapters.forEach(({ A, B, lora_alpha, use_rslora, scale, lora_bias, magnitude }, i) => {
        layer.loadAdapter(`adapter ${i}`, { A: tensor(A), B: tensor(B), alpha: lora_alpha, rslora: use_rslora ?? false, ...(lora_bias ? { bias: tensor(lora_bias) } : {}), ...(magnitude ? { magnitude: tensor(magnitude) } : {}) });
        blend[`adapter ${i}`] = scale;
      });
      const forward = (with_: Blend): Float32Array => (layer instanceof LoraEmbedding ? layer.forward(Array.from(indices(c.x)), with_) : layer.forward(tensors.get(c.x as string)!.data, with_)).read();
      const base = forward({});
      const off = difference(forward(blend), golden.get(c.y)!.data);
      assert.ok(off <= TOLERANCE, `largest difference ${off}`);
      assert.equal(forward(Object.fromEntries(Object.keys(blend).map((name) => [name, 0]))), base);
    } finally {
      layer.dispose();
    }
    const { bytes: _, heap: __, ...now } = memoryReport(runtime);
    for (const [arena, report] of Object.entries(now)) assert.is(report.used, start[arena as 'weights'].used, arena);
  });
}
test.run();

function indices(x: string | readonly number[]): ArrayLike<number> {
  if (typeof x !== 'string') return x;
  const bytes = new Uint8Array(readFileSync(`${GOLDEN}layers/layers.safetensors`));
  const length = new DataView(bytes.buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length))) as Record<string, { dtype: string; data_offsets: [number, number] }>;
  const { dtype, data_offsets: [begin, end] } = header[x]!;
  const data = bytes.slice(8 + length + begin, 8 + length + end).buffer;
  return dtype === 'I32' ? new Int32Array(data) : Array.from(new BigInt64Array(data), Number);
}
