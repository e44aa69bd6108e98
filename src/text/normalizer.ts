import { BertNormalizer, StripAccentsNormalizer } from './library.js';
import { toByteCharacters } from './byte-level.js';
import { flagOf, invalid, partsOf, textOf, type Part } from './part.js';
import { createPattern } from './pattern.js';
import { createCharsMap } from './precompiled.js';

/** Rewrites text before it is split. */
export type Normalizer = (text: string) => string;

/**
 * The normalizer of tokenizer.json. Where @huggingface/tokenizers does otherwise than the Rust library, it is written here: Strip (White_Space, not JavaScript's
 * trim), Replace (`$` in `content` is a dollar), Lowercase (character by character: no final sigma), Prepend (nothing before nothing), Precompiled (the file's own table).
 */
export function createNormalizer(part: Part): Normalizer {
  switch (part['type']) {
    case 'Sequence': {
      const steps = partsOf(part, 'normalizers').map(createNormalizer);
      return (text) => steps.reduce((now, step) => step(now), text);
    }
    case 'NFC':
    case 'NFD':
    case 'NFKC':
    case 'NFKD': {
      const form = part['type'];
      return (text) => text.normalize(form);
    }
    case 'Lowercase':
      return (text) => (text.includes('Σ') ? Array.from(text, (character) => character.toLowerCase()).join('') : text.toLowerCase());
    case 'Prepend': {
      const prepended = textOf(part, 'prepend');
      return (text) => (text === '' ? '' : prepended + text);
    }
    case 'Replace': {
      const pattern = createPattern(part['pattern']);
      const content = textOf(part, 'content');
      return pattern ? (text) => text.replace(pattern, () => content) : (text) => text;
    }
    case 'Strip': {
      const left = flagOf(part, 'strip_left', false);
      const right = flagOf(part, 'strip_right', false);
      return (text) => {
        const from = left ? (/^\p{White_Space}+/u.exec(text)?.[0].length ?? 0) : 0;
        return text.slice(from, right ? trailingSpace(text, from) : text.length);
      };
    }
    case 'Precompiled': {
      const map = part['precompiled_charsmap'];
      return map === null || map === undefined || map === '' ? (text) => text : createCharsMap(textOf(part, 'precompiled_charsmap'));
    }
    case 'ByteLevel':
      return toByteCharacters;
    case 'BertNormalizer':
      return new BertNormalizer(part);
    case 'StripAccents':
      return new StripAccentsNormalizer(part);
    default:
      throw invalid(`the normalizer ${JSON.stringify(part['type'])} is not known`, part['type']);
  }
}

const SPACE = /\p{White_Space}/u;

/** Where the whitespace at the end of `text` begins, not before `from`. A regex anchored at the end would try from every place. */
export function trailingSpace(text: string, from = 0): number {
  let end = text.length;
  // All of White_Space lies in the first plane.
  while (end > from && SPACE.test(text[end - 1]!)) end--;
  return end;
}
