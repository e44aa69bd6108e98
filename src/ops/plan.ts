import type { Recording } from './record.js';
import type { Value } from './ops.js';

/** Where each value's buffer lies, relative to the plan's start, and how many bytes all of them take together. */
export interface Plan {
  readonly bytes: number;
  readonly offsets: ReadonlyMap<Value, number>;
  /** The most bytes that are alive at one op: no plan can take fewer. */
  readonly lowerBound: number;
}

interface Interval {
  readonly value: Value;
  readonly bytes: number;
  readonly first: number;
  last: number;
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

  const placed: (Interval & { offset: number })[] = [];
  for (const interval of [...intervals.values()].sort((a, b) => b.bytes - a.bytes || a.value.id - b.value.id)) {
    const neighbours = placed.filter((p) => p.first <= interval.last && interval.first <= p.last).sort((a, b) => a.offset - b.offset);
    let offset = 0;
    for (const neighbour of neighbours) {
      if (offset + interval.bytes <= neighbour.offset) break;
      offset = Math.max(offset, neighbour.offset + neighbour.bytes);
    }
    placed.push({ ...interval, offset });
  }

  let lowerBound = 0;
  for (let at = -1; at <= ops.length; at++) {
    lowerBound = Math.max(lowerBound, placed.reduce((sum, p) => sum + (p.first <= at && at <= p.last ? p.bytes : 0), 0));
  }
  return { bytes: Math.max(64, ...placed.map((p) => p.offset + p.bytes)), offsets: new Map(placed.map((p) => [p.value, p.offset])), lowerBound };
}
