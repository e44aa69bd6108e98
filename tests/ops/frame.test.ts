import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { addEntry, addSegment, clearFrame, createFrame, joinSegments, type Domain } from '../../src/ops/frame.js';
import type { Deltas } from '../../src/ops/module.js';

const test = suite('frame');
const A: Deltas = [];
const B: Deltas = [];

type Given = readonly [rows: number, position: number, ...entries: (readonly [deltas: Deltas, scale: number, start?: number])[]];

/** [first row, rows, adapters] of each stretch. */
function stretches(domain: Domain, given: readonly Given[]): [number, number, number][] {
  for (const [rows, position, ...entries] of given) {
    const segment = addSegment(domain, rows, position);
    for (const [deltas, scale, start = 0] of entries) addEntry(segment, deltas, scale, start);
  }
  joinSegments(domain);
  return domain.stretches.slice(0, domain.stretchCount).map(({ from, rows, entryCount }) => [from, rows, entryCount]);
}

test('neighbours with one blend are one stretch', () => {
  const frame = createFrame(0, 0, 0, 64, 64);
  assert.equal(stretches(frame.tokens, [[1, 5, [A, 1]], [3, 9, [A, 1]], [2, 0, [A, 0.5]], [1, 4, [B, 1]], [1, 4, [B, 1], [A, 1]], [1, 8, [B, 1], [A, 1]], [1, 1], [7, 0]]), [[0, 4, 1], [4, 2, 1], [6, 1, 1], [7, 2, 2], [9, 8, 0]]);
  clearFrame(frame);
  assert.equal(stretches(frame.tokens, [[2, 0, [B, 1]]]), [[0, 2, 1]]);
  clearFrame(frame);
  assert.equal(stretches(frame.tokens, []), []);
});

test('the order of a blend is part of it, and what has scale 0 is not', () => {
  const { tokens } = createFrame(0, 0, 0, 64, 64);
  assert.equal(stretches(tokens, [[1, 0, [A, 1], [B, 1]], [1, 0, [B, 1], [A, 1]], [1, 0, [B, 1], [A, 0]], [1, 0, [B, 1]]]), [[0, 1, 2], [1, 1, 2], [2, 2, 1]]);
});

test('an aLoRA joins only where it applies from the first row on', () => {
  const { tokens } = createFrame(0, 0, 0, 64, 64);
  assert.equal(stretches(tokens, [[4, 0, [A, 1, 2]], [4, 0, [A, 1, 2]], [1, 7, [A, 1, 2]], [1, 2, [A, 1, 2]], [1, 9, [A, 1, 3]], [1, 9, [A, 1, 10]]]), [[0, 4, 1], [4, 4, 1], [8, 3, 1], [11, 1, 1]]);
});

test.run();
