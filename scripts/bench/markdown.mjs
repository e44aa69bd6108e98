// Figures as Markdown, which reads as well on a terminal.

/** A table with its columns aligned. */
export function table(head, rows) {
  const cells = [head, ...rows].map((row) => row.map(String));
  const widths = head.map((_, i) => Math.max(...cells.map((row) => row[i].length)));
  const line = (row) => `| ${row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join(' | ')} |`;
  return [line(cells[0]), `|${widths.map((width, i) => `${'-'.repeat(width + 1)}${i === 0 ? '-' : ':'}`).join('|')}|`, ...cells.slice(1).map(line)];
}

export const fixed = (value, digits) => value.toFixed(digits);
export const times = (value) => `${value.toFixed(2)}×`;
export const percent = (share) => `${(share * 100).toFixed(0)} %`;
/** A median of ratios and its spread, or a dash. */
export const ratioText = (result) => (result ? `${times(result.median)} ± ${percent(result.spread)}` : '–');
