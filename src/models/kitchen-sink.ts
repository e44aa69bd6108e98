import { ConfigReader } from '../formats/config.js';
import { ModuleList } from '../layers/module-list.js';
import type { Ops, Value } from '../ops/ops.js';
import { Weights, type Checkpoint } from './checkpoint.js';
import type { DtypeCode } from '../tensor/matrix.js';
import type { Built } from './architecture.js';

/** One layer of each kind that takes adapters: embedding → conv1d ('same' padding) → ReLU → linear at each position. */
export function buildKitchenSink(fields: Readonly<Record<string, unknown>>, checkpoint: Checkpoint, dtype?: DtypeCode): Built {
  const config = new ConfigReader(fields);
  const vocabSize = config.integer('vocab_size');
  const dim = config.integer('embedding_dim');
  const channels = config.integer('conv_channels');
  const kernel = config.integer('kernel_size');
  const outputSize = config.integer('num_outputs');
  const weights = new Weights(checkpoint.tensors, '', dtype);
  const list = new ModuleList();
  const embedding = list.embedding({ path: 'embedding', weight: weights.matrix('embedding.weight', vocabSize, dim) });
  // 'same' padding of an even kernel puts the odd element behind, as torch does: the left one is ⌊(kernel − 1) / 2⌋.
  const conv1d = list.conv1d({
    path: 'conv1d', weight: weights.conv('conv1d.weight', channels, dim, kernel), bias: weights.vector('conv1d.bias', channels),
    inChannels: dim, outChannels: channels, kernel, stride: 1, padding: Math.floor((kernel - 1) / 2), adapterPadding: Math.floor((kernel - 1) / 2), dilation: 1, groups: 1, paddingMode: 'zeros',
  });
  const linear = list.linear({ path: 'linear', weight: weights.matrix('linear.weight', outputSize, channels), bias: weights.vector('linear.bias', outputSize) });
  const forward = (ops: Ops): Value => ops.linear(linear, ops.outputs(ops.activate('relu', ops.conv1d(conv1d, ops.embed(embedding)))));
  return {
    weights,
    architecture: { modelType: 'kitchen_sink', vocabSize, outputSize, contextLength: 2 ** 20, kv: null, modules: list.modules, forward, prepare: () => {} },
  };
}
