import { LorikeetError } from '../errors.js';
import { ConfigReader } from '../formats/config.js';
import { ModuleList } from '../layers/module-list.js';
import type { Linear, Norm } from '../ops/module.js';
import type { Ops, Value } from '../ops/ops.js';
import { Weights, type Checkpoint } from './checkpoint.js';
import type { DtypeCode } from '../tensor/matrix.js';
import { activationOf } from './decoder-config.js';
import type { Built } from './architecture.js';

/** GPT-2: learned positions, LayerNorm, one Conv1D for q, k and v (its file holds [in, out]), a plain MLP, a tied head. */
export function buildGpt2(fields: Readonly<Record<string, unknown>>, checkpoint: Checkpoint, dtype?: DtypeCode): Built {
  const config = new ConfigReader(fields);
  const vocabSize = config.integer('vocab_size');
  const width = config.integer('n_embd');
  const heads = config.integer('n_head');
  const layers = config.integer('n_layer', undefined, 1, 1024);
  const positions = config.integer('n_positions', 1024);
  const inner = config.integer('n_inner', 4 * width);
  const eps = config.number('layer_norm_epsilon', 1e-5);
  const activation = activationOf(config.string('activation_function', 'gelu_new'));
  if (width % heads !== 0) throw new LorikeetError('config/invalid', `"n_head" in config.json expected a divisor of ${width}, found ${heads}.`, { expected: width, found: heads });
  for (const [key, neutral] of [['scale_attn_by_inverse_layer_idx', false], ['scale_attn_weights', true], ['reorder_and_upcast_attn', false], ['add_cross_attention', false]] as const) {
    if (config.boolean(key, neutral) !== neutral) throw new LorikeetError('model/unsupported', `"${key}" in config.json isn't supported: expected ${neutral}.`, { expected: neutral, found: !neutral });
  }
  const headDim = width / heads;
  const tied = config.boolean('tie_word_embeddings', true);
  const weights = new Weights(checkpoint.tensors, 'transformer.', dtype);
  const list = new ModuleList();

  const conv1D = (path: string, n: number, k: number): Linear =>
    list.linear({ path, transposed: true, weight: weights.matrix(`${path}.weight`, n, k, 'columns'), bias: weights.vector(`${path}.bias`, n) });
  const norm = (path: string): Norm =>
    list.norm({ path, form: 'layer', weight: weights.vector(`${path}.weight`, width), bias: weights.vector(`${path}.bias`, width), eps });

  const tokens = list.embedding({ path: 'transformer.wte', weight: weights.matrix('transformer.wte.weight', vocabSize, width), tied });
  const places = list.embedding({ path: 'transformer.wpe', weight: weights.matrix('transformer.wpe.weight', positions, width) });
  const blocks = Array.from({ length: layers }, (_, i) => {
    const at = `transformer.h.${i}`;
    return {
      norm1: norm(`${at}.ln_1`),
      qkv: conv1D(`${at}.attn.c_attn`, 3 * width, width),
      out: conv1D(`${at}.attn.c_proj`, width, width),
      norm2: norm(`${at}.ln_2`),
      up: conv1D(`${at}.mlp.c_fc`, inner, width),
      down: conv1D(`${at}.mlp.c_proj`, width, inner),
      spec: { layer: i, heads, kvHeads: heads, headDim, scale: 1 / Math.sqrt(headDim), softcap: 0, window: 0 },
    };
  });
  const finalNorm = norm('transformer.ln_f');
  const head = list.linear({ path: 'lm_head', isOutputHead: true, tied, bias: null, weight: tied ? tokens.weight : weights.matrix('lm_head.weight', vocabSize, width) });

  /** tokens + positions → n × (norm → attention → add → norm → MLP → add) → norm → head */
  const forward = (ops: Ops): Value => {
    let x = ops.add(ops.embed(tokens), ops.embed(places, 'positions'));
    for (const block of blocks) {
      const qkv = ops.linear(block.qkv, ops.norm(block.norm1, x));
      const [q, k, v] = [0, 1, 2].map((i) => ops.slice(qkv, i * width, width)) as [Value, Value, Value];
      x = ops.add(x, ops.linear(block.out, ops.attention(q, k, v, block.spec)));
      x = ops.add(x, ops.linear(block.down, ops.activate(activation, ops.linear(block.up, ops.norm(block.norm2, x)))));
    }
    return ops.linear(head, ops.norm(finalNorm, ops.outputs(x)));
  };

  return {
    weights,
    architecture: { modelType: 'gpt2', vocabSize, outputSize: vocabSize, contextLength: positions, kv: { layers, kvHeads: heads, headDim, window: 0 }, modules: list.modules, forward, prepare: () => {} },
  };
}
