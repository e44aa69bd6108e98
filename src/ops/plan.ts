import type { Recording } from './record.js';
import type { Value } from './ops.js';

/** A value's buffer and between which ops of the list it is alive: −1 stands for what is before the first, the list's length for what is behind the last. */
interface Interval {
  readonly value: Value;
  readonly bytes: number;
  readonly first: number;
  last: number;
}

/** A buffer with its place, relative to the plan's start. */
export interface PlannedBuffer extends Readonly<Interval> {
  readonly offset: number;
}

/** Where each value's buffer lies, and how many bytes all of them take together. */
export interface Plan {
  readonly bytes: number;
  /** The largest first. */
  readonly buffers: readonly PlannedBuffer[];
  readonly offsets: ReadonlyMap<Value, number>;
  /** The most bytes that are alive at one op: no plan can take fewer. */
  readonly lowerBound: number;
}

/** A program's scratch, for people and for measuring. */
export interface PlanReport {
  /** The rows that a frame has at most, and those of them whose logits can be wanted. */
  readonly rows: number;
  readonly outputs: number;
  readonly plannedBytes: number;
  readonly lowerBound: number;
  /** Beside the plan: what adapters' deltas and convolutions need during one op. */
  readonly workspaceBytes: number;
  readonly ops: number;
  /** The largest first; `from` and `to` are the ops, by their places in the list, that make it and last read it. */
  readonly buffers: readonly { readonly bytes: number; readonly width: number; readonly from: number; readonly to: number; readonly op: string; readonly lastOp: string }[];
}

/** Says of each buffer which op makes it, by kind and module, and which is the last to read it. */
export function describeBuffers({ ops }: Recording, { buffers }: Plan): PlanReport['buffers'] {
  const nameOf = (at: number): string => {
    const op = ops[at];
    return op === undefined ? (at < 0 ? 'input' : 'result') : 'module' in op ? `${op.op} ${op.module.path}` : op.op;
  };
  return buffers.map(({ value, bytes, first, last }) => ({ bytes, width: value.width, from: first, to: last, op: nameOf(first), lastOp: nameOf(last) }));
}

/**
 * Gives every value a buffer such that two values alive at the same op don't overlap: the largest first, each at the lowest free
 * offset (greedy by size, as in Pisarchyk & Lee, "Efficient Memory Management for Deep Neural Net Inference", 2020).
 */
export function planBuffers({ ops, inputs, result }: Recording, maxRows: number, maxOutputs: number): Plan {
  const rows = { tokens: maxRows, outputs: maxOutputs, once: 1 };
  const intervals = new Map<Value, Interval>();
  const touch = (value: Value, at: number): void => {
    const { root } = value;
    const known = intervals.get(root);
    if (known) known.last = at;
    else intervals.set(root, { value: root, bytes: Math.ceil((rows[root.domain] * root.width * 4) / 64) * 64, first: at, last: at });
  };
  for (const input of inputs) touch(input, -1);
  ops.forEach(({ reads, writes }, at) => { for (const value of [...reads, ...writes]) touch(value, at); });
  touch(result, ops.length);

  const placed: PlannedBuffer[] = [];
  // By op, from −1 on: most values live for a few ops, so the neighbours of one are few among hundreds.
  const alive: PlannedBuffer[][] = Array.from({ length: ops.length + 2 }, () => []);
  for (const interval of [...intervals.values()].sort((a, b) => b.bytes - a.bytes || a.value.id - b.value.id)) {
    const { first, last, bytes } = interval;
    const neighbours = new Set<PlannedBuffer>();
    for (let at = first; at <= last; at++) for (const neighbour of alive[at + 1]!) neighbours.add(neighbour);
    let offset = 0;
    for (const neighbour of [...neighbours].sort((a, b) => a.offset - b.offset)) {
      if (offset + bytes <= neighbour.offset) break;
      offset = Math.max(offset, neighbour.offset + neighbour.bytes);
    }
    const buffer = { ...interval, offset };
    placed.push(buffer);
    for (let at = first; at <= last; at++) alive[at + 1]!.push(buffer);
  }

  let lowerBound = 0;
  for (const together of alive) {
    let bytes = 0;
    for (const buffer of together) bytes += buffer.bytes;
    lowerBound = Math.max(lowerBound, bytes);
  }
  return { bytes: Math.max(64, ...placed.map((p) => p.offset + p.bytes)), buffers: placed, offsets: new Map(placed.map((p) => [p.value, p.offset])), lowerBound };
}
