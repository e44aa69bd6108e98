import { readdirSync, readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseAdapterKey } from '../../src/formats/peft.js';
import { parseHeader } from '../../src/formats/safetensors.js';

const Q = 'model.layers.0.self_attn.q_proj';
const table: readonly [name: string, module: string, role: string, param?: string][] = [
  [`base_model.model.${Q}.lora_A.weight`, Q, 'lora_A'],
  [`base_model.model.${Q}.lora_B.weight`, Q, 'lora_B'],
  [`base_model.model.${Q}.lora_B.bias`, Q, 'lora_B_bias'],
  [`${Q}.lora_A.weight`, Q, 'lora_A'],
  [`base_model.model.${Q}.lora_A.default.weight`, Q, 'lora_A'],
  [`base_model.model.${Q}.lora_B.my-voice.weight`, Q, 'lora_B'],
  [`base_model.model.${Q}.lora_B.default.bias`, Q, 'lora_B_bias'],
  [`_orig_mod.base_model.model.${Q}.lora_A.weight`, Q, 'lora_A'],
  [`base_model.model._orig_mod.${Q}.lora_A.weight`, Q, 'lora_A'],
  ['base_model._orig_mod.model.model.layers.0._orig_mod.mlp.up_proj.lora_A.weight', 'model.layers.0.mlp.up_proj', 'lora_A'],
  ['base_model.model.model.embed_tokens.lora_embedding_A', 'model.embed_tokens', 'lora_embedding_A'],
  ['base_model.model.model.embed_tokens.lora_embedding_B.default', 'model.embed_tokens', 'lora_embedding_B'],
  ['base_model.model.model.embed_tokens.base_layer.weight', 'model.embed_tokens', 'base_weight'],
  ['base_model.model.transformer.h.0.attn.c_attn.base_layer.bias', 'transformer.h.0.attn.c_attn', 'base_bias'],
  [`base_model.model.${Q}.lora_magnitude_vector`, Q, 'magnitude'],
  [`base_model.model.${Q}.lora_magnitude_vector.weight`, Q, 'magnitude'],
  [`base_model.model.${Q}.lora_magnitude_vector.default`, Q, 'magnitude'],
  [`base_model.model.${Q}.lora_magnitude_vector.default.weight`, Q, 'magnitude'],
  ['base_model.model.model.embed_tokens.token_adapter.trainable_tokens_delta', 'model.embed_tokens', 'token_delta'],
  ['base_model.model.model.embed_tokens.token_adapter.trainable_tokens_delta.default', 'model.embed_tokens', 'token_delta'],
  ['base_model.model.model.embed_tokens.token_adapter.base_layer.weight', 'model.embed_tokens', 'base_weight'],
  ['base_model.model.lm_head.weight', 'lm_head', 'saved', 'weight'],
  ['base_model.model.lm_head.original_module.weight', 'lm_head', 'unread'],
  ['base_model.model.transformer.ln_f.modules_to_save.bias', 'transformer.ln_f', 'unread'],
  ['base_model.model.lm_head.modules_to_save.default.weight', 'lm_head', 'saved', 'weight'],
  ['base_model.model.transformer.ln_f.bias', 'transformer.ln_f', 'saved', 'bias'],
  ['base_model.model.conv1d.lora_A.weight', 'conv1d', 'lora_A'],
  ['base_model.model.linear.bias', 'linear', 'saved', 'bias'],
  // Names that only look alike are parameters of some module: strict loading then finds no such module.
  [`${Q}.lora_A`, Q, 'saved', 'lora_A'],
  [`${Q}.lora_C.weight`, `${Q}.lora_C`, 'saved', 'weight'],
  ['lora_A.weight', 'lora_A', 'saved', 'weight'],
  ['weight', '', 'saved', 'weight'],
  ['', '', 'saved', ''],
  ['base_model.model.', '', 'saved', ''],
];

const keys = suite('parseAdapterKey');
for (const [name, module, role, param] of table) keys(name || '(empty)', () => assert.equal(parseAdapterKey(name), param === undefined ? { module, role } : { module, role, param }));

keys('the module of every tensor in the goldens is one that PEFT wrapped under some configuration', () => {
  let count = 0;
  for (const model of readdirSync('tests/golden/models')) {
    const placements = JSON.parse(readFileSync(`tests/golden/models/${model}/placements.json`, 'utf8')) as Record<string, Record<string, unknown>>;
    const wrapped = new Set(Object.values(placements).flatMap((modules) => Object.keys(modules)));
    for (const adapter of readdirSync(`tests/golden/models/${model}/adapters`)) {
      const file = new Uint8Array(readFileSync(`tests/golden/models/${model}/adapters/${adapter}/adapter_model.safetensors`));
      const length = Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
      for (const name of parseHeader(file.subarray(8, 8 + length), file.length).tensors.keys()) {
        const { module, role } = parseAdapterKey(name);
        if (role.startsWith('lora_') || role === 'magnitude') assert.ok(wrapped.has(module), `${model}/${adapter}: ${name}`);
        assert.not.match(module, /lora_|_orig_mod|base_layer|base_model|token_adapter/);
        count++;
      }
    }
  }
  assert.ok(count > 1000);
});
keys.run();
