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
  if (window > 0 || architecture === 'gemma3') fields.push(['attention.sliding_window', u32(window)]);
  if (architecture === 'gemma3') fields.push(['attention.sliding_window_pattern', patternOf(config.windows)], ['rope.freq_base_swa', f32(sliding!.base)]);
  if (config.attentionSoftcap > 0) fields.push(['attn_logit_softcapping', f32(config.attentionSoftcap)]);
  if (config.logitSoftcap > 0) fields.push(['final_logit_softcapping', f32(config.logitSoftcap)]);
  return new Map(fields.map(([key, field]) => [`${architecture}.${key}`, field]));
}

/** Every n-th layer sees all: n; other orders as a list. */
function patternOf(windows: readonly number[]): GgufField {
  for (let n = 1; n <= windows.length + 1; n++) if (windows.every((window, i) => window > 0 === ((i + 1) % n !== 0))) return u32(n);
  return { type: 'array', value: windows.map((window) => window > 0) };
}

/** What llama.cpp knows of an architecture without being told: the period of its windows, and of the layers that don't turn. */
const WINDOW_PERIODS: Readonly<Record<string, number>> = { gemma2: 2 };
const ROPE_PERIODS: Readonly<Record<string, number>> = { smollm3: 4 };
/** Layers of the models whose scale isn't that of their heads, the 27B ones: so llama.cpp tells them. */
const LARGEST: Readonly<Record<string, number>> = { gemma2: 46, gemma3: 62 };

function checkSayable(config: DecoderConfig, architecture: string): void {
  const gemma = architecture.startsWith('gemma');
  const expect = (what: string, expected: unknown, found: unknown, holds = expected === found): void => {
    if (!holds) throw new LorikeetError('quantize/unsupported', `The model can't be written as a GGUF that llama.cpp computes alike: ${what} expected ${String(expected)}, found ${String(found)}.`, { expected, found });
  };
  expect('its activation', gemma ? 'gelu_tanh' : 'silu', config.activation);
  const scale = 1 / Math.sqrt(LARGEST[architecture] === config.layers ? config.hiddenSize / config.heads : config.headDim);
  expect('the scale of its attention', scale, config.attentionScale, Math.abs(config.attentionScale / scale - 1) < 1e-6);
  const period = WINDOW_PERIODS[architecture];
  if (period !== undefined) expect('its sliding windows', `a full layer of every ${period}`, config.windows.join(' '), config.windows.every((window, i) => window > 0 === ((i + 1) % period !== 0)));
  else if (architecture !== 'gemma3' && config.modelType !== 'mistral') expect('its sliding window', 0, Math.max(...config.windows));
  const still = ROPE_PERIODS[architecture];
  expect('the layers that know positions', still ? `all but every ${still}th` : 'all', config.ropeOf.join(' '), config.ropeOf.every((rope, i) => rope < 0 === (still !== undefined && (i + 1) % still === 0)));
  for (const cap of [config.attentionSoftcap, config.logitSoftcap]) expect('the bound of its scores and logits', architecture === 'gemma2' ? 'one above 0' : 0, cap, architecture === 'gemma2' ? cap > 0 : cap === 0);
  if (architecture === 'gemma3') {
    expect('the rope of its full layers', 'default or linear', config.ropes[0]!.kind, config.ropes[0]!.kind !== 'llama3');
    expect('the rope of its sliding layers', 'default', config.ropes[1]!.kind);
  }
}
