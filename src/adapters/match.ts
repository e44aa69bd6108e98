/**
 * Which modules of a model an adapter's configuration selects, with which rank and scaling: PEFT's rules, in its order (0.21.2, `BaseTuner.inject_adapter`,
 * `check_target_module_exists`, `set_additional_trainable_modules`). Pure: names in, names out.
 *
 * PEFT walks all of `named_modules()`, containers like `model.layers.0.mlp` too, and refuses to wrap what isn't a layer it knows. Containers are
 * seen here as the parents in the modules' paths; modules without weights (activations, dropout) are not seen.
 */
import { LorikeetError } from '../errors.js';
import type { AdapterConfig } from '../formats/peft.js';
import { compileRegex, layerPattern, type PathTest, pathPattern, savedPattern } from '../formats/peft.js';

/** What matching asks of a module; those of src/ops are. */
export interface MatchableModule {
  readonly path: string;
  readonly kind: 'linear' | 'embedding' | 'conv1d' | 'norm';
  /** The layer that makes logits: "all-linear" leaves it out. */
  readonly isOutputHead?: boolean;
  /** An embedding and an output head that share one weight. */
  readonly tied?: boolean;
}

export interface MatchOptions {
  /** config.json's model_type: decides the targets where the configuration names none. */
  readonly architecture?: string | null;
  /** The caller's narrowing, in any form of target_modules: low-rank deltas only where this matches too. */
  readonly targetModules?: readonly string[] | string | null;
}

export interface LoraTarget {
  readonly rank: number;
  readonly alpha: number;
  /** alpha / rank, with rsLoRA alpha / √rank. */
  readonly scaling: number;
}

export interface ModuleMatch {
  readonly module: string;
  /** Low-rank factors (or DoRA) apply here; null where not. */
  readonly target: LoraTarget | null;
  /** Targeted by the configuration, but left out by the caller's `targetModules`. */
  readonly narrowed: boolean;
  /** In modules_to_save, or inside a module that is: the file replaces its parameters. */
  readonly saved: boolean;
  /** Rows that the file replaces (trainable tokens), and whose: a tied head shares its embedding's. */
  readonly tokens: { readonly indices: readonly number[]; readonly from: string } | null;
  /** Why it is targeted or not, for a report: a few words. */
  readonly reason: string;
}

export interface Matches {
  /** One for each module given, in their order. */
  readonly modules: readonly ModuleMatch[];
  readonly warnings: readonly string[];
}

/** PEFT's TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING (0.21.2), the families that this runtime has. */
const TARGETS_BY_ARCHITECTURE: Readonly<Record<string, readonly string[]>> = {
  llama: ['q_proj', 'v_proj'],
  mistral: ['q_proj', 'v_proj'],
  qwen2: ['q_proj', 'v_proj'],
  qwen3: ['q_proj', 'v_proj'],
  gemma: ['q_proj', 'v_proj'],
  gemma2: ['q_proj', 'v_proj'],
  gemma3_text: ['q_proj', 'v_proj'],
  gpt2: ['c_attn'],
};

/** PEFT's EMBEDDING_LAYER_NAMES: the names by which it notices that a tied layer takes part. */
const EMBEDDING_NAMES = ['embed_tokens', 'lm_head'];
/** PEFT's DUMMY_TARGET_MODULES: an adapter that targets nothing on purpose. */
export const DUMMY_TARGET_MODULES = 'dummy-target-modules';

/**
 * Matches a configuration against the modules of a model.
 *
 * @throws LorikeetError `adapter/no-target` (nothing of the model is selected: the wrong base, usually), `adapter/module-unsupported` (a container or a norm is
 * targeted), `adapter/config-invalid`, `adapter/config-regex`
 */
export function matchModules(modules: readonly MatchableModule[], config: AdapterConfig, { architecture = null, targetModules = null }: MatchOptions = {}): Matches {
  const selection = select(modules, config, architecture);
  const narrowing = targetModules === null ? null : nameTest(resolveTargets(targetModules, modules, null));
  const rankOf = firstPattern(config.rank_pattern, config.r);
  const alphaOf = firstPattern(config.alpha_pattern, config.lora_alpha);
  const tokens = tokenRows(modules, config);

  const matches = modules.map((module): ModuleMatch => {
    const { path } = module;
    const chosen = selection.judge(path);
    const saved = selection.isSaved(path);
    if (chosen.targeted) {
      if (module.kind === 'norm') throw unsupported(path, 'a norm');
      if (saved) throw new LorikeetError('adapter/config-invalid', `The module ${JSON.stringify(path)} is both a target and in modules_to_save; expected one of the two.`, { expected: 'a target or a saved module', found: path });
    }
    const narrowed = chosen.targeted && narrowing !== null && !narrowing(path);
    const rank = rankOf.value(path);
    const alpha = alphaOf.value(path);
    const target = chosen.targeted && !narrowed ? { rank, alpha, scaling: config.use_rslora ? alpha / Math.sqrt(rank) : alpha / rank } : null;
    if (chosen.targeted) { rankOf.use(path); alphaOf.use(path); }
    return { module: path, target, narrowed, saved, tokens: tokens.get(path) ?? null, reason: narrowed ? 'left out by targetModules' : chosen.reason };
  });
  for (const path of containers(modules)) if (selection.judge(path).targeted) throw unsupported(path, 'a group of layers');
  checkSome(matches, config);
  const warnings = [...selection.warnings];
  for (const [key, patterns] of [['rank_pattern', rankOf], ['alpha_pattern', alphaOf]] as const) {
    for (const pattern of patterns.unused()) warnings.push(`${key} holds ${JSON.stringify(pattern)}, which matches no targeted module; it is ignored.`);
  }
  return { modules: matches, warnings };
}

interface Judgement { readonly targeted: boolean; readonly reason: string }
interface Selection {
  judge(path: string): Judgement;
  isSaved(path: string): boolean;
  readonly warnings: readonly string[];
}

function select(modules: readonly MatchableModule[], given: AdapterConfig, architecture: string | null): Selection {
  const { config, tiedTargets, tiedSaved, warnings } = tie(modules, given);
  const savedNames = [...(config.modules_to_save ?? []), ...tiedSaved];
  const targets = resolveTargets(config.target_modules, modules, architecture);
  const excluded = config.exclude_modules === null || config.exclude_modules.length === 0 ? () => false : nameTest(config.exclude_modules);
  const insideSaved = (config.modules_to_save ?? []).map((name) => savedPattern(name));
  const layerOf = layerIndex(config);
  const fullmatch = typeof targets === 'string' ? compileRegex(targets) : null;
  const isTarget = (path: string): Judgement => {
    if (excluded(path)) return { targeted: false, reason: 'in exclude_modules' };
    if (insideSaved.some((test) => test(path))) return { targeted: false, reason: 'in modules_to_save' };
    if (fullmatch) return fullmatch.fullmatch(path) ? { targeted: true, reason: `matches ${fullmatch.source}` } : { targeted: false, reason: 'not in target_modules' };
    const names = targets as ReadonlySet<string>;
    // A whole path is taken at its word: layers_to_transform doesn't apply to it.
    if (names.has(path)) return { targeted: true, reason: 'named in target_modules' };
    const suffix = suffixIn(names, path);
    if (suffix === null) return { targeted: false, reason: 'not in target_modules' };
    if (config.layers_to_transform !== null) {
      const layer = layerOf(path);
      if (layer === null || !config.layers_to_transform.includes(layer)) return { targeted: false, reason: 'not in layers_to_transform' };
    }
    return { targeted: true, reason: `ends with ${suffix}` };
  };
  return {
    // PEFT passes tied heads by in its loop and gives them the embedding's factors afterwards, excluded or not.
    judge: (path) => (tiedTargets.has(path) || suffixIn(tiedTargets, path) !== null ? { targeted: true, reason: 'tied to the embedding' } : isTarget(path)),
    isSaved: (path) => savedNames.length > 0 && parentsAndSelf(path).some((part) => savedNames.some((name) => part.endsWith(name))),
    warnings,
  };
}

/** target_modules with "all-linear" and the table by architecture resolved: a pattern, or names. */
function resolveTargets(targets: readonly string[] | string | null, modules: readonly MatchableModule[], architecture: string | null): string | ReadonlySet<string> {
  if (targets === null) {
    const table = architecture !== null && Object.hasOwn(TARGETS_BY_ARCHITECTURE, architecture) ? TARGETS_BY_ARCHITECTURE[architecture] : undefined;
    if (table === undefined) {
      throw new LorikeetError('adapter/no-target', `The adapter's configuration has no target_modules, and there is no table for the architecture ${JSON.stringify(architecture)}; set target_modules.`, { expected: Object.keys(TARGETS_BY_ARCHITECTURE), found: architecture });
    }
    return new Set(table);
  }
  if (typeof targets !== 'string') return new Set(targets);
  if (targets.toLowerCase() !== 'all-linear') return targets;
  return new Set(modules.filter(({ kind, isOutputHead }) => kind === 'linear' && !isOutputHead).map(({ path }) => path));
}

/** exclude_modules and the caller's narrowing: a pattern for the whole path, or names that are a path or its end. */
function nameTest(names: string | readonly string[] | ReadonlySet<string>): PathTest {
  if (typeof names === 'string') {
    const regex = compileRegex(names);
    return (path) => regex.fullmatch(path);
  }
  const set = new Set(names);
  return (path) => set.has(path) || suffixIn(set, path) !== null;
}

/** The longest `.name` in the set with which the path ends. */
function suffixIn(names: ReadonlySet<string>, path: string): string | null {
  for (let dot = path.indexOf('.'); dot >= 0; dot = path.indexOf('.', dot + 1)) {
    const suffix = path.slice(dot + 1);
    if (names.has(suffix)) return suffix;
  }
  return null;
}

/** The number of the layer that a path is in, as layers_to_transform counts them; null where it is in none. */
function layerIndex(config: AdapterConfig): (path: string) => number | null {
  if (config.layers_to_transform === null) return () => null;
  const patterns = (config.layers_pattern ?? [null]).map(layerPattern);
  return (path) => {
    for (const pattern of patterns) {
      const groups = pattern.match(path);
      if (groups) return groups['idx'] === undefined ? null : Number(groups['idx']);
    }
    return null;
  };
}

/** rank_pattern and alpha_pattern: the first that matches, in the file's order, else the default. */
function firstPattern(patterns: ReadonlyMap<string, number>, standard: number) {
  const tests = [...patterns].map(([pattern, value]) => ({ pattern, value, test: pathPattern(pattern), used: false }));
  return {
    value: (path: string): number => tests.find(({ test }) => test(path))?.value ?? standard,
    use(path: string): void { for (const entry of tests) if (!entry.used && entry.test(path)) entry.used = true; },
    unused: (): string[] => tests.filter(({ used }) => !used).map(({ pattern }) => pattern),
  };
}

/**
 * ensure_weight_tying on a model whose head shares the embedding's weight: whichever of the two is named, PEFT adapts the embedding and ties the
 * head to it (`_check_tied_modules`, `_add_targets_to_tie`, `_add_modules_to_save_to_tie`).
 */
function tie(modules: readonly MatchableModule[], config: AdapterConfig) {
  const none: ReadonlySet<string> = new Set();
  const embedding = modules.find(({ kind, tied }) => kind === 'embedding' && tied)?.path;
  const heads = modules.filter(({ kind, tied }) => kind === 'linear' && tied).map(({ path }) => path);
  const asIs = { config, tiedTargets: none, tiedSaved: none, warnings: [] as string[] };
  if (!config.ensure_weight_tying) return asIs;
  if (embedding === undefined || heads.length === 0) return { ...asIs, warnings: ['ensure_weight_tying is set, but the model has no tied weights; it is ignored.'] };

  const names = (list: readonly string[]) => list.some((name) => EMBEDDING_NAMES.includes(name.split('.').at(-1)!));
  const without = (list: readonly string[]) => {
    const left = [...list];
    for (const head of heads) {
      const at = left.findIndex((name) => savedPattern(name)(head));
      if (at >= 0) left.splice(at, 1);
    }
    return left;
  };
  const tied = new Set(heads);
  if (names(config.modules_to_save ?? [])) {
    return { config: { ...config, modules_to_save: without([...config.modules_to_save!, embedding]) }, tiedTargets: none, tiedSaved: tied, warnings: [] };
  }
  const targets = config.target_modules;
  if (typeof targets === 'string') {
    const regex = compileRegex(targets);
    if (EMBEDDING_NAMES.some((name) => regex.fullmatch(name))) {
      return { config: { ...config, target_modules: `(?:${targets}|^${embedding.replace(/[^A-Za-z0-9_]/g, '\\$&')}$)` }, tiedTargets: tied, tiedSaved: none, warnings: [] };
    }
  } else if (targets !== null && names(targets)) {
    return { config: { ...config, target_modules: without([...targets, embedding]) }, tiedTargets: tied, tiedSaved: none, warnings: [] };
  }
  return config.trainable_token_indices === null ? { ...asIs, warnings: ['ensure_weight_tying is set, but neither target_modules nor modules_to_save names a tied layer; it is ignored.'] } : asIs;
}

/** Which rows of which modules are trainable tokens. Names are ends of paths, without regard to dots, as PEFT has it. */
function tokenRows(modules: readonly MatchableModule[], config: AdapterConfig): ReadonlyMap<string, { indices: readonly number[]; from: string }> {
  const rows = new Map<string, { indices: readonly number[]; from: string }>();
  const given = config.trainable_token_indices;
  if (given === null) return rows;
  const embedding = modules.find(({ kind, tied }) => kind === 'embedding' && tied) ?? modules.find(({ kind }) => kind === 'embedding');
  const heads = modules.filter(({ kind, tied }) => kind === 'linear' && tied);
  const isMap = (value: typeof given): value is ReadonlyMap<string, readonly number[]> => value instanceof Map;
  const byName: ReadonlyMap<string, readonly number[]> = isMap(given) ? given : new Map([[embedding?.path ?? 'embed_tokens', given]]);

  for (const name of byName.keys()) {
    if (config.modules_to_save?.includes(name)) throw new LorikeetError('adapter/config-invalid', `The module ${JSON.stringify(name)} is in modules_to_save and in trainable_token_indices; expected one of the two.`, { expected: 'one of the two', found: name });
    if (!modules.some(({ path }) => path.endsWith(name))) throw new LorikeetError('adapter/no-target', `trainable_token_indices names ${JSON.stringify(name)}, which the model doesn't have.`, { expected: 'a module of the model', found: name });
  }
  // With equal rows on tied layers, the embedding's stand for both.
  const isTied = (name: string) => embedding?.path.endsWith(name) || heads.some(({ path }) => path.endsWith(name) || path.split('.').includes(name));
  const tiedNames = heads.length > 0 && byName.size > 1 ? [...byName.keys()].filter(isTied) : [];
  const differ = tiedNames.some((name) => String(byName.get(name)) !== String(byName.get(tiedNames[0]!)));
  if (tiedNames.length > 1 && differ && config.ensure_weight_tying) throw new LorikeetError('adapter/config-invalid', 'ensure_weight_tying is set, but trainable_token_indices gives the tied layers different tokens; expected the same.', { expected: 'the same tokens', found: tiedNames });
  const skipped = tiedNames.length > 1 && !differ ? tiedNames.filter((name) => heads.some(({ path }) => path === name)) : [];

  for (const [name, indices] of byName) {
    if (skipped.includes(name)) continue;
    for (const { path } of modules) if (path.endsWith(name)) rows.set(path, { indices, from: path });
  }
  const source = embedding && rows.get(embedding.path);
  if (source && heads.length > 0 && (config.ensure_weight_tying || !differ)) for (const { path } of heads) rows.set(path, source);
  return rows;
}

/** The paths above the modules: `model`, `model.layers`, … */
function containers(modules: readonly MatchableModule[]): ReadonlySet<string> {
  const paths = new Set<string>();
  for (const { path } of modules) {
    // Whoever put a path in put those above it in, too.
    for (let end = path.lastIndexOf('.'); end > 0 && !paths.has(path.slice(0, end)); end = path.lastIndexOf('.', end - 1)) paths.add(path.slice(0, end));
  }
  for (const { path } of modules) paths.delete(path);
  return paths;
}

function parentsAndSelf(path: string): string[] {
  const parts = path.split('.');
  return parts.map((_, i) => parts.slice(0, i + 1).join('.'));
}

function unsupported(path: string, what: string): LorikeetError {
  return new LorikeetError('adapter/module-unsupported', `target_modules selects ${JSON.stringify(path)}, which is ${what}; expected linear layers, convolutions and embeddings.`, { expected: 'linear, conv1d or embedding', found: path });
}

function checkSome(matches: readonly ModuleMatch[], config: AdapterConfig): void {
  if (config.target_modules === DUMMY_TARGET_MODULES || matches.some(({ target, narrowed, saved, tokens }) => target || narrowed || saved || tokens)) return;
  const asked = config.target_modules instanceof Array ? config.target_modules.slice(0, 8).join(', ') : String(config.target_modules);
  throw new LorikeetError('adapter/no-target', `None of the model's modules is selected by the adapter's configuration (target_modules: ${asked}); is it an adapter of another base model?`, { expected: asked, found: matches.slice(0, 8).map(({ module }) => module) });
}
