import type { Runtime } from '../arena/runtime.js';
import { writeSafetensors, type TensorBytes } from '../formats/safetensors.js';
import type { LowRank, Module, ReplacedRows } from '../ops/module.js';
import { DTYPES, dtypeName, packedBytes, rowBytes, type DtypeCode, type FloatName, type Matrix } from '../tensor/matrix.js';
import type { Adapter } from './adapter.js';
import { DUMMY_TARGET_MODULES } from './match.js';

/** The two files of a PEFT folder; a type, not an interface, so that it is also a folder to load from. */
export type AdapterFiles = {
  readonly 'adapter_config.json': string;
  readonly 'adapter_model.safetensors': Uint8Array;
};

const PREFIX = 'base_model.model.';

/**
 * Writes an adapter as PEFT's save_pretrained does: its factors in the dtype they have in memory, each module's rank and alpha by name. The user's scale
 * (rescale) isn't part of it.
 */
export function exportAdapter(runtime: Runtime, modules: readonly Module[], adapter: Adapter, baseModel = adapter.config?.base_model_name_or_path ?? null): AdapterFiles {
  const tensors: TensorBytes[] = [];
  const rankPattern: Record<string, number> = {};
  const alphaPattern: Record<string, number> = {};
  const targets: string[] = [];
  const saved: string[] = [];
  const rslora = adapter.config?.use_rslora ?? false;
  let dora = false;
  let loraBias = false;
  let trainedBias = false;
  const tokens: Record<string, number[]> = {};
  let tiedIndices: string | null = null;
  for (const module of modules) {
    const delta = adapter.deltas[module.slot];
    if (!delta) continue;
    const key = PREFIX + module.path;
    if (delta.lowRank) {
      const { rank, scaling } = delta.lowRank;
      targets.push(module.path);
      rankPattern[escape(module.path)] = rank;
      alphaPattern[escape(module.path)] = scaling * (rslora ? Math.sqrt(rank) : rank);
      tensors.push(...factors(runtime, module, delta.lowRank, key));
      if (delta.lowRank.bias) {
        loraBias = true;
        tensors.push(vector(runtime, `${key}.lora_B.bias`, delta.lowRank.bias.ptr, [delta.lowRank.bias.n]));
      }
    }
    if (delta.dora) {
      dora = true;
      const { ptr, n } = delta.dora.magnitude;
      tensors.push(vector(runtime, `${key}.lora_magnitude_vector`, ptr, module.kind === 'conv1d' ? [1, n, 1] : [n]));
    }
    if (delta.vector) tensors.push(vector(runtime, `${key}.weight`, delta.vector.ptr, [delta.vector.n]));
    if (delta.weight) {
      tensors.push(module.kind === 'conv1d'
        ? convolution(runtime, `${key}.weight`, delta.weight, module.outChannels, module.inChannels / module.groups, module.kernel, module.groups)
        : matrix(runtime, `${key}.weight`, delta.weight, module.kind === 'linear' && module.transposed));
    }
    if (delta.weight ?? delta.vector) saved.push(module.path);
    if (delta.bias) {
      if (!(delta.weight ?? delta.vector)) trainedBias = true;
      tensors.push(vector(runtime, delta.lowRank ? `${key}.base_layer.bias` : `${key}.bias`, delta.bias.ptr, [delta.bias.n]));
    }
    if (delta.rows) {
      const { packed } = delta.rows;
      const indices = indicesOf(runtime, delta.rows);
      // A tied head takes the embedding's rows by itself, unless it has other ones.
      if (module.kind === 'linear' && module.tied && String(indices) === tiedIndices) continue;
      if (module.kind === 'embedding' && module.tied) tiedIndices = String(indices);
      tokens[module.path] = indices;
      tensors.push(matrix(runtime, `${key}.token_adapter.trainable_tokens_delta`, packed, false));
    }
  }
  const first = Object.values(rankPattern)[0] ?? 8;
  const firstAlpha = Object.values(alphaPattern)[0] ?? 8;
  const config = {
    peft_type: 'LORA', base_model_name_or_path: baseModel, inference_mode: true, task_type: adapter.config?.task_type ?? null,
    r: first, lora_alpha: firstAlpha, use_rslora: rslora, use_dora: dora, lora_bias: loraBias, bias: trainedBias ? 'all' : 'none', fan_in_fan_out: modules.some((m) => m.kind === 'linear' && m.transposed && adapter.deltas[m.slot]?.lowRank),
    target_modules: targets.length > 0 ? targets : DUMMY_TARGET_MODULES, // an empty list PEFT refuses
    rank_pattern: differing(rankPattern, first), alpha_pattern: differing(alphaPattern, firstAlpha),
    modules_to_save: saved.length > 0 ? saved : null, trainable_token_indices: Object.keys(tokens).length > 0 ? tokens : null,
    alora_invocation_tokens: adapter.invocation, lora_dropout: 0, init_lora_weights: true,
  };
  return { 'adapter_config.json': `${JSON.stringify(config, null, 2)}\n`, 'adapter_model.safetensors': writeSafetensors(tensors, { format: 'pt' }) };
}

const indicesOf = ({ views }: Runtime, { indices, count }: ReplacedRows): number[] => [...views.i32.subarray(indices.ptr / 4, indices.ptr / 4 + count)];

/** rank_pattern and alpha_pattern are regular expressions: a path's dots stand for themselves. */
const escape = (path: string): string => path.replaceAll('.', '\\.');

const differing = (pattern: Readonly<Record<string, number>>, usual: number): Record<string, number> => Object.fromEntries(Object.entries(pattern).filter(([, value]) => value !== usual));

function factors(runtime: Runtime, module: Module, { a, b, rank }: LowRank, key: string): TensorBytes[] {
  if (module.kind === 'embedding') return [matrix(runtime, `${key}.lora_embedding_A`, a, true), matrix(runtime, `${key}.lora_embedding_B`, b, false)];
  if (module.kind !== 'conv1d') return [matrix(runtime, `${key}.lora_A.weight`, a, false), matrix(runtime, `${key}.lora_B.weight`, b, false)];
  return [
    convolution(runtime, `${key}.lora_A.weight`, a, rank, module.inChannels, module.kernel, 1),
    convolution(runtime, `${key}.lora_B.weight`, b, module.outChannels, rank / module.groups, 1, module.groups),
  ];
}

/** A packed matrix as a tensor, row-major or transposed. */
function matrix(runtime: Runtime, name: string, { ptr, n, k, dtype }: Matrix, transposed: boolean): TensorBytes {
  return withScratch(runtime, ({ kernels, scratch }) => {
    const rows = scratch.alloc(n * k * 4);
    kernels.unpack(rows, ptr, n, k, dtype, 0, n);
    if (!transposed) return tensor(runtime, name, rows, [n, k], dtype);
    const turned = scratch.alloc(n * k * 4);
    kernels.transpose(turned, rows, n, k);
    return tensor(runtime, name, turned, [k, n], dtype);
  });
}

/** [out, in, kernel] from panels whose columns are (tap, channel), group after group. */
function convolution(runtime: Runtime, name: string, { ptr, dtype, n, k }: Matrix, out: number, inPerGroup: number, kernel: number, groups: number): TensorBytes {
  return withScratch(runtime, ({ kernels, scratch }) => {
    const rows = scratch.alloc(out * k * 4);
    const turned = scratch.alloc(out * k * 4);
    for (let g = 0; g < groups; g++) kernels.unpack(rows + g * n * k * 4, ptr + g * packedBytes(n, k, dtype), n, k, dtype, 0, n);
    for (let o = 0; o < out; o++) kernels.transpose(turned + o * k * 4, rows + o * k * 4, kernel, inPerGroup);
    return tensor(runtime, name, turned, [out, inPerGroup, kernel], dtype);
  });
}

const vector = (runtime: Runtime, name: string, ptr: number, shape: readonly number[]): TensorBytes => tensor(runtime, name, ptr, shape, DTYPES.F32);

/** f32 in linear memory as a tensor of the given dtype: bf16 and f16 values survive the way there and back. */
function tensor(runtime: Runtime, name: string, f32: number, shape: readonly number[], dtype: DtypeCode): TensorBytes {
  return withScratch(runtime, ({ kernels, scratch, views }) => {
    const count = shape.reduce((p, d) => p * d, 1);
    const bytes = rowBytes(count, dtype);
    const narrow = scratch.alloc(bytes);
    kernels.narrow(narrow, f32, count, dtype);
    return { name, dtype: dtypeName(dtype) as FloatName, shape, bytes: views.u8.slice(narrow, narrow + bytes) };
  });
}

function withScratch<T>(runtime: Runtime, work: (runtime: Runtime) => T): T {
  const mark = runtime.scratch.mark();
  try {
    return work(runtime);
  } finally {
    runtime.scratch.release(mark);
  }
}
