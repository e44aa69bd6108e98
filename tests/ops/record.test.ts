import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isLorikeetError } from '../../src/errors.js';
import type { Linear, Norm } from '../../src/ops/module.js';
import type { Ops, Value } from '../../src/ops/ops.js';
import { record } from '../../src/ops/record.js';

// A forward pass that contradicts itself is told when it is recorded, with the op and both shapes.

const linear = (n: number, k: number): Linear => ({ kind: 'linear', path: 'proj', slot: 0, weight: { ptr: 0, dtype: 0, n, k }, bias: null, transposed: false, isOutputHead: false, tied: false });
const norm = (n: number): Norm => ({ kind: 'norm', path: 'norm', slot: 0, form: 'rms', weight: { ptr: 0, n }, bias: null, eps: 1e-6, offset: 0 });
const SPEC = { layer: 0, heads: 2, kvHeads: 1, headDim: 4, scale: 1, softcap: 0, window: 0 };
const WRONG: Readonly<Record<string, (ops: Ops) => Value>> = {
  'linear over another width': (ops) => ops.linear(linear(3, 4), ops.input(5)),
  'norm over another width': (ops) => ops.norm(norm(4), ops.input(5)),
  'norm of a slice': (ops) => ops.norm(norm(2), ops.slice(ops.input(4), 0, 2)),
  'sum of two widths': (ops) => ops.add(ops.input(2), ops.input(3)),
  'sum of two domains': (ops) => ops.add(ops.input(2), ops.outputs(ops.input(2))),
  'gate of two widths': (ops) => ops.gate('silu', ops.input(2), ops.input(3)),
  'activation of a slice': (ops) => ops.activate('relu', ops.slice(ops.input(4), 2, 2)),
  'slice beyond the end': (ops) => ops.slice(ops.input(4), 2, 3),
  'slice before the begin': (ops) => ops.slice(ops.input(4), -1, 2),
  'queries of another width': (ops) => ops.attention(ops.input(7), ops.input(4), ops.input(4), SPEC),
  'keys of another width': (ops) => ops.attention(ops.input(8), ops.input(8), ops.input(4), SPEC),
  'rope by angles of another width': (ops) => ops.rope(ops.input(8), ops.input(2), 2, 4),
};

const test = suite('record');
for (const [name, forward] of Object.entries(WRONG)) {
  test(name, () => {
    try {
      record(forward, () => 64);
    } catch (error) {
      assert.ok(isLorikeetError(error, 'ops/shape'), String(error));
      return;
    }
    assert.unreachable('it was recorded');
  });
}

test('what fits is a flat list, in the order of the calls', () => {
  const { ops, inputs, result } = record((to) => to.add(to.linear(linear(3, 4), to.input(4)), to.input(3)), () => 64);
  assert.equal(ops.map(({ op }) => op), ['linear', 'add']);
  assert.equal(inputs.map(({ width }) => width), [4, 3]);
  assert.is(result.width, 3);
});

test.run();
