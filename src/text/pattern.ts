/**
 * The patterns of tokenizer.json: `{ "Regex": … }` in Oniguruma's syntax, `{ "String": … }` verbatim.
 *
 * The translation to JavaScript's syntax is the one of @huggingface/tokenizers. A regex of a hostile file can backtrack without end, here as in the Rust library: a
 * tokenizer.json (unlike an adapter's `target_modules`, see formats/regex.ts) needs \p{…} and lookarounds on long texts, which the engine without backtracking would take too
 * long for. So read tokenizers from whom you would take a model.
 */
import { SplitPreTokenizer } from './library.js';
import { invalid, partOf } from './part.js';

/** A regex with the flags `gu`, or null for a pattern that matches nothing. */
export function createPattern(value: unknown): RegExp | null {
  const pattern = partOf(value, 'pattern');
  if (typeof pattern['String'] === 'string') return pattern['String'] === '' ? null : new RegExp(pattern['String'].replace(/[.*+?^${}()|[\]\\]/g, '\\$&'), 'gu');
  if (typeof pattern['Regex'] !== 'string') throw invalid('a pattern must hold a String or a Regex', value);
  return regexOf(pattern['Regex']);
}

/** A regex in Oniguruma's syntax as JavaScript's. */
export function regexOf(source: string): RegExp {
  let translated: RegExp | null;
  try {
    translated = new SplitPreTokenizer({ pattern: { Regex: source }, behavior: 'Isolated', invert: false }).pattern;
  } catch (cause) {
    throw invalid(`the regex ${JSON.stringify(source)} is not understood (${cause instanceof Error ? cause.message : String(cause)})`, source, cause);
  }
  if (!translated) throw invalid(`the regex ${JSON.stringify(source)} is not understood`, source);
  // Under (?i: …) Oniguruma folds as Unicode does, where `ſ` is an s and the Kelvin sign a k; the library folds ASCII alone.
  const folded = source.includes('(?i') ? translated.source.replaceAll('[sS]', '[sS\\u017F]').replaceAll('[kK]', '[kK\\u212A]') : translated.source;
  return folded === translated.source ? translated : new RegExp(folded, 'gu');
}

/** Calls `take(from, to, matched)` for each match and each stretch between matches, in order; empty ones are left out. */
export function eachStretch(text: string, pattern: RegExp, take: (from: number, to: number, matched: boolean) => void): void {
  let at = 0;
  pattern.lastIndex = 0;
  for (let match = pattern.exec(text); match; match = pattern.exec(text)) {
    const end = match.index + match[0].length;
    if (match.index > at) take(at, match.index, false);
    if (match[0].length > 0) take(match.index, end, true);
    // An empty match would come for ever.
    else pattern.lastIndex += text.codePointAt(end)! > 0xffff ? 2 : 1;
    at = end;
  }
  if (at < text.length) take(at, text.length, false);
}
