// Models and adapters of a given size, as Hugging Face folders: the shapes of SmolLM2-135M, weights without meaning. What is measured with them doesn't look at values.

export const SMOL = { hidden: 576, kv: 192, inner: 1536, heads: 9, kvHeads: 3, headDim: 64 };
const LINEAR = { 'self_attn.q_proj': ['hidden', 'hidden'], 'self_attn.k_proj': ['kv', 'hidden'], 'self_attn.v_proj': ['kv', 'hidden'], 'self_attn.o_proj': ['hidden', 'hidden'],
  'mlp.gate_proj': ['inner', 'hidden'], 'mlp.up_proj': ['inner', 'hidden'], 'mlp.down_proj': ['hidden', 'inner'] };

export function modelConfig({ layers, vocab, shape = SMOL }) {
  return { model_type: 'llama', vocab_size: vocab, hidden_size: shape.hidden, intermediate_size: shape.inner, num_hidden_layers: layers, num_attention_heads: shape.heads,
    num_key_value_heads: shape.kvHeads, head_dim: shape.headDim, rms_norm_eps: 1e-5, max_position_embeddings: 512, tie_word_embeddings: true, hidden_act: 'silu', rope_theta: 10000 };
}

/** Names and shapes of a Llama model's tensors. */
export function modelTensors({ layers, vocab, shape = SMOL }) {
  const tensors = [['model.embed_tokens.weight', [vocab, shape.hidden]]];
  for (let i = 0; i < layers; i++) {
    tensors.push([`model.layers.${i}.input_layernorm.weight`, [shape.hidden]], [`model.layers.${i}.post_attention_layernorm.weight`, [shape.hidden]]);
    for (const [name, [n, k]] of Object.entries(LINEAR)) tensors.push([`model.layers.${i}.${name}.weight`, [shape[n], shape[k]]]);
  }
  tensors.push(['model.norm.weight', [shape.hidden]]);
  return tensors;
}

export function adapterConfig({ rank, targets }) {
  return { peft_type: 'LORA', r: rank, lora_alpha: rank, target_modules: targets, task_type: 'CAUSAL_LM' };
}

/** Names and shapes of an adapter's tensors, for `targets` named as in target_modules. */
export function adapterTensors({ layers, rank, targets, shape = SMOL }) {
  const tensors = [];
  for (let i = 0; i < layers; i++) {
    for (const [name, [n, k]] of Object.entries(LINEAR)) {
      if (!targets.includes(name.split('.').at(-1))) continue;
      const at = `base_model.model.model.layers.${i}.${name}`;
      tensors.push([`${at}.lora_A.weight`, [rank, shape[k]]], [`${at}.lora_B.weight`, [shape[n], rank]]);
    }
  }
  return tensors;
}

export const ALL_LINEAR = Object.keys(LINEAR).map((name) => name.split('.').at(-1));

/** A safetensors file of these tensors: its header, and how many bytes of data follow. */
export function safetensorsHeader(tensors, dtype) {
  const width = dtype === 'F32' ? 4 : 2;
  let at = 0;
  const header = {};
  for (const [name, shape] of tensors) {
    const bytes = shape.reduce((product, d) => product * d, 1) * width;
    header[name] = { dtype, shape, data_offsets: [at, at + bytes] };
    at += bytes;
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const padded = Math.ceil(json.length / 8) * 8;
  const bytes = new Uint8Array(8 + padded).fill(32);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(padded), true);
  bytes.set(json, 8);
  return { bytes, data: at };
}

/** `bytes` bytes of finite numbers of about 0.01, of either sign. */
export function weights(bytes, dtype) {
  const out = dtype === 'F32' ? new Uint32Array(bytes / 4) : new Uint16Array(bytes / 2);
  const base = { F32: 0x3c000000, BF16: 0x3c00, F16: 0x2000 }[dtype];
  const mask = { F32: 0x807fffff, BF16: 0x807f, F16: 0x83ff }[dtype];
  for (let i = 0, state = 1; i < out.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    out[i] = base | ((dtype === 'F32' ? state : state >>> 16) & mask);
  }
  return new Uint8Array(out.buffer);
}

/** A whole file in memory. */
export function safetensors(tensors, dtype) {
  const { bytes, data } = safetensorsHeader(tensors, dtype);
  const file = new Uint8Array(bytes.length + data);
  file.set(bytes);
  file.set(weights(data, dtype), bytes.length);
  return file;
}
