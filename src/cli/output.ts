import { escapeName, escapeText, safeJson } from './escape.js';

/** Writes to stdout and waits where the reader is slow, so that nothing piles up in memory. */
export async function print(text: string): Promise<void> {
  if (process.stdout.write(text)) return;
  await new Promise<void>((resolve) => { process.stdout.once('drain', resolve); });
}

/** One JSON object, alone on stdout. */
export const printJson = (value: unknown): Promise<void> => print(`${safeJson(value)}\n`);

/** A model's text: as it is into a file or a pipe, with what a terminal would obey made visible on a terminal. */
export const printGenerated = (text: string): Promise<void> => print(process.stdout.isTTY ? escapeText(text) : text);

/** A line for the reader that is no result. */
export function warn(message: string): void {
  process.stderr.write(`lorikeet: ${escapeName(message, 1000)}\n`);
}
