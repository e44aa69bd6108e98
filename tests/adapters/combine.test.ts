import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createRuntime, memoryReport, type CombineMasks, type CombineMethod, type CombineOptions } from '../../src/index.js';
import { AdapterBank } from '../../src/adapters/bank.js';
import { parseHeader, readHeaderLength, writeSafetensors, type TensorInfo } from '../../src/formats/safetensors.js';
import type { Module } from '../../src/ops/module.js';
import type { FolderFiles } from '../../src/store/source.js';
import { BlockPlan } from '../../src/tensor/block.js';
import { difference, GOLDEN } from '../models/golden.js';

// Combinations beside those of PEFT's add_weighted_adapter (tests/golden/combine.py): the factors, or of the svd forms, whose factors are free up to a rotation,
// their product. Of the values' size: a few roundings of f32, in another order; where an svd is cut, times the inverse of the gap between the singular values at the cut
// (the goldens hold it above 1/200 of the largest one).
const TOLERANCE = 1e-6;
const CUT_TOLERANCE = 1e-5;

interface GoldenModule {
  readonly A?: string;
  readonly B?: string;
  readonly delta?: string;
  readonly masks?: Readonly<Record<string, Readonly<Record<keyof CombineMasks, string>>>>;
}

interface CombineCase {
  readonly name: string;
  readonly method: CombineMethod;
  readonly weights: Readonly<Record<string, number>>;
  readonly density?: number;
  readonly majority_sign_method?: 'total' | 'frequency';
  readonly svd_rank?: number;
  readonly modules: Readonly<Record<string, GoldenModule>>;
}

interface AdapterSpec {
  readonly r: number;
  readonly lora_alpha: number;
  readonly use_rslora?: boolean;
  readonly modules: Readonly<Record<string, readonly [A: string, B: string]>>;
}

interface Tensor {
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
  readonly data: Float32Array;
}

function tensorsOf(bytes: Uint8Array): Map<string, Tensor> {
  const length = readHeaderLength(bytes.subarray(0, 8), bytes.length);
  const { tensors } = parseHeader(bytes.subarray(8, 8 + length), bytes.length);
  const read = ({ begin, end, shape, dtype }: TensorInfo): Tensor => {
    const own = bytes.slice(begin, end);
    return { shape, bytes: own, data: dtype === 'F32' ? new Float32Array(own.buffer) : new Float32Array(0) };
  };
  return new Map([...tensors.values()].map((info) => [info.name, read(info)]));
}

const { adapters, cases } = JSON.parse(readFileSync(`${GOLDEN}combine/cases.json`, 'utf8')) as { adapters: Record<string, AdapterSpec>; cases: CombineCase[] };
const inputs = tensorsOf(new Uint8Array(readFileSync(`${GOLDEN}combine/adapters.safetensors`)));
const golden = tensorsOf(new Uint8Array(readFileSync(`${GOLDEN}combine/golden.safetensors`)));

const isEmbedding = (module: string): boolean => module === 'embedding';
const key = (module: string, part: 'A' | 'B'): string => `base_model.model.${module}.${isEmbedding(module) ? `lora_embedding_${part}` : `lora_${part}.weight`}`;

/** An adapter of the goldens as PEFT would have saved it. */
function folder({ r, lora_alpha, use_rslora = false, modules }: AdapterSpec): FolderFiles {
  const list = Object.entries(modules).flatMap(([module, [a, b]]) => ([['A', a], ['B', b]] as const).map(([part, name]) => ({ name: key(module, part), dtype: 'F32' as const, shape: inputs.get(name)!.shape, bytes: inputs.get(name)!.bytes })));
  return {
    'adapter_config.json': JSON.stringify({ peft_type: 'LORA', r, lora_alpha, use_rslora, target_modules: Object.keys(modules) }),
    'adapter_model.safetensors': writeSafetensors(list, { format: 'pt' }),
  };
}

/** The modules of combine.py's Holder; their weights play no part. */
const runtime = await createRuntime();
const plan = new BlockPlan();
const modules: Module[] = [
  { kind: 'linear', path: 'linear', slot: 0, weight: plan.matrix(9, 13, 0), bias: null, transposed: false, isOutputHead: false, tied: false },
  { kind: 'linear', path: 'fan_in_fan_out', slot: 1, weight: plan.matrix(8, 10, 0), bias: null, transposed: true, isOutputHead: false, tied: false },
  { kind: 'embedding', path: 'embedding', slot: 2, weight: plan.matrix(11, 7, 0), scale: 1, tied: false },
  { kind: 'conv1d', path: 'conv1d', slot: 3, weight: plan.matrix(6, 15, 0), bias: null, inChannels: 5, outChannels: 6, kernel: 3, stride: 1, padding: 0, adapterPadding: 0, dilation: 1, groups: 1, paddingMode: 'zeros' },
];
plan.placeNow(runtime, runtime.weights, new Uint8Array(0));
const bank = new AdapterBank(runtime, modules, '');
for (const [name, spec] of Object.entries(adapters)) await bank.load(name, folder(spec));
const loaded = runtime.adapters.report().used;

function optionsOf({ method, density, majority_sign_method, svd_rank, modules }: CombineCase): CombineOptions {
  const masks: Record<string, Record<string, CombineMasks>> = {};
  for (const [module, { masks: given = {} }] of Object.entries(modules)) {
    for (const [adapter, parts] of Object.entries(given)) (masks[adapter] ??= {})[module] = Object.fromEntries(Object.entries(parts).map(([part, name]) => [part, golden.get(name)!.bytes]));
  }
  return {
    method, ...(density === undefined ? {} : { density }), ...(majority_sign_method ? { majoritySign: majority_sign_method } : {}), ...(svd_rank ? { rank: svd_rank } : {}),
    ...(Object.keys(masks).length > 0 ? { masks } : {}),
  };
}

/** B A of [out, r] and [r, in]. */
function product(b: Tensor, a: Tensor): Float64Array {
  const [outputs, rank] = b.shape as [number, number];
  const inputs = a.shape[1]!;
  const out = new Float64Array(outputs * inputs);
  for (let i = 0; i < outputs; i++) for (let r = 0; r < rank; r++) for (let j = 0; j < inputs; j++) out[i * inputs + j]! += b.data[i * rank + r]! * a.data[r * inputs + j]!;
  return out;
}

/** The first `rank` rows of A [R, …] or columns of B [out, R, …]; the others must be zeros (PEFT pads under cat). */
function cut({ shape, data }: Tensor, rank: number, part: 'A' | 'B'): Float32Array {
  if (part === 'A') {
    const kept = (data.length / shape[0]!) * rank;
    assert.ok(data.subarray(kept).every((value) => value === 0));
    return data.subarray(0, kept);
  }
  const whole = shape[1]!;
  const out = new Float32Array(shape[0]! * rank);
  data.forEach((value, i) => {
    if (i % whole < rank) out[Math.floor(i / whole) * rank + (i % whole)] = value;
    else assert.is(value, 0);
  });
  return out;
}

const beside = suite('combine: beside PEFT');
assert.is(cases.length, 62);
for (const c of cases) {
  beside(`${c.name} ${JSON.stringify(c.weights)}${c.density === undefined ? '' : ` density ${c.density}`}${c.majority_sign_method ? ` ${c.majority_sign_method}` : ''}`, () => {
    const report = bank.combine('combined', c.weights, optionsOf(c));
    assert.equal(report.applied.map(({ module }) => module).sort(), Object.keys(c.modules).sort());
    const made = tensorsOf(bank.files('combined')['adapter_model.safetensors']);
    for (const { module, rank, scale } of report.applied) {
      assert.is(scale, 1);
      const expected = c.modules[module]!;
      const [a, b] = [made.get(key(module, 'A'))!, made.get(key(module, 'B'))!];
      assert.is(a.shape[0], rank);
      let off: number;
      if (expected.delta) off = difference(product(b, a), golden.get(expected.delta)!.data);
      else {
        const [goldenA, goldenB] = [golden.get(expected.A!)!, golden.get(expected.B!)!];
        if (c.method !== 'cat') assert.equal([a.shape, b.shape], [goldenA.shape, goldenB.shape]);
        off = Math.max(difference(a.data, cut(goldenA, rank, 'A')), difference(b.data, cut(goldenB, rank, 'B')));
      }
      assert.ok(off <= (expected.delta ? CUT_TOLERANCE : TOLERANCE), `${module}: largest difference ${off}`);
    }
    bank.unload('combined');
    assert.is(runtime.adapters.report().used, loaded);
    assert.is(memoryReport(runtime).scratch.used, 0);
  });
}
beside.run();
