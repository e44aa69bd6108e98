import { LorikeetError } from '../errors.js';
import { type Json, JsonProblem, parseJson, showJson } from './json.js';
import { safeRelativePath } from './relative-path.js';

/** What model.safetensors.index.json says: which file of the folder holds which tensor. */
export interface ShardedIndex {
  readonly weightMap: ReadonlyMap<string, string>;
  /** The distinct files, sorted. */
  readonly files: readonly string[];
}

/**
 * Reads an index of shards. The files it names stay inside its folder.
 *
 * @throws LorikeetError `safetensors/index-invalid`, `store/escape`
 */
export function shardedIndex(json: string): ShardedIndex {
  let root: Json;
  try {
    root = parseJson(json);
  } catch (problem) {
    if (!(problem instanceof JsonProblem)) throw problem;
    throw new LorikeetError('safetensors/index-invalid', `The index of shards is not valid JSON: ${problem.message}.`, { expected: problem.expected, found: problem.found, cause: problem });
  }
  const map = root instanceof Map ? (root as ReadonlyMap<string, Json>).get('weight_map') : undefined;
  if (!(map instanceof Map)) {
    throw new LorikeetError('safetensors/index-invalid', `The index of shards has ${showJson(map)} as its weight_map, expected an object from tensor to file.`, { expected: 'an object', found: showJson(map) });
  }
  const weightMap = new Map<string, string>();
  for (const [tensor, file] of map as ReadonlyMap<string, Json>) {
    if (typeof file !== 'string') {
      throw new LorikeetError('safetensors/index-invalid', `The index of shards maps ${JSON.stringify(tensor)} to ${showJson(file)}, expected a file's name.`, { expected: 'a string', found: showJson(file) });
    }
    weightMap.set(tensor, safeRelativePath(file, "the model's folder"));
  }
  return { weightMap, files: [...new Set(weightMap.values())].sort() };
}
