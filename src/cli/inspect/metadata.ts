import type { GgufMetadata, GgufValue } from '../../formats/gguf.js';

/** The elements of an array that are shown: vocabularies have hundreds of thousands. */
const FEW = 8;
/** Characters of a text that are shown: chat templates have thousands. */
const LONGEST = 400;

/** A GGUF's metadata as an inspection shows it: of long arrays and texts the beginning. */
export type ShownMetadata = Readonly<Record<string, unknown>>;

export const shownMetadata = (metadata: GgufMetadata): ShownMetadata => Object.fromEntries([...metadata].map(([key, value]) => [key, shown(value)]));

function shown(value: GgufValue): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'string') return value.length > LONGEST ? `${value.slice(0, LONGEST)}…` : value;
  if (typeof value !== 'object') return value;
  const first = Array.from(value as ArrayLike<GgufValue>).slice(0, FEW).map(shown);
  return value.length > FEW ? { elements: value.length, first } : first;
}

/** One line of text for a shown value. */
export function metadataText(value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'object' && value !== null && 'elements' in value) return `${String(value.elements)} elements`;
  return JSON.stringify(value);
}
