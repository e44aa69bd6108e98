import type { Deltas } from './module.js';

/** One adapter as it acts on one sequence in this frame: its deltas, its scale now, and the position from which it applies (aLoRA; else 0). */
export interface Entry {
  deltas: Deltas;
  scale: number;
  start: number;
}

/** Rows that lie one after another and are worked under one blend. */
export interface Stretch {
  from: number;
  rows: number;
  /** Position of the first row in its sequence. */
  position: number;
  /** The blend: entries of scale 0 are not in it. */
  entries: readonly Entry[];
  entryCount: number;
}

/** The rows of one sequence. */
export interface Segment extends Stretch {
  /** Byte offset of the sequence's KV table of layer 0, and bytes from one layer's table to the next. */
  table: number;
  tableStride: number;
  /** The dtype of the KV blocks: its code in the kernels' ABI. */
  kvDtype: number;
  readonly entries: Entry[];
}

/** Rows of one kind: those of the tokens, or the few whose logits are wanted. */
export interface Domain {
  rows: number;
  readonly segments: Segment[];
  count: number;
  /** The same rows, those of neighbours with one blend together: see {@link joinSegments}. */
  readonly stretches: Stretch[];
  stretchCount: number;
}

export type DomainName = 'tokens' | 'outputs';

/**
 * What one run of a program shall do. Made once and filled anew for each run, so that a step makes no arrays or closures.
 * ids, positions and outputs (the token rows whose logits are wanted) lie in linear memory as i32.
 */
export interface Frame {
  readonly ids: number;
  readonly positions: number;
  readonly outputRows: number;
  readonly maxRows: number;
  readonly maxOutputs: number;
  readonly tokens: Domain;
  readonly outputs: Domain;
}

/** Scratch for the deltas of adapters, shared by all ops of a program; it grows when an adapter is put to use that needs more, never in a step. */
export interface Workspace {
  ptr: number;
  bytes: number;
}

const segment = (): Segment => ({ from: 0, rows: 0, position: 0, table: 0, tableStride: 0, kvDtype: 0, entries: [], entryCount: 0 });

const domain = (): Domain => ({ rows: 0, segments: [], count: 0, stretches: [], stretchCount: 0 });

/** A frame with no rows; the three index buffers belong to the caller. */
export const createFrame = (ids: number, positions: number, outputRows: number, maxRows: number, maxOutputs: number): Frame =>
  ({ ids, positions, outputRows, maxRows, maxOutputs, tokens: domain(), outputs: domain() });

/** Empties the frame, keeping its objects. */
export function clearFrame(frame: Frame): void {
  frame.tokens.rows = frame.tokens.count = frame.outputs.rows = frame.outputs.count = 0;
}

/** Appends a segment of `rows` rows to a domain and returns it, its blend empty. */
export function addSegment(domain: Domain, rows: number, position: number): Segment {
  if (domain.segments.length === domain.count) domain.segments.push(segment());
  const added = domain.segments[domain.count++]!;
  added.from = domain.rows;
  added.rows = rows;
  added.position = position;
  added.table = added.tableStride = added.kvDtype = added.entryCount = 0;
  domain.rows += rows;
  return added;
}

/** Appends an adapter to a segment's blend; scale 0 detaches it wholly, an aLoRA that isn't invoked (start = Infinity) too. */
export function addEntry(to: Segment, deltas: Deltas, scale: number, start: number): void {
  if (scale === 0 || start === Infinity) return;
  if (to.entries.length === to.entryCount) to.entries.push({ deltas, scale, start });
  const entry = to.entries[to.entryCount++]!;
  entry.deltas = deltas;
  entry.scale = scale;
  entry.start = start;
}

/**
 * Puts the segments together whose neighbours have the same blend: an adapter's product then runs once over the rows of all of them. An aLoRA that begins within a segment
 * keeps that one apart.
 */
export function joinSegments(domain: Domain): void {
  const { segments, count, stretches } = domain;
  domain.stretchCount = 0;
  let last: Stretch | null = null;
  for (let i = 0; i < count; i++) {
    const next = segments[i]!;
    if (last !== null && isSameBlend(last, next)) {
      last.rows += next.rows;
      continue;
    }
    if (stretches.length === domain.stretchCount) stretches.push({ from: 0, rows: 0, position: 0, entries: next.entries, entryCount: 0 });
    last = stretches[domain.stretchCount++]!;
    last.from = next.from;
    last.rows = next.rows;
    last.position = next.position;
    last.entries = next.entries;
    last.entryCount = next.entryCount;
  }
}

function isSameBlend(a: Stretch, b: Stretch): boolean {
  if (a.entryCount !== b.entryCount) return false;
  for (let i = 0; i < a.entryCount; i++) {
    const x = a.entries[i]!;
    const y = b.entries[i]!;
    if (x.deltas !== y.deltas || x.scale !== y.scale || x.start > a.position || y.start > b.position) return false;
  }
  return true;
}
