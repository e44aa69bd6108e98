/** The patterns that PEFT builds around the names in a configuration, and how they match a module's path. */
import { compileRegex, type Regex } from './regex.js';

/** Says whether a path matches. */
export type PathTest = (path: string) => boolean;
/** Told the size of each pattern that is compiled, so that many together can be bounded. */
export type Spend = (pattern: Regex) => void;

/** rank_pattern, alpha_pattern: `re.match(rf"(.*\.)?({key})$", path)`. */
export function pathPattern(key: string, spend?: Spend): PathTest {
  // The usual key is a plain or escaped path; then the match is one comparison at the path's end.
  if (/^(?:[A-Za-z0-9_.-]|\\[._-])*$/.test(key)) {
    const characters = key.match(/\\?./g) ?? [];
    return (path) => endsWith(path, characters);
  }
  const regex = compileRegex(`(.*\\.)?(${key})$`);
  spend?.(regex);
  return (path) => regex.match(path) !== null;
}

/** Does the path end with these, behind its start or a dot? A bare "." stands for any character, an escaped one for itself. */
function endsWith(path: string, characters: readonly string[]): boolean {
  const start = path.length - characters.length;
  if (start < 0 || (start > 0 && path[start - 1] !== '.')) return false;
  return characters.every((character, i) => character === '.' || path[start + i] === character.at(-1));
}

/** modules_to_save, as the matcher of targets reads it: `re.match(rf"(^|.*\.){name}($|\..*)", path)`. */
export function savedPattern(name: string, spend?: Spend): PathTest {
  const regex = compileRegex(`(^|.*\\.)${name}($|\\..*)`);
  spend?.(regex);
  return (path) => regex.match(path) !== null;
}

/** layers_pattern: `re.match(rf"(?:^|.*?\.){pattern}\.(?P<idx>\d+)\.", path)`; without one, the first number behind two parts of a path. */
export function layerPattern(pattern: string | null): Regex {
  return compileRegex(pattern === null ? '.*?\\.[^.]*\\.(?P<idx>\\d+)\\.' : `(?:^|.*?\\.)${pattern}\\.(?P<idx>\\d+)\\.`);
}
