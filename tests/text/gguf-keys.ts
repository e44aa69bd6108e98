import { readFileSync } from 'node:fs';
import type { GgufField } from '../../src/formats/gguf-write.js';
import { GOLDEN } from '../models/golden.js';
import { descriptionOf } from './tokens.js';

/** Tokenizers in a GGUF: a small tokenizer and what its keys say beside it. llama.cpp's ids for them stand in tests/golden/tokens/llama.json. */
export const GGUF_CASES: Readonly<Record<string, { readonly tokenizer: 'byte_level' | 'sentencepiece'; readonly pre?: string; readonly spacePrefix?: boolean }>> = {
  sentencepiece: { tokenizer: 'sentencepiece' },
  'sentencepiece, no space before': { tokenizer: 'sentencepiece', spacePrefix: false },
  ...Object.fromEntries(['default', 'llama-bpe', 'qwen2', 'qwen35', 'gpt-2', 'smollm', 'falcon', 'deepseek-v3', 'bloom', 'viking', 'bailingmoe', 'seed-coder', 'minicpm5'].map((pre) => [pre, { tokenizer: 'byte_level' as const, pre }])),
};

const text = (value: string): GgufField => ({ type: 'string', value });
const whole = (value: number): GgufField => ({ type: 'u32', value });
const list = (value: readonly string[] | Int32Array | Float32Array): GgufField => ({ type: 'array', value });

/** The keys of a case, and those that llama.cpp asks of any model. */
export function ggufFields(name: string): Map<string, GgufField> {
  const { tokenizer, pre = 'default', spacePrefix } = GGUF_CASES[name]!;
  const { model, added_tokens: added } = descriptionOf(tokenizer) as { model: { vocab: Record<string, number>; merges: (string | [string, string])[] }; added_tokens: { id: number; special: boolean }[] };
  const tokens: string[] = [];
  for (const [token, id] of Object.entries(model.vocab)) tokens[id] = token;
  const fields = new Map<string, GgufField>([
    ['general.architecture', text('llama')], ['llama.context_length', whole(2048)], ['llama.embedding_length', whole(64)], ['llama.block_count', whole(1)], ['llama.feed_forward_length', whole(128)],
    ['llama.attention.head_count', whole(4)], ['llama.attention.layer_norm_rms_epsilon', { type: 'f32', value: 1e-5 }], ['tokenizer.ggml.model', text(tokenizer === 'byte_level' ? 'gpt2' : 'llama')], ['tokenizer.ggml.pre', text(pre)], ['tokenizer.ggml.tokens', list(tokens)],
  ]);
  if (tokenizer === 'byte_level') {
    const special = new Set(added.map(({ id }) => id));
    fields.set('tokenizer.ggml.token_type', list(Int32Array.from(tokens, (_, id) => (special.has(id) ? 3 : 1))));
    fields.set('tokenizer.ggml.merges', list(model.merges.map((merge) => (typeof merge === 'string' ? merge : merge.join(' ')))));
    for (const key of ['bos', 'eos']) fields.set(`tokenizer.ggml.${key}_token_id`, whole(0));
  } else {
    const { scores, types } = JSON.parse(readFileSync(`${GOLDEN}tokens/sentencepiece_scores.json`, 'utf8')) as { scores: number[]; types: number[] };
    fields.set('tokenizer.ggml.token_type', list(Int32Array.from(types)));
    fields.set('tokenizer.ggml.scores', list(Float32Array.from(scores)));
    for (const [key, id] of [['unknown', 0], ['bos', 1], ['eos', 2]] as const) fields.set(`tokenizer.ggml.${key}_token_id`, whole(id));
    if (spacePrefix !== undefined) fields.set('tokenizer.ggml.add_space_prefix', { type: 'bool', value: spacePrefix });
  }
  return fields;
}
