import type { AppliedModule } from '../../adapters/adapter.js';
import { matchModules, type MatchableModule, type ModuleMatch } from '../../adapters/match.js';
import { parseAdapterKey, type AdapterConfig, type AdapterRole } from '../../formats/peft.js';
import type { AdapterTensor } from '../../formats/gguf-adapter.js';
import { refusalOf, type Refusal } from './tensors.js';

/** What can be said of an adapter without its model. */
export interface JudgedAlone {
  readonly applied: readonly AppliedModule[];
  readonly warnings: readonly string[];
  readonly refused: readonly Refusal[];
}

interface Group {
  readonly roles: Map<AdapterRole, AdapterTensor>;
  readonly saved: string[];
}

/**
 * Judges an adapter by its own files: the modules that its tensors name stand for the model's, the configuration is matched against them, and
 * halves, ranks and DoRA's magnitudes are held against each other. Whether the model has those modules, and of those shapes, only the model says.
 */
export function judgeAlone(config: AdapterConfig, tensors: ReadonlyMap<string, AdapterTensor>): JudgedAlone {
  const groups = groupByModule(tensors);
  const modules = [...groups].map(([path, group]): MatchableModule => ({ path, kind: kindOf(group) }));
  let matches: readonly ModuleMatch[];
  let warnings: readonly string[];
  try {
    ({ modules: matches, warnings } = matchModules(modules, config));
  } catch (error) {
    const refusal = refusalOf(error);
    // Without target_modules the model's architecture decides: nothing is wrong yet.
    if (config.target_modules === null) return { applied: [], warnings: ['target_modules is null, so the architecture of the model decides where it applies.'], refused: [] };
    return { applied: [], warnings: [], refused: [{ ...refusal, message: refusal.message.replace("None of the model's modules", 'None of the modules that its tensors name').replace('; is it an adapter of another base model?', '.') }] };
  }
  const applied: AppliedModule[] = [];
  const refused: Refusal[] = [];
  for (const match of matches) judgeModule(match, groups.get(match.module)!, config, applied, refused);
  return { applied, warnings, refused };
}

function groupByModule(tensors: ReadonlyMap<string, AdapterTensor>): ReadonlyMap<string, Group> {
  const groups = new Map<string, Group>();
  for (const info of tensors.values()) {
    const { module, role, param } = parseAdapterKey(info.name);
    let group = groups.get(module);
    if (!group) groups.set(module, (group = { roles: new Map(), saved: [] }));
    if (role === 'saved') group.saved.push(param ?? '');
    else group.roles.set(role, info);
  }
  return groups;
}

function kindOf({ roles }: Group): MatchableModule['kind'] {
  if (roles.has('lora_embedding_A') || roles.has('lora_embedding_B') || roles.has('token_delta')) return 'embedding';
  return roles.get('lora_A')?.shape.length === 3 ? 'conv1d' : 'linear';
}

function judgeModule({ module, target, saved, tokens, reason }: ModuleMatch, { roles, saved: params }: Group, config: AdapterConfig, applied: AppliedModule[], refused: Refusal[]): void {
  const refuse = (code: string, message: string): void => { refused.push({ code, message }); };
  const name = JSON.stringify(module);
  const embedding = roles.has('lora_embedding_A') || roles.has('lora_embedding_B');
  const [first, second] = embedding ? (['lora_embedding_A', 'lora_embedding_B'] as const) : (['lora_A', 'lora_B'] as const);
  const a = roles.get(first);
  const b = roles.get(second);
  if (a || b) {
    if (!a || !b) refuse('adapter/missing-tensor', `${name} has ${a ? first : second} and lacks ${a ? second : first}: expected both.`);
    else if (!target) refuse('adapter/unexpected-tensor', `${name} has LoRA factors, but the configuration doesn't target it (${reason}); --selective leaves them out.`);
    else if (a.shape[a.transposed ? 1 : 0] !== target.rank) refuse('adapter/shape-mismatch', `${name} has factors of rank ${a.shape[a.transposed ? 1 : 0] ?? 0}: expected ${target.rank} as the configuration says.`);
  } else if (target) refuse('adapter/missing-tensor', `${name} is targeted by the configuration and has no factors: expected ${first} and ${second}.`);
  const magnitude = roles.has('magnitude');
  if (target && magnitude !== config.use_dora) refuse(magnitude ? 'adapter/unexpected-tensor' : 'adapter/missing-tensor', `${name} has ${magnitude ? 'a' : 'no'} DoRA magnitude and the configuration says use_dora: ${config.use_dora}.`);
  const trainedBias = roles.has('base_bias') || (params.includes('bias') && !saved);
  if (trainedBias && config.bias === 'none') refuse('adapter/unexpected-tensor', `${name} has a trained bias and the configuration says bias: "none"; --selective leaves it out.`);
  if (params.some((param) => param !== 'bias') && !saved) refuse('adapter/unexpected-tensor', `${name} is stored whole, but modules_to_save doesn't name it; --selective leaves it out.`);
  if (roles.has('token_delta') && !tokens) refuse('adapter/unexpected-tensor', `${name} has rows of trained tokens, but trainable_token_indices doesn't name it; --selective leaves them out.`);

  const kinds = [target && a && b ? (magnitude ? 'dora' : 'lora') : '', saved && params.includes('weight') ? 'weight' : '', (trainedBias && config.bias !== 'none') || (saved && params.includes('bias')) ? 'bias' : '', tokens && roles.has('token_delta') ? 'rows' : ''].filter((kind) => kind !== '');
  if (kinds.length > 0) applied.push({ module, kinds, rank: target?.rank ?? 0, scale: target?.scaling ?? 1, bytes: [...roles.values()].reduce((sum, { begin, end }) => sum + end - begin, 0) });
}
