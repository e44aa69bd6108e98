/**
 * adapter_config.json, read strictly. PEFT's own reader takes what it is given: a rank of −1 or "8", a key that it doesn't know, an option that this
 * runtime doesn't have all load there, and the adapter then does something else than it was trained to. Here the types are checked, keys that change the result and
 * aren't supported are refused by name, and unknown keys are warnings.
 *
 * Keys, defaults and the rules between them are those of `LoraConfig` in PEFT 0.21.2.
 */
import { LorikeetError } from '../errors.js';
import { IGNORED, NEUTRAL, type NeutralRule, refusedInit } from './adapter-options.js';
import { type Json, JsonProblem, type JsonObject, parseJson, showJson } from './json.js';
import { layerPattern, pathPattern, savedPattern } from './adapter-patterns.js';
import { compileRegex, type Regex } from './regex.js';

/** A LoRA configuration, keys as PEFT's. One value or a list of values is always a list here; absent is null. */
export interface AdapterConfig {
  readonly peft_type: 'LORA';
  readonly task_type: string | null;
  readonly base_model_name_or_path: string | null;
  readonly r: number;
  readonly lora_alpha: number;
  /** A list of names or suffixes; a regular expression; `'all-linear'`; null: a table by architecture. */
  readonly target_modules: readonly string[] | string | null;
  /** A list of names or suffixes, or a regular expression. */
  readonly exclude_modules: readonly string[] | string | null;
  /** null where none is named: every layer. */
  readonly layers_to_transform: readonly number[] | null;
  readonly layers_pattern: readonly string[] | null;
  /** In the file's order: the first pattern that matches decides. */
  readonly rank_pattern: ReadonlyMap<string, number>;
  readonly alpha_pattern: ReadonlyMap<string, number>;
  readonly bias: 'none' | 'all' | 'lora_only';
  readonly use_rslora: boolean;
  readonly use_dora: boolean;
  readonly lora_bias: boolean;
  readonly fan_in_fan_out: boolean;
  readonly modules_to_save: readonly string[] | null;
  /** A list is of the model's input embedding; else by module name (a suffix of its path). */
  readonly trainable_token_indices: readonly number[] | ReadonlyMap<string, readonly number[]> | null;
  readonly alora_invocation_tokens: readonly number[] | null;
  readonly init_lora_weights: boolean | string;
  readonly ensure_weight_tying: boolean;
  /** What a reader should know but needn't act on: unknown keys. */
  readonly warnings: readonly string[];
}

/** The most patterns that rank_pattern, alpha_pattern or a list of names may hold: files come from strangers. */
const MAX_LIST = 65536;
/** The most instructions of all patterns together: each module's path is held against all of them. */
const MAX_PATTERN_SIZE = 65536;

/**
 * Reads the text of an adapter_config.json.
 *
 * @throws LorikeetError `adapter/config-invalid` (not JSON, a wrong type or value), `adapter/config-unsupported` (an option that changes the result and
 * isn't supported), `adapter/peft-type` (not LoRA), `adapter/config-regex` (a pattern beyond the supported syntax)
 */
export function parseAdapterConfig(json: string): AdapterConfig {
  const fields = new Fields(parseRoot(json));
  const type = fields.raw('peft_type');
  if (type !== 'LORA') {
    throw new LorikeetError('adapter/peft-type', `adapter_config.json has the peft_type ${showJson(type)}, expected "LORA"; other methods of PEFT aren't supported.`, { expected: 'LORA', found: type instanceof Map ? showJson(type) : type });
  }
  const config = readFields(fields);
  checkTogether(config, fields);
  const warnings: string[] = [];
  for (const [key, value] of fields.rest()) {
    const rule = NEUTRAL.get(key);
    if (rule) checkNeutral(key, value, rule);
    else if (!IGNORED.has(key)) warnings.push(`adapter_config.json holds the key ${JSON.stringify(key)}, which this version doesn't know; it is ignored.`);
  }
  return Object.freeze({ ...config, warnings: Object.freeze(warnings) });
}

function readFields(fields: Fields): Omit<AdapterConfig, 'warnings'> {
  return {
    peft_type: 'LORA',
    task_type: fields.text('task_type'),
    base_model_name_or_path: fields.text('base_model_name_or_path'),
    r: fields.number('r', 8, isRank, 'a whole number of at least 1'),
    lora_alpha: fields.number('lora_alpha', 8, Number.isFinite, 'a finite number'),
    target_modules: fields.namesOrPattern('target_modules'),
    exclude_modules: fields.namesOrPattern('exclude_modules'),
    layers_to_transform: fields.counts('layers_to_transform', true),
    layers_pattern: fields.names('layers_pattern', true),
    rank_pattern: fields.patterns('rank_pattern', isRank, 'whole numbers of at least 1'),
    alpha_pattern: fields.patterns('alpha_pattern', Number.isFinite, 'finite numbers'),
    bias: fields.choice('bias', ['none', 'all', 'lora_only'], 'none'),
    use_rslora: fields.flag('use_rslora'),
    use_dora: fields.flag('use_dora'),
    lora_bias: fields.flag('lora_bias'),
    fan_in_fan_out: fields.flag('fan_in_fan_out'),
    modules_to_save: fields.names('modules_to_save', false),
    trainable_token_indices: fields.tokenIndices('trainable_token_indices'),
    alora_invocation_tokens: fields.counts('alora_invocation_tokens', false),
    init_lora_weights: fields.init('init_lora_weights'),
    ensure_weight_tying: fields.flag('ensure_weight_tying'),
  };
}

/** Rules between keys: those of LoraConfig.__post_init__ and of the variants that its layers know. */
function checkTogether(config: Omit<AdapterConfig, 'warnings'>, fields: Fields): void {
  for (const name of config.modules_to_save ?? []) savedPattern(name, fields.spend);
  for (const pattern of config.layers_pattern ?? []) fields.spend(layerPattern(pattern));
  const given = (key: string) => (fields.raw(key) ?? null) !== null;
  if (typeof config.target_modules === 'string') {
    for (const key of ['layers_to_transform', 'layers_pattern']) {
      if (given(key)) invalid(key, `can't be used beside a target_modules that is one pattern`, 'null', showJson(fields.raw(key)));
    }
  }
  if (config.layers_pattern !== null && !given('layers_to_transform')) invalid('layers_pattern', 'needs layers_to_transform beside it', 'layers_to_transform', 'null');
  if (config.lora_bias && config.use_dora) invalid('lora_bias', "can't be combined with use_dora", 'one of the two', 'both');
  if (config.alora_invocation_tokens !== null && config.use_dora) invalid('alora_invocation_tokens', "can't be combined with use_dora", 'one of the two', 'both');
}

function parseRoot(json: string): JsonObject {
  let root: Json;
  try {
    root = parseJson(json);
  } catch (problem) {
    if (!(problem instanceof JsonProblem)) throw problem;
    throw new LorikeetError('adapter/config-invalid', `adapter_config.json is not valid JSON: ${problem.message}.`, { expected: problem.expected, found: problem.found, cause: problem });
  }
  if (!(root instanceof Map)) throw new LorikeetError('adapter/config-invalid', `adapter_config.json holds ${showJson(root)}, expected an object.`, { expected: 'an object', found: showJson(root) });
  return root as JsonObject;
}

function checkNeutral(key: string, value: Json, { neutral, reason }: NeutralRule): void {
  if (neutral(value)) return;
  throw new LorikeetError('adapter/config-unsupported', `adapter_config.json sets ${key} to ${showJson(value)}: ${reason}.`, { expected: `${key} at its neutral value`, found: showJson(value) });
}

function isRank(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 1;
}

function isCount(value: Json | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function invalid(key: string, problem: string, expected: string, found: string): never {
  throw new LorikeetError('adapter/config-invalid', `adapter_config.json: ${key} ${problem}; expected ${expected}, found ${found}.`, { expected, found });
}

/** Typed access to the object's keys; what was asked for is remembered, so that the rest can be judged. */
class Fields {
  private readonly asked = new Set<string>();
  private spent = 0;
  constructor(private readonly root: JsonObject) {}

  /** Counts a pattern against what all of them may take. */
  readonly spend = (pattern: Regex): void => {
    this.spent += pattern.size;
    if (this.spent > MAX_PATTERN_SIZE) throw new LorikeetError('adapter/config-regex', `The patterns of adapter_config.json come to more than ${MAX_PATTERN_SIZE} steps for each character; write fewer or simpler ones.`, { expected: MAX_PATTERN_SIZE, found: this.spent });
  };

  raw(key: string): Json | undefined {
    this.asked.add(key);
    return this.root.get(key);
  }

  *rest(): Generator<[string, Json]> {
    for (const [key, value] of this.root) if (!this.asked.has(key)) yield [key, value];
  }

  text(key: string): string | null {
    const value = this.raw(key) ?? null;
    return value === null || typeof value === 'string' ? value : this.wrong(key, 'a string or null');
  }

  flag(key: string): boolean {
    const value = this.raw(key) ?? false; // null is as false as false is, in PEFT too
    return typeof value === 'boolean' ? value : this.wrong(key, 'true or false');
  }

  number(key: string, standard: number, holds: (value: number) => boolean, expected: string): number {
    const value = this.raw(key);
    if (value === undefined) return standard;
    return typeof value === 'number' && holds(value) ? value : this.wrong(key, expected);
  }

  choice<T extends string>(key: string, choices: readonly T[], standard: T): T {
    const value = this.raw(key);
    if (value === undefined) return standard;
    return choices.find((choice) => choice === value) ?? this.wrong(key, `one of ${choices.join(', ')}`);
  }

  names(key: string, single: boolean): readonly string[] | null {
    const value = this.raw(key) ?? null;
    if (value === null) return null;
    const list = single && typeof value === 'string' ? [value] : value;
    if (!Array.isArray(list) || list.length > MAX_LIST || !list.every((item) => typeof item === 'string')) this.wrong(key, single ? 'a string or a list of strings' : 'a list of strings');
    if (single && (list.length === 0 || value === '')) return null; // PEFT reads an empty layers_pattern as none
    return Object.freeze([...(list as readonly string[])]);
  }

  namesOrPattern(key: string): readonly string[] | string | null {
    const value = this.raw(key) ?? null;
    if (typeof value !== 'string') {
      if (value !== null && !Array.isArray(value)) this.wrong(key, 'a list of strings, a pattern or null');
      return this.names(key, false);
    }
    if (key === 'target_modules' && value.toLowerCase() === 'all-linear') return 'all-linear';
    if (key === 'exclude_modules' && value === '') return null;
    this.spend(compileRegex(value)); // refused here, not at the first module
    return value;
  }

  counts(key: string, single: boolean): readonly number[] | null {
    const value = this.raw(key) ?? null;
    if (value === null) return null;
    const list = single && typeof value === 'number' ? [value] : value;
    if (!Array.isArray(list) || list.length > MAX_LIST || !list.every(isCount)) this.wrong(key, single ? 'a whole number, or a list of them' : 'a list of whole numbers');
    if (list.length === 0) return null; // no index is every layer, no invocation token is no aLoRA
    return Object.freeze([...(list as readonly number[])]);
  }

  patterns(key: string, holds: (value: number) => boolean, expected: string): ReadonlyMap<string, number> {
    const value = this.raw(key) ?? null;
    if (value === null) return new Map();
    if (!(value instanceof Map) || value.size > MAX_LIST) this.wrong(key, `an object from patterns to ${expected}`);
    const patterns = new Map<string, number>();
    for (const [pattern, entry] of value as JsonObject) {
      if (typeof entry !== 'number' || !holds(entry)) this.wrong(`${key}[${JSON.stringify(pattern)}]`, expected, entry);
      pathPattern(pattern, this.spend);
      patterns.set(pattern, entry);
    }
    return patterns;
  }

  tokenIndices(key: string): readonly number[] | ReadonlyMap<string, readonly number[]> | null {
    const value = this.raw(key) ?? null;
    if (!(value instanceof Map)) {
      if (value !== null && !Array.isArray(value)) this.wrong(key, 'a list of token ids or an object of such lists');
      return this.counts(key, false);
    }
    const byModule = new Map<string, readonly number[]>();
    for (const [module, ids] of value as JsonObject) {
      if (!Array.isArray(ids) || ids.length > MAX_LIST || !ids.every(isCount)) this.wrong(`${key}[${JSON.stringify(module)}]`, 'a list of token ids', ids);
      byModule.set(module, Object.freeze([...(ids as readonly number[])]));
    }
    return byModule;
  }

  init(key: string): boolean | string {
    const value = this.raw(key) ?? true;
    if (typeof value === 'boolean') return value;
    if (typeof value !== 'string') this.wrong(key, 'true, false or a name');
    const reason = refusedInit(value);
    if (reason !== undefined) throw new LorikeetError('adapter/config-unsupported', `adapter_config.json sets init_lora_weights to ${showJson(value)}: ${reason}.`, { expected: 'an initialisation that leaves the base weights as they are', found: value });
    return value;
  }

  private wrong(key: string, expected: string, found: Json | undefined = this.root.get(key)): never {
    return invalid(key, 'has a wrong type or value', expected, showJson(found));
  }
}
