/** The known word that a mistyped one most likely meant: at most two letters changed, added or lost, or one the beginning of the other. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  let best: string | undefined;
  let least = 3;
  for (const candidate of known) {
    const away = distance(word, candidate);
    if (away < least && away < Math.max(word.length, candidate.length) / 2) {
      best = candidate;
      least = away;
    }
  }
  return best ?? (word.length >= 3 ? known.find((candidate) => candidate.startsWith(word) || word.startsWith(candidate)) : undefined);
}

/** Levenshtein's distance, row by row. */
function distance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 2) return 3;
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[b.length]!;
}
