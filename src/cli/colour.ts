/** Colours of the terminal's own palette, where the output is a terminal that shows them. */

const SGR = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, magenta: 35, cyan: 36 } as const;
export type Style = keyof typeof SGR;

/** Puts text into a style, or leaves it as it is. */
export type Paint = (text: string, ...styles: Style[]) => string;

/**
 * Whether a stream gets colours: FORCE_COLOR, where set, decides (0: no); then NO_COLOR (no-color.org) and TERM=dumb switch them off; then it is whether it is a terminal.
 * The option --no-color sets NO_COLOR and unsets FORCE_COLOR.
 */
export function hasColours(stream: { readonly isTTY?: boolean }, environment: Readonly<Record<string, string | undefined>> = process.env): boolean {
  const { FORCE_COLOR: forced, NO_COLOR: none, TERM: kind } = environment;
  if (forced !== undefined && forced !== '') return forced !== '0' && forced !== 'false';
  return !none && kind !== 'dumb' && stream.isTTY === true;
}

export function paintFor(stream: { readonly isTTY?: boolean }): Paint {
  if (!hasColours(stream)) return (text) => text;
  return (text, ...styles) => (text === '' ? '' : `\u001b[${styles.map((style) => SGR[style]).join(';')}m${text}\u001b[0m`);
}
