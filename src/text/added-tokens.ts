import { flagOf, idOf, partOf, textOf } from './part.js';
import { ROOT, Trie } from './trie.js';

/** A token beside the model's vocabulary, found in the text as it stands, before anything is split. */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  /** Takes the whitespace before it / behind it along. */
  readonly lstrip: boolean;
  readonly rstrip: boolean;
  /** Not inside a word. */
  readonly singleWord: boolean;
  /** Is found in the normalized text, by its own normalized content. */
  readonly normalized: boolean;
  /** Is left out when ids are turned to text. */
  readonly special: boolean;
}

export function readAddedToken(value: unknown): AddedToken {
  const part = partOf(value, 'an added token');
  const special = flagOf(part, 'special', false);
  return {
    id: idOf(part['id'], 'the id of an added token'),
    content: textOf(part, 'content'),
    lstrip: flagOf(part, 'lstrip', false),
    rstrip: flagOf(part, 'rstrip', false),
    singleWord: flagOf(part, 'single_word', false),
    normalized: flagOf(part, 'normalized', !special),
    special,
  };
}

/** Is told the stretches of a text in order: of an added token, or of text between them (`token` null), with its place in the whole. */
export type Stretch = (text: string, token: AddedToken | null, from: number) => void;

const WORD = /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]/u;
const LEADING_SPACE = /\p{White_Space}*/uy;

/** Splits a text at added tokens: at each place the longest that begins there. The rules of `lstrip`, `rstrip` and `single_word` are the Rust library's. */
export function createSplitter(tokens: readonly AddedToken[], contents: readonly string[] = tokens.map(({ content }) => content)): ((text: string, told: Stretch) => void) | null {
  // Of equal contents a special token counts.
  const order = tokens.map((_, index) => index).filter((index) => contents[index] !== '').sort((a, b) => Number(tokens[b]!.special) - Number(tokens[a]!.special));
  if (order.length === 0) return null;
  const trie = new Trie(order.map((index) => contents[index]!));
  return (text, told) => {
    let begin = 0;
    for (let at = 0; at < text.length; ) {
      let found = -1;
      let end = at;
      for (let i = at, node = trie.step(ROOT, text.charCodeAt(i)); node !== 0; node = i < text.length ? trie.step(node, text.charCodeAt(i)) : 0) {
        i++;
        const word = trie.wordAt(node);
        if (word >= 0) {
          found = word;
          end = i;
        }
      }
      if (found < 0) {
        at++;
        continue;
      }
      const token = tokens[order[found]!]!;
      if (token.singleWord && ((at > 0 && WORD.test(characterBefore(text, at))) || (end < text.length && WORD.test(String.fromCodePoint(text.codePointAt(end)!))))) {
        at = end;
        continue;
      }
      let from = token.lstrip ? Math.max(trailingSpace(text.slice(begin, at)) + begin, begin) : at;
      // A token before this one may have taken along the whitespace that this one consists of: it is told nevertheless.
      from = Math.max(from, begin);
      if (from > begin) told(text.slice(begin, from), null, begin);
      at = end;
      if (token.rstrip) {
        LEADING_SPACE.lastIndex = end;
        end += LEADING_SPACE.exec(text)![0].length;
      }
      told(text.slice(from, Math.max(from, end)), token, from);
      begin = end;
    }
    if (begin < text.length) told(text.slice(begin), null, begin);
  };
}

const SPACE = /\p{White_Space}/u;

/** Where the whitespace at the end of a text begins. A regex anchored at the end would try from every place. */
function trailingSpace(text: string): number {
  let end = text.length;
  // All of White_Space lies in the first plane.
  while (end > 0 && SPACE.test(text[end - 1]!)) end--;
  return end;
}

function characterBefore(text: string, at: number): string {
  const low = text.charCodeAt(at - 1);
  return low >= 0xdc00 && low <= 0xdfff && at > 1 ? text.slice(at - 2, at) : text[at - 1]!;
}
