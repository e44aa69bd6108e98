/**
 * What was found out about this device: which builds passed their known answers, which of some tiles of equal bits was the fastest. Kept where the host has a place for it, under a key of
 * the engine and the kernels' version; where there is none, or it fails, it is found out anew.
 */
import { readFile, writeFile } from './remembered-file.js';
import { readPage, writePage } from './remembered-page.js';

/** A hash of the kernels' sources, set by the build. */
declare const KERNELS_VERSION: string;

/** By what was asked: `null` for a test that passed, else a sentence; a number for a choice. */
export type Finding = string | number | null;

/** Of this many devices and versions the latest are kept. */
const MOST_KEYS = 16;

type Kept = Record<string, Record<string, Finding>>;

/** What is known on this device; what is added is kept at once. */
export interface Remembered {
  get(question: string): Finding | undefined;
  set(question: string, finding: Finding): Promise<void>;
}

let opened: Promise<Remembered> | undefined;

/** What is known on this device, read once. */
export const remembered = (): Promise<Remembered> => (opened ??= open());

/** Forgets what was read, not what is kept: for tests. */
export const reopen = (): void => { opened = undefined; };

async function open(): Promise<Remembered> {
  const inPage = typeof (globalThis as { document?: unknown }).document !== 'undefined';
  const place = inPage ? readPage() : await readFile();
  const key = place === null ? '' : `${KERNELS_VERSION} ${place.engine}`;
  const findings = new Map(Object.entries(parse(place?.text ?? null)[key] ?? {}));
  return {
    get: (question) => findings.get(question),
    async set(question, finding) {
      findings.set(question, finding);
      if (place === null) return;
      // Read again: another engine may have written since.
      const text = (inPage ? readPage() : await readFile())?.text ?? null;
      const { [key]: _, ...others } = parse(text);
      const kept: Kept = Object.fromEntries([...Object.entries(others).slice(1 - MOST_KEYS), [key, Object.fromEntries(findings)]]);
      if (inPage) writePage(JSON.stringify(kept));
      else await writeFile(JSON.stringify(kept));
    },
  };
}

/** Whatever isn't of this form was written by somebody else, and counts as nothing. */
function parse(text: string | null): Kept {
  const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);
  try {
    const all: unknown = JSON.parse(text ?? '{}');
    if (!isRecord(all)) return {};
    const isFinding = (value: unknown): boolean => value === null || typeof value === 'string' || typeof value === 'number';
    return Object.fromEntries(Object.entries(all).filter(([, findings]) => isRecord(findings) && Object.values(findings).every(isFinding))) as Kept;
  } catch {
    return {};
  }
}
