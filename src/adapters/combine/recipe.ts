import { LorikeetError } from '../../errors.js';
import { MAX_RANK } from '../load.js';

export const COMBINE_METHODS = [
  'cat', 'linear', 'svd', 'ties', 'ties_svd', 'dare_linear', 'dare_ties', 'dare_linear_svd', 'dare_ties_svd', 'magnitude_prune', 'magnitude_prune_svd',
] as const;
export type CombineMethod = (typeof COMBINE_METHODS)[number];

/** What a dare method keeps of one adapter at one module: bytes, 1 kept and 0 dropped, row-major in the shapes that PEFT draws them in. */
export interface CombineMasks {
  /** As the file's lora_A: [r, in], of an embedding [r, V], of a convolution [r, in, kernel]. */
  readonly A?: Uint8Array;
  /** As the file's lora_B: [out, r], of a convolution [out, r / groups, 1]. */
  readonly B?: Uint8Array;
  /** For the svd forms, as the module's weight in the file: [out, in], of GPT-2's Conv1D [in, out], of an embedding [V, D], of a convolution [out, in, kernel]. */
  readonly delta?: Uint8Array;
  /** Where lora_bias is trained: [out]. */
  readonly bias?: Uint8Array;
}

/** Options of a combination; names and meaning as in PEFT's add_weighted_adapter. */
export interface CombineOptions {
  /**
   * How the adapters are put together (default `cat`: the only exact one, equal to the blend itself; the rank is the sum of the ranks. PEFT's default is `svd`, the best
   * approximation of `cat` at a smaller rank). The forms without `_svd` work on A and B apart and have cross terms; those with it on ΔW, which is then cut to a rank.
   */
  method?: CombineMethod;
  /** The share of elements that ties, dare and magnitude_prune keep: from 0 (dare: above 0) to 1. They need it. */
  density?: number;
  /** How ties elects a sign: by the sum (`total`, the default) or by the number of adapters (`frequency`). */
  majoritySign?: 'total' | 'frequency';
  /** The rank of the svd forms' result (default: the largest of the adapters'). */
  rank?: number;
  /** What dare draws by (default 0): the same seed, the same adapter. */
  seed?: number;
  /** Drawn already, in place of `seed`: by adapter and module path. */
  masks?: Readonly<Record<string, Readonly<Record<string, CombineMasks>>>>;
}

/** Checked options, as the three choices that a method is made of. */
export interface Recipe {
  readonly method: CombineMethod;
  /** `cat`: side by side. `factors`: on A and B apart. `delta`: on ΔW, then cut to a rank. */
  readonly on: 'cat' | 'factors' | 'delta';
  /** What becomes of each tensor first. */
  readonly sparsify: 'magnitude' | 'random' | null;
  /** Null: the weighted sum. Else the mean of those that agree with the elected sign; the kernel's code of the vote. */
  readonly vote: 0 | 1 | null;
  readonly density: number;
  readonly rank: number | undefined;
  readonly seed: number;
  readonly masks: CombineOptions['masks'];
  readonly warnings: readonly string[];
}

/**
 * Checks the options against the method. One adapter alone is only scaled, as in PEFT, whatever the method: the report then says what wasn't used.
 *
 * @throws LorikeetError `adapter/combine`
 */
export function readRecipe(options: CombineOptions, parts: number): Recipe {
  if (typeof options !== 'object' || options === null) throw invalid('options', 'an object', options);
  const { method = 'cat', density, majoritySign, rank, seed, masks } = options;
  if (!COMBINE_METHODS.includes(method)) throw invalid('method', `one of ${COMBINE_METHODS.join(', ')}`, method, COMBINE_METHODS);
  const dare = method.startsWith('dare');
  const ties = method.includes('ties');
  const sparse = dare || ties || method.startsWith('magnitude');
  const svd = method.endsWith('svd');
  const taken = new Map<string, boolean>([['method', true], ['density', sparse], ['majoritySign', ties], ['rank', svd], ['seed', dare], ['masks', dare]]);
  const given = Object.entries(options).filter(([, value]) => value !== undefined).map(([name]) => name);
  for (const name of given) {
    if (taken.get(name)) continue;
    const names = [...taken].filter(([, takes]) => takes).map(([option]) => option);
    throw new LorikeetError('adapter/combine', `Combining by "${method}" takes no option "${name}": expected ${names.join(', ')}.`, { expected: names, found: name });
  }
  if (sparse && !(typeof density === 'number' && density <= 1 && (dare ? density > 0 : density >= 0))) throw invalid('density', `a number from 0${dare ? ' (without it)' : ''} to 1, as "${method}" needs it`, density);
  if (majoritySign !== undefined && majoritySign !== 'total' && majoritySign !== 'frequency') throw invalid('majoritySign', '"total" or "frequency"', majoritySign, ['total', 'frequency']);
  if (rank !== undefined && !(Number.isInteger(rank) && rank >= 1 && rank <= MAX_RANK)) throw invalid('rank', `a whole number from 1 to ${MAX_RANK}`, rank);
  if (seed !== undefined && !(Number.isSafeInteger(seed) && seed >= 0)) throw invalid('seed', 'a whole number from 0 to 2^53 - 1', seed);
  if (masks !== undefined && (typeof masks !== 'object' || masks === null)) throw invalid('masks', 'an object', masks);
  if (masks !== undefined && seed !== undefined) throw invalid('seed', 'nothing beside "masks"', seed);
  const common = { method, density: density ?? 1, rank, seed: seed ?? 0, masks };
  if (parts === 1) {
    const unused = given.filter((name) => name !== 'method');
    const warnings = unused.length === 0 ? [] : [`One adapter alone is only scaled, as in PEFT: ${unused.map((name) => `"${name}"`).join(', ')} had no effect.`];
    return { ...common, on: method === 'cat' ? 'cat' : 'factors', sparsify: null, vote: null, warnings };
  }
  return {
    ...common, on: method === 'cat' ? 'cat' : svd ? 'delta' : 'factors', sparsify: common.density === 1 || !sparse ? null : dare ? 'random' : 'magnitude',
    vote: !ties ? null : majoritySign === 'frequency' ? 1 : 0, warnings: [],
  };
}

function invalid(name: string, expected: string, found: unknown, choices: unknown = expected): LorikeetError {
  return new LorikeetError('adapter/combine', `"${name}" of a combination expected ${expected}, got ${typeof found === 'string' ? JSON.stringify(found) : String(found)}.`, { expected: choices, found });
}
