/**
 * The merges of SentencePiece's BPE, which a GGUF keeps as a score for each token: every way to put a token together from two others, the tokens of the highest score first.
 *
 * @param scores one for each token
 * @param merged whether a token may come of merging: bytes and control tokens don't
 */
export function mergesOfScores(tokens: readonly string[], scores: ArrayLike<number>, merged: (id: number) => boolean): [left: string, right: string][] {
  const known = new Set(tokens);
  const order = tokens.map((_, id) => id).filter(merged).sort((a, b) => scores[b]! - scores[a]! || a - b);
  const merges: [string, string][] = [];
  for (const id of order) {
    const token = tokens[id]!;
    for (let at = 1; at < token.length; at++) {
      const left = token.slice(0, at);
      if (known.has(left) && known.has(token.slice(at))) merges.push([left, token.slice(at)]);
    }
  }
  return merges;
}
