import type { Runtime } from '../arena/runtime.js';
import { attend, type Attention } from '../layers/attention.js';
import { gatedMlp, type GatedMlp } from '../layers/mlp.js';
import { ModuleList } from '../layers/module-list.js';
import type { Linear, Norm } from '../ops/module.js';
import type { Ops, Value } from '../ops/ops.js';
import { Weights, type Checkpoint } from './checkpoint.js';
import type { DtypeCode } from '../tensor/matrix.js';
import { decoderConfig, type RopeSpec } from './decoder-config.js';
import type { Built } from './architecture.js';

interface Block {
  readonly inputNorm: Norm;
  readonly attention: Attention;
  /** Gemma2 and Gemma3 normalise what attention and MLP put out, too. */
  readonly attentionNorm: Norm | null;
  readonly mlpInputNorm: Norm;
  readonly mlp: GatedMlp;
  readonly mlpNorm: Norm | null;
}

/** What a GGUF divides the frequencies by: its form of llama3's scaling. */
const ROPE_FACTORS = 'rope_freqs.weight';
const ROPE_KINDS = { default: 0, linear: 1, llama3: 2 } as const;

/** Llama, Mistral, Qwen2, Qwen3, SmolLM3, Phi3, Gemma, Gemma2 and Gemma3's text model: one forward pass, told apart by data. */
export function buildDecoder(fields: Readonly<Record<string, unknown>>, checkpoint: Checkpoint, dtype?: DtypeCode): Built {
  const config = decoderConfig(fields, checkpoint.metadata ? 'the GGUF' : 'config.json');
  const { hiddenSize, intermediateSize, headDim, heads, kvHeads, eps, vocabSize } = config;
  const weights = new Weights(checkpoint.tensors, 'model.', dtype);
  const list = new ModuleList();

  const linear = (path: string, n: number, k: number, bias: boolean, rotaryHeads = 0): Linear =>
    list.linear({ path, rotaryHeads, weight: weights.matrix(`${path}.weight`, n, k), bias: bias ? weights.vector(`${path}.bias`, n) : null });
  const norm = (path: string, n: number): Norm =>
    list.norm({ path, form: 'rms', weight: weights.vector(`${path}.weight`, n), eps, offset: config.normOffset, added: config.normAdded });

  const embedding = list.embedding({ path: 'model.embed_tokens', weight: weights.matrix('model.embed_tokens.weight', vocabSize, hiddenSize), scale: config.embedScale, tied: config.tied });
  const blocks = Array.from({ length: config.layers }, (_, i): Block => {
    const at = `model.layers.${i}`;
    return {
      inputNorm: norm(`${at}.input_layernorm`, hiddenSize),
      attention: {
        qkv: config.fused ? linear(`${at}.self_attn.qkv_proj`, (heads + 2 * kvHeads) * headDim, hiddenSize, config.qkvBias) : [
          linear(`${at}.self_attn.q_proj`, heads * headDim, hiddenSize, config.qkvBias, heads),
          linear(`${at}.self_attn.k_proj`, kvHeads * headDim, hiddenSize, config.qkvBias, kvHeads),
          linear(`${at}.self_attn.v_proj`, kvHeads * headDim, hiddenSize, config.qkvBias),
        ],
        o: linear(`${at}.self_attn.o_proj`, hiddenSize, heads * headDim, config.outBias),
        qNorm: config.headNorms ? norm(`${at}.self_attn.q_norm`, headDim) : null,
        kNorm: config.headNorms ? norm(`${at}.self_attn.k_norm`, headDim) : null,
        spec: { layer: i, heads, kvHeads, headDim, scale: config.attentionScale, softcap: config.attentionSoftcap, window: config.windows[i]! },
      },
      attentionNorm: config.sandwichNorms ? norm(`${at}.post_attention_layernorm`, hiddenSize) : null,
      mlpInputNorm: norm(`${at}.${config.sandwichNorms ? 'pre_feedforward_layernorm' : 'post_attention_layernorm'}`, hiddenSize),
      mlp: {
        gateUp: config.fused ? linear(`${at}.mlp.gate_up_proj`, 2 * intermediateSize, hiddenSize, config.mlpBias) : [
          linear(`${at}.mlp.gate_proj`, intermediateSize, hiddenSize, config.mlpBias),
          linear(`${at}.mlp.up_proj`, intermediateSize, hiddenSize, config.mlpBias),
        ],
        down: linear(`${at}.mlp.down_proj`, hiddenSize, intermediateSize, config.mlpBias),
        activation: config.activation,
      },
      mlpNorm: config.sandwichNorms ? norm(`${at}.post_feedforward_layernorm`, hiddenSize) : null,
    };
  });
  const finalNorm = norm('model.norm', hiddenSize);
  const head = list.linear({
    path: 'lm_head', isOutputHead: true, tied: config.tied, bias: null,
    weight: config.tied ? embedding.weight : weights.matrix('lm_head.weight', vocabSize, hiddenSize),
  });
  const frequencies = config.ropes.map(() => weights.plan.vector(headDim / 2));
  const factors = weights.has(ROPE_FACTORS) ? weights.vector(ROPE_FACTORS, headDim / 2) : null;

  /** tokens → embed → n × (norm → attention → add → norm → MLP → add) → norm → head; Gemma2 bounds the logits */
  const forward = (ops: Ops): Value => {
    const angles = frequencies.map((f) => ops.angles(f.ptr, headDim / 2, 1));
    let x = ops.embed(embedding);
    for (const block of blocks) {
      const turn = angles[config.ropeOf[block.attention.spec.layer]!] ?? null;
      const attended = attend(ops, block.attention, ops.norm(block.inputNorm, x), turn);
      x = ops.add(x, block.attentionNorm ? ops.norm(block.attentionNorm, attended) : attended);
      const fed = gatedMlp(ops, block.mlp, ops.norm(block.mlpInputNorm, x));
      x = ops.add(x, block.mlpNorm ? ops.norm(block.mlpNorm, fed) : fed);
    }
    const logits = ops.linear(head, ops.norm(finalNorm, ops.outputs(x)));
    return config.logitSoftcap > 0 ? ops.softcap(logits, config.logitSoftcap) : logits;
  };

  const prepare = ({ kernels }: Runtime): void => {
    config.ropes.forEach((rope: RopeSpec, i) => kernels.inverseFrequencies(frequencies[i]!.ptr, headDim, rope.base, ROPE_KINDS[rope.kind], rope.factor, rope.low, rope.high, rope.original));
    if (factors) kernels.stretchFrequencies(frequencies[0]!.ptr, factors.ptr, headDim / 2);
  };

  return {
    weights,
    architecture: { modelType: config.modelType, vocabSize, outputSize: vocabSize, contextLength: config.maxPositions, kv: { layers: config.layers, kvHeads, headDim, window: config.windows.includes(0) ? 0 : Math.max(...config.windows) }, modules: list.modules, forward, prepare },
  };
}
