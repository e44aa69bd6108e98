import { toByteCharacters } from './byte-level.js';
import { countOf, flagOf, invalid, partsOf, textOf, type Part } from './part.js';
import { createPattern, eachStretch, regexOf } from './pattern.js';

/** Splits words further, in place of each; `first`: the first of these words stands at the very beginning of the text. */
export type PreTokenizer = (words: string[], first: boolean) => string[];

const PUNCTUATION = /[\p{P}!-/:-@[-`{-~]/gu;
/** GPT-2's pattern, ByteLevel's own. */
const GPT2 = String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`;

/**
 * The pre-tokenizer of tokenizer.json. Where @huggingface/tokenizers does otherwise than the Rust library, it is written here: Digits (every numeric character, not decimal
 * digits alone: ², ½, Ⅷ), ByteLevel (White_Space, which holds U+0085 and not U+FEFF), Metaspace (`split`, and `first` means the text's beginning), Split and
 * Punctuation (all behaviours), Whitespace (words of all scripts).
 */
export function createPreTokenizer(part: Part): PreTokenizer {
  switch (part['type']) {
    case 'Sequence': {
      const steps = partsOf(part, 'pretokenizers').map(createPreTokenizer);
      return (words, first) => steps.reduce((now, step) => step(now, first), words);
    }
    case 'ByteLevel': {
      const space = flagOf(part, 'add_prefix_space', true);
      const pattern = flagOf(part, 'use_regex', true) ? regexOf(GPT2) : null;
      return (words) =>
        words.flatMap((word) => {
          const text = space && !word.startsWith(' ') ? ` ${word}` : word;
          return (pattern ? isolated(text, pattern) : [text]).map(toByteCharacters);
        });
    }
    case 'Split': {
      const pattern = createPattern(part['pattern']);
      return pattern ? splitter(pattern, part['behavior'], flagOf(part, 'invert', false)) : (words) => words;
    }
    case 'Digits':
      return splitter(/\p{N}/gu, flagOf(part, 'individual_digits', false) ? 'Isolated' : 'Contiguous', false);
    case 'Punctuation':
      return splitter(PUNCTUATION, part['behavior'] ?? 'Isolated', false);
    case 'Whitespace':
      return splitter(/[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]+|[^\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}\p{White_Space}]+/gu, 'Removed', true);
    case 'WhitespaceSplit':
      return splitter(/\p{White_Space}/gu, 'Removed', false);
    case 'CharDelimiterSplit':
      return splitter(createPattern({ String: textOf(part, 'delimiter') })!, 'Removed', false);
    case 'Metaspace':
      return metaspace(part);
    case 'BertPreTokenizer': {
      const space = splitter(/\p{White_Space}/gu, 'Removed', false);
      const punctuation = splitter(PUNCTUATION, 'Isolated', false);
      return (words, first) => punctuation(space(words, first), first);
    }
    case 'FixedLength':
      return splitter(new RegExp(`[^]{1,${countOf(part, 'length', 5) || 1}}`, 'gu'), 'Isolated', false);
    default:
      throw invalid(`the pre-tokenizer ${JSON.stringify(part['type'])} is not known`, part['type']);
  }
}

function metaspace(part: Part): PreTokenizer {
  const mark = textOf(part, 'replacement', '▁');
  // Older files say `add_prefix_space` only.
  const scheme = part['add_prefix_space'] === false ? 'never' : textOf(part, 'prepend_scheme', 'always');
  if (!['always', 'first', 'never'].includes(scheme)) throw invalid(`prepend_scheme must be "always", "first" or "never"`, scheme);
  const split = flagOf(part, 'split', true) ? splitter(createPattern({ String: mark })!, 'MergedWithNext', false) : null;
  return (words, first) => {
    const marked = words.map((word, index) => {
      const text = word.replaceAll(' ', () => mark);
      return !text.startsWith(mark) && (scheme === 'always' || (scheme === 'first' && first && index === 0)) ? mark + text : text;
    });
    return split ? split(marked, first) : marked;
  };
}

function isolated(text: string, pattern: RegExp): string[] {
  const words: string[] = [];
  eachStretch(text, pattern, (from, to) => words.push(text.slice(from, to)));
  return words;
}

/** `behavior` says what becomes of the matches; `invert` takes what lies between them for the matches. */
function splitter(pattern: RegExp, behavior: unknown, invert: boolean): PreTokenizer {
  const split = (text: string): string[] => {
    if (behavior === 'Isolated') return isolated(text, pattern);
    const words: string[] = [];
    let before: boolean | null = null;
    eachStretch(text, pattern, (from, to, matched) => {
      const match = matched !== invert;
      const stretch = text.slice(from, to);
      const join =
        behavior === 'Contiguous' ? match === before
        : behavior === 'MergedWithPrevious' ? match && before === false
        : behavior === 'MergedWithNext' ? !match && before === true
        : false;
      if (join) words.push(words.pop()! + stretch);
      else if (behavior !== 'Removed' || !match) words.push(stretch);
      before = match;
    });
    return words;
  };
  if (!['Isolated', 'Contiguous', 'MergedWithPrevious', 'MergedWithNext', 'Removed'].includes(behavior as string)) throw invalid(`the behaviour ${JSON.stringify(behavior)} is not known`, behavior);
  return (words) => words.flatMap(split);
}
