import type { Runtime } from '../arena/runtime.js';
import { LorikeetError } from '../errors.js';
import type { Delta, LowRank, Module } from '../ops/module.js';
import { BlockPlan } from '../tensor/block.js';
import { DTYPES } from '../tensor/matrix.js';
import { appliedTo, type Adapter, type AppliedModule } from './adapter.js';
import { carryDora, carryReplaced, Copies, names } from './combine/carried.js';
import { combinedRank, combineLowRank, type Holder } from './combine/low-rank.js';
import { readRecipe, type CombineOptions, type Recipe } from './combine/recipe.js';
import { Coin } from './combine/task-tensors.js';
import { factorShape } from './factor-shape.js';
import { createAdapter, type AdapterIdentity } from './load.js';
import { effectiveScale } from './blend.js';

export type { CombineMasks, CombineMethod, CombineOptions } from './combine/recipe.js';

/** An adapter, and its weight in a combination. */
export interface CombinePart {
  readonly adapter: Adapter;
  readonly weight: number;
}

/** What a new module's low-rank part is computed from, once the block is placed. */
interface Job {
  readonly module: Module;
  readonly holders: readonly Holder[];
  readonly target: LowRank;
}

/**
 * Makes a new adapter of several, as PEFT's add_weighted_adapter does: its factors are f32 and its scaling is 1, for alpha/r (or alpha/√r) of each part, its weight and
 * the user's scale of this moment are baked in. A module that only some parts have is made of those; a part of weight 0 still has a rank and a vote, as in PEFT, but its
 * replacements and DoRA are left out.
 *
 * Beyond PEFT: lora_bias is combined too, by the same method; what is replaced (saved modules, trained biases, tokens) is carried over where one part alone does; DoRA, where
 * every low-rank module is one part's DoRA and the method only scales it; aLoRA, where all parts have the same invocation. Anything else of these is refused.
 *
 * @throws LorikeetError `adapter/combine`, `memory/exhausted`; nothing remains in memory then
 */
export function combineAdapters(runtime: Runtime, modules: readonly Module[], identity: AdapterIdentity, parts: readonly CombinePart[], options: CombineOptions = {}): Adapter {
  if (parts.length === 0) throw new LorikeetError('adapter/combine', 'A combination expected at least one adapter, got none.', { expected: 'at least 1', found: 0 });
  const recipe = readRecipe(options, parts.length);
  const invocation = commonInvocation(parts);
  const weighted = parts.map(({ adapter, weight }) => ({ adapter, weight: effectiveScale(adapter, weight) }));
  const largest = Math.max(1, ...parts.map(({ adapter }) => largestRank(adapter)));
  const biased = parts.some(({ adapter }) => adapter.deltas.some((delta) => delta?.lowRank?.bias));

  const plan = new BlockPlan();
  const copies = new Copies(plan);
  const deltas: (Delta | undefined)[] = modules.map(() => undefined);
  const applied: AppliedModule[] = [];
  const jobs: Job[] = [];
  for (const module of modules) {
    const before = plan.bytes;
    const here = weighted.flatMap(({ adapter, weight }) => {
      const delta = adapter.deltas[module.slot];
      return delta ? [{ adapter: adapter.name, weight, delta }] : [];
    });
    let delta: Delta = carryReplaced(copies, module, here.filter(({ weight }) => weight !== 0));
    const adding = here.filter(({ weight, delta }) => delta.lowRank && !(delta.dora && weight === 0));
    const dora = adding.find(({ delta }) => delta.dora);
    if (dora) {
      const scaling = recipe.on !== 'delta' && recipe.sparsify === null && recipe.vote === null;
      if (adding.length > 1) throw refuseDora(dora.adapter, module, `${names(adding)} are all applied there, and the magnitude of one would scale the others`);
      if (!scaling) throw refuseDora(dora.adapter, module, `"${recipe.method}" changes the factors that its magnitude belongs to`);
      delta = { ...delta, ...carryDora(copies, dora.delta, dora.weight) };
    } else if (adding.length > 0) {
      const holders = adding.map(({ adapter, weight, delta }): Holder => ({ adapter, weight, low: delta.lowRank! }));
      const target = declareTarget(plan, module, combinedRank(recipe, module, holders, largest), biased);
      jobs.push({ module, holders, target });
      delta = { ...delta, lowRank: target };
    }
    const row = appliedTo(module, delta, plan.bytes - before);
    if (row === null) continue;
    deltas[module.slot] = delta;
    applied.push(row);
  }
  if (applied.length === 0) throw new LorikeetError('adapter/combine', 'The combination would apply nowhere: expected a part of weight other than 0.', { expected: 'at least one module', found: 0 });
  const [plain] = jobs;
  const dora = plain && weighted.find(({ adapter, weight }) => weight !== 0 && adapter.temporaries);
  if (plain && dora) throw refuseDora(dora.adapter.name, plain.module, 'the part of that module is no DoRA, and one adapter is either DoRA or not');

  const block = plan.placeNow(runtime, runtime.adapters, new Uint8Array(0));
  try {
    copies.run(runtime);
    runJobs(runtime, recipe, jobs);
  } catch (error) {
    runtime.adapters.free(block);
    throw error;
  }
  const embedding = biased ? jobs.find(({ module }) => module.kind === 'embedding')?.module.path : undefined;
  const warnings = [...recipe.warnings, ...(embedding ? [`PEFT refuses lora_bias in an adapter that targets an embedding ("${embedding}"): this combination, exported, loads here only.`] : [])];
  return { ...createAdapter(identity, { plan, deltas, applied, left: [], warnings }, block), invocation };
}

/** PEFT's rank of an adapter: the largest that its configuration names, also where no module has it. */
function largestRank({ config, deltas }: Adapter): number {
  const used = deltas.map((delta) => delta?.lowRank?.rank ?? 0);
  return Math.max(...used, ...(config ? [config.r, ...config.rank_pattern.values()] : []));
}

/** PEFT's configuration has one lora_bias for all: a module without one gets zeros. An embedding has none. */
function declareTarget(plan: BlockPlan, module: Module, rank: number, biased: boolean): LowRank {
  const { inputs, outputs, groups } = factorShape(module);
  const embedding = module.kind === 'embedding';
  return {
    a: embedding ? plan.matrix(inputs, rank, DTYPES.F32) : plan.matrix(rank, inputs, DTYPES.F32),
    b: plan.matrix(outputs / groups, rank / groups, DTYPES.F32, groups),
    bias: biased && !embedding ? plan.vector(outputs) : null,
    rank, scaling: 1,
  };
}

function runJobs(runtime: Runtime, recipe: Recipe, jobs: readonly Job[]): void {
  const mark = runtime.scratch.mark();
  try {
    const coin = new Coin(runtime, recipe);
    for (const { module, holders, target } of jobs) combineLowRank(runtime, recipe, coin, module, holders, target);
  } finally {
    runtime.scratch.release(mark);
  }
}

function commonInvocation(parts: readonly CombinePart[]): readonly number[] | null {
  const [first, ...others] = parts.map(({ adapter }) => adapter);
  const other = others.find(({ invocation }) => JSON.stringify(invocation) !== JSON.stringify(first!.invocation));
  if (!other) return first!.invocation;
  throw new LorikeetError('adapter/combine', `"${first!.name}" and "${other.name}" don't apply at the same positions (aLoRA): expected the same invocation tokens, found ${JSON.stringify(first!.invocation)} and ${JSON.stringify(other.invocation)}; use a blend.`, { expected: first!.invocation, found: other.invocation });
}

const refuseDora = (adapter: string, module: Module, why: string): LorikeetError =>
  new LorikeetError('adapter/combine', `"${adapter}" is DoRA and can't be combined at "${module.path}": ${why}; use a blend.`, { expected: 'one part, by cat or linear', found: adapter });
