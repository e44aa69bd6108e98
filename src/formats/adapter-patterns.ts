/** The patterns that PEFT builds around the names in a configuration, and how they match a module's path. */
import { compileRegex, type Regex } from './regex.js';

/** Says whether a path matches. */
export type PathTest = (path: string) => boolean;
/** Told the size of each pattern that is compiled, so that many together can be bounded. */
export type Spend = (pattern: Regex) => void;

/** rank_pattern, alpha_pattern: `re.match(rf"(.*\.)?({key})$", path)`. */
export function pathPattern(key: string, spend?: Spend): PathTest {
  // The usual key is a plain path; then the match is one comparison at the path's end ("." stands for any character there, as in the pattern).
  if (/^[A-Za-z0-9_.-]*$/.test(key)) return (path) => endsWith(path, key);
  const regex = compileRegex(`(.*\\.)?(${key})$`);
  spend?.(regex);
  return (path) => regex.match(path) !== null;
}

function endsWith(path: string, key: string): boolean {
  const start = path.length - key.length;
  if (start < 0 || (start > 0 && path[start - 1] !== '.')) return false;
  for (let i = 0; i < key.length; i++) {
    if (key[i] !== '.' && key[i] !== path[start + i]) return false;
  }
  return true;
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
