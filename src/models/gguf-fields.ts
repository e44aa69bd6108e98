/** What a decoder's configuration is in the metadata of a GGUF: the way back of formats/gguf-model.ts. What llama.cpp would compute otherwise is refused. */
import { LorikeetError } from '../errors.js';
import type { GgufArchitecture } from '../formats/gguf-names.js';
import type { GgufField } from '../formats/gguf-write.js';
import type { DecoderConfig } from './decoder-config.js';

const u32 = (value: number): GgufField => ({ type: 'u32', value });
const f32 = (value: number): GgufField => ({ type: 'f32', value });

/**
 * The keys of one architecture.
 *
 * @throws LorikeetError `quantize/unsupported` where a GGUF can't say what the configuration says
 */
export function configFields(config: DecoderConfig, architecture: GgufArchitecture): Map<string, GgufField> {
  checkSayable(config, architecture);
  const { ropes: [rope, sliding] } = config;
  const fields: [string, GgufField][] = [
    ['vocab_size', u32(config.vocabSize)],
    ['context_length', u32(config.maxPositions)],
    ['embedding_length', u32(config.hiddenSize)],
    ['block_count', u32(config.layers)],
    ['feed_forward_length', u32(config.intermediateSize)],
    ['attention.head_count', u32(config.heads)],
    ['attention.head_count_kv', u32(config.kvHeads)],
    ['attention.key_length', u32(config.headDim)],
    ['attention.value_length', u32(config.headDim)],
    ['attention.layer_norm_rms_epsilon', f32(config.eps)],
    ['rope.dimension_count', u32(config.headDim)],
    ['rope.freq_base', f32(rope!.base)],
  ];
  if (rope!.kind === 'linear') fields.push(['rope.scaling.type', { type: 'string', value: 'linear' }], ['rope.scaling.factor', f32(rope!.factor)]);
  const window = Math.max(...config.windows);
  if (architecture === 'gemma3') fields.push(['attention.sliding_window', u32(window)], ['attention.sliding_window_pattern', patternOf(config.windows)], ['rope.freq_base_swa', f32(sliding!.base)]);
  else if (window > 0) fields.push(['attention.sliding_window', u32(window)]);
  return new Map(fields.map(([key, field]) => [`${architecture}.${key}`, field]));
}

/** Every n-th layer sees all: n; other orders as a list. */
function patternOf(windows: readonly number[]): GgufField {
  for (let n = 1; n <= windows.length + 1; n++) if (windows.every((window, i) => window > 0 === ((i + 1) % n !== 0))) return u32(n);
  return { type: 'array', value: windows.map((window) => window > 0) };
}

function checkSayable(config: DecoderConfig, architecture: GgufArchitecture): void {
  const gemma = architecture === 'gemma3';
  const expect = (what: string, expected: unknown, found: unknown, holds = expected === found): void => {
    if (!holds) throw new LorikeetError('quantize/unsupported', `The model can't be written as a GGUF that llama.cpp computes alike: ${what} expected ${String(expected)}, found ${String(found)}.`, { expected, found });
  };
  expect('its activation', gemma ? 'gelu_tanh' : 'silu', config.activation);
  // llama.cpp knows the 27B model, whose scale isn't that of its heads, by its 62 layers.
  const scale = 1 / Math.sqrt(gemma && config.layers === 62 ? config.hiddenSize / config.heads : config.headDim);
  expect('the scale of its attention', scale, config.attentionScale, Math.abs(config.attentionScale / scale - 1) < 1e-6);
  if (config.modelType.startsWith('qwen')) expect('its sliding window', 0, Math.max(...config.windows));
  if (gemma) {
    expect('the rope of its full layers', 'default or linear', config.ropes[0]!.kind, config.ropes[0]!.kind !== 'llama3');
    expect('the rope of its sliding layers', 'default', config.ropes[1]!.kind);
  }
}
