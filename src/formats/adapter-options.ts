/**
 * The keys of PEFT 0.21.2's LoraConfig that this runtime doesn't act on. Every release adds some, and every file carries all of them: they are harmless at
 * their neutral values. The rest of the table says what another value would mean.
 */
import type { Json } from './json.js';

export interface NeutralRule {
  readonly neutral: (value: Json) => boolean;
  /** Why another value can't be accepted, as the end of a sentence. */
  readonly reason: string;
}

/** Keys that never change what the adapter computes: book-keeping, and options of training alone. */
export const IGNORED: ReadonlySet<string> = new Set([
  'auto_mapping', 'inference_mode', 'peft_version', 'revision', 'runtime_config',
  'lora_dropout', // not applied at inference
  'merge_weights', // of PEFT 0.2 and 0.3
  'qalora_group_size', 'megatron_core', // read only with use_qalora, megatron_config
  'loftq_config', 'eva_config', 'corda_config', 'lora_ga_config', // read only when init_lora_weights names the method, which is judged there
]);

const off = (value: Json): boolean => value === null || value === false;
const empty = (value: Json): boolean => value === null || (Array.isArray(value) && value.length === 0) || (value instanceof Map && value.size === 0);
const changesBase = 'the base weights were changed when the adapter was made, so beside the original base it computes something else; export it as a plain LoRA adapter (PEFT: save_pretrained with path_initial_model_for_weight_conversion) and load that';

export const NEUTRAL: ReadonlyMap<string, NeutralRule> = new Map<string, NeutralRule>([
  ['megatron_config', { neutral: empty, reason: "Megatron's parallel layers aren't supported" }],
  ['enable_lora', { neutral: (value) => value === null, reason: "the merged layers of PEFT 0.3, of which only parts were adapted, aren't supported" }],
  ['layer_replication', { neutral: empty, reason: 'models whose layers are replicated are not supported' }],
  ['target_parameters', { neutral: empty, reason: 'adapters on bare parameters (experts) are not supported' }],
  ['use_qalora', { neutral: off, reason: 'QALoRA pools the inputs and is not supported' }],
  ['use_bdlora', { neutral: off, reason: 'block-diagonal factors are not supported' }],
  ['arrow_config', { neutral: off, reason: 'routing between adapters (Arrow) is not supported' }],
  ['monteclora_config', { neutral: off, reason: 'Monte Carlo sampling of the factors is not supported' }],
  ['velora_config', { neutral: off, reason: 'VeLoRA stores projections of its own beside the factors and is not supported' }],
  ['kasa_config', { neutral: off, reason: changesBase }],
]);

const HARMLESS = new Set(['gaussian', 'eva', 'orthogonal', 'mica']);
const CHANGES_BASE = /^(?:pissa(?:_niter_[0-9]+)?|olora|corda|loftq|lora_ga)$/;

/** Why an adapter with this `init_lora_weights` can't be loaded; undefined where it can. */
export function refusedInit(name: string): string | undefined {
  const lower = name.toLowerCase();
  if (HARMLESS.has(lower)) return undefined;
  return CHANGES_BASE.test(lower) ? changesBase : `this initialisation is not known, and may have changed the base weights; known are true, false, ${[...HARMLESS].join(', ')}`;
}
