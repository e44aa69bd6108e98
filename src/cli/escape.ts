/**
 * Text of strangers on its way to a terminal. A name in a file, or a token of a model, may hold control characters that move the cursor, set colours or the
 * window's title, and marks that turn the direction of writing: they are shown as `\u{1b}` instead of being obeyed.
 */

/** What a name never needs: controls, formats (bidi, zero width, tags), line and paragraph separators, lone surrogates, private and unassigned code points. */
const IN_NAMES = /[\p{C}\p{Zl}\p{Zp}]/gu;
/** In running text line ends and tabs stay, and so do the joiners that scripts and emoji are written with. */
const IN_TEXT = /(?![\n\t])\p{Cc}|[\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]|[\p{Zl}\p{Zp}\p{Cs}]/gu;
/** JSON.stringify leaves these as they are; they only occur inside its strings, where \uXXXX means the same. */
const IN_JSON = /[\u007f-\u009f]|[\p{Cf}\p{Zl}\p{Zp}]/gu;

/** The longest name that is shown whole, in code points. */
const LONGEST = 200;

const visible = (c: string): string => `\\u{${c.codePointAt(0)!.toString(16)}}`;

/** A name on one line: everything invisible as `\u{…}`, very long ones cut. */
export function escapeName(name: string, longest = LONGEST): string {
  const points = name.length > longest ? [...name.slice(0, 2 * longest + 2)] : null;
  const shown = points && points.length > longest ? `${points.slice(0, longest).join('')}…` : name;
  return shown.replace(IN_NAMES, visible);
}

/** Running text, which keeps its line ends and tabs. */
export function escapeText(text: string): string {
  return text.replace(IN_TEXT, visible);
}

/** A value as JSON that a terminal takes literally, too. */
export function safeJson(value: unknown): string {
  return JSON.stringify(value).replace(IN_JSON, (c) => [...Array(c.length).keys()].map((i) => `\\u${c.charCodeAt(i).toString(16).padStart(4, '0')}`).join(''));
}
