import { LorikeetError } from '../errors.js';
import { parseAdapterKey, type AdapterConfig, type AdapterRole } from '../formats/peft.js';
import type { AdapterTensor } from '../formats/gguf-adapter.js';
import type { Module } from '../ops/module.js';
import type { Matches } from './match.js';

/** An adapter's tensors for one module, by what they are. */
export interface ModuleTensors {
  readonly roles: ReadonlyMap<AdapterRole, AdapterTensor>;
  /** Replaced parameters (`weight`, `bias`), of modules saved whole and of trained biases. */
  readonly saved: ReadonlyMap<string, AdapterTensor>;
}

/** Every tensor of a file at its module, and those left out. */
export interface GroupedTensors {
  readonly byModule: ReadonlyMap<string, ModuleTensors>;
  readonly left: readonly string[];
}

const LORA_ROLES: ReadonlySet<AdapterRole> = new Set(['lora_A', 'lora_B', 'lora_B_bias', 'lora_embedding_A', 'lora_embedding_B', 'magnitude']);
const EMBEDDING_ROLES: ReadonlySet<AdapterRole> = new Set(['lora_embedding_A', 'lora_embedding_B']);
const PRODUCT_ROLES: ReadonlySet<AdapterRole> = new Set(['lora_A', 'lora_B', 'lora_B_bias']);

/**
 * Sorts a file's tensors by module and role. What the configuration doesn't apply is an error that names the tensor, unless `selective`:
 * PEFT drops such tensors silently, and an adapter can do nothing at all.
 *
 * @throws LorikeetError `adapter/unknown-module`, `adapter/unexpected-tensor`, `adapter/duplicate-tensor`
 */
export function groupTensors(modules: readonly Module[], config: AdapterConfig, matches: Matches, tensors: ReadonlyMap<string, AdapterTensor>, selective: boolean): GroupedTensors {
  const byPath = new Map(matches.modules.map((match, i) => [match.module, { match, module: modules[i]! }]));
  const byModule = new Map<string, { roles: Map<AdapterRole, AdapterTensor>; saved: Map<string, AdapterTensor> }>();
  const left: string[] = [];
  for (const info of tensors.values()) {
    const { module: path, role: named, param } = parseAdapterKey(info.name);
    const found = byPath.get(path);
    const refuse = (code: string, why: string): void => {
      if (selective) left.push(info.name);
      else throw new LorikeetError(code, `Tensor "${info.name}" of the adapter isn't applied: ${why}; pass selective: true to leave such tensors out.`, { expected: 'a tensor that the configuration applies', found: info.name });
    };
    if (!found) {
      refuse('adapter/unknown-module', `the model has no module "${path}", so it may be made for another base`);
      continue;
    }
    const { match, module } = found;
    // With save_embedding_layers PEFT writes the base's own embedding and head beside an adapter that doesn't touch them.
    const isBaseWeight = named === 'saved' && param === 'weight' && !match.saved && (module.kind === 'embedding' || (module.kind === 'linear' && module.isOutputHead));
    const role = isBaseWeight ? 'base_weight' : named;
    if (role === 'unread' && match.saved) continue;
    if (isBaseWeight && selective) {
      left.push(info.name);
      continue;
    }
    const isTrainedBias = role === 'base_bias' || (role === 'saved' && param === 'bias' && !match.saved);
    if (LORA_ROLES.has(role) && !match.target) {
      if (match.narrowed) left.push(info.name);
      else refuse('adapter/unexpected-tensor', `the configuration doesn't target "${path}" (${match.reason})`);
      continue;
    }
    if (module.kind === 'embedding' ? PRODUCT_ROLES.has(role) : EMBEDDING_ROLES.has(role)) {
      refuse('adapter/unexpected-tensor', `"${path}" is ${module.kind === 'embedding' ? 'an' : 'no'} embedding, whose factors have other names`);
      continue;
    }
    if (isTrainedBias && config.bias === 'none') {
      refuse('adapter/unexpected-tensor', 'it is a trained bias and the configuration says bias: "none"');
      continue;
    }
    if (isTrainedBias && (!('bias' in module) || module.bias === null)) {
      refuse('adapter/unexpected-tensor', `"${path}" has no bias`);
      continue;
    }
    if (role === 'unread' || (role === 'saved' && !isTrainedBias && !match.saved)) {
      refuse('adapter/unexpected-tensor', `modules_to_save doesn't name "${path}"`);
      continue;
    }
    if (role === 'token_delta' && !match.tokens) {
      refuse('adapter/unexpected-tensor', `trainable_token_indices doesn't name "${path}"`);
      continue;
    }
    if (role === 'base_weight' && !isBaseWeight && !match.target && !match.tokens) {
      if (match.narrowed) left.push(info.name);
      else refuse('adapter/unexpected-tensor', `the configuration doesn't target "${path}"`);
      continue;
    }
    let group = byModule.get(path);
    if (!group) byModule.set(path, (group = { roles: new Map(), saved: new Map() }));
    const taken = isTrainedBias ? group.saved.has('bias') : role === 'saved' ? group.saved.has(param!) : group.roles.has(role);
    if (taken) throw new LorikeetError('adapter/duplicate-tensor', `Tensor "${info.name}" stands twice in the adapter, under two spellings of its name.`, { expected: 1, found: 2 });
    if (isTrainedBias) group.saved.set('bias', info);
    else if (role === 'saved') group.saved.set(param!, info);
    else group.roles.set(role, info);
  }
  return { byModule, left };
}
