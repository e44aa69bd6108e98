import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { hoistOutputs } from '../../src/ops/hoist-outputs.js';
import type { Ops, Value } from '../../src/ops/ops.js';
import { linear, norm, recorded, written } from './lists.js';

const test = suite('hoist outputs');
const SPEC = { layer: 0, heads: 2, kvHeads: 1, headDim: 16, scale: 1, softcap: 0, window: 0 };

test('of the last layer everything behind its attention runs on the rows whose logits are wanted', () => {
  const forward = (ops: Ops): Value => {
    const x = ops.input(32);
    const h = ops.norm(norm('n1', 32), x);
    const attended = ops.attention(ops.linear(linear('q', 32, 32), h), ops.linear(linear('k', 16, 32), h), ops.linear(linear('v', 16, 32), h), SPEC);
    const middle = ops.add(x, ops.linear(linear('o', 32, 32, { dtype: 3 }), attended));
    const both = ops.linear(linear('gate_up', 128, 32), ops.norm(norm('n2', 32), middle));
    const fed = ops.linear(linear('down', 32, 64), ops.gate('silu', ops.slice(both, 0, 64), ops.slice(both, 64, 64)));
    return ops.linear(linear('head', 99, 32), ops.norm(norm('n3', 32), ops.outputs(ops.add(middle, fed))));
  };
  const before = recorded(forward);
  assert.equal(written(before), [
    'b = norm n1 a', 'c = linear q b', 'd = linear k b', 'e = linear v b', 'f = attention c d e',
    'g = quantize f', 'h = linear o f g', 'i = add a h', 'j = norm n2 i', 'k = linear gate_up j', 'l = gate k[0+64] k[64+64]', 'm = linear down l', 'n = add i m', 'o° = outputs n', 'p° = norm n3 o°', 'q° = linear head p°', '→ q°',
  ]);
  assert.equal(written(hoistOutputs(before)), [
    'b = norm n1 a', 'c = linear q b', 'd = linear k b', 'e = linear v b', 'f = attention c d e',
    'g° = outputs f', 'h° = quantize g°', 'i° = linear o g° h°', 'j° = outputs a', 'k° = add j° i°', 'l° = norm n2 k°', 'm° = linear gate_up l°', 'n° = gate m°[0+64] m°[64+64]', 'o° = linear down n°', 'p° = add k° o°', 'q° = norm n3 p°', 'r° = linear head q°', '→ r°',
  ]);
});

test('what is read of all rows, too, stays where it is', () => {
  const kept = recorded((ops) => {
    const x = ops.linear(linear('a', 32, 32), ops.input(32));
    const y = ops.outputs(x);
    ops.attention(x, ops.slice(x, 0, 16), ops.slice(x, 16, 16), SPEC);
    return y;
  });
  assert.equal(written(hoistOutputs(kept)), ['b = linear a a', 'c° = outputs b', 'd = attention b b[0+16] b[16+16]', '→ c°']);
});

test('a value that is turned in place stays, and is taken after each turn anew', () => {
  const turned = recorded((ops) => {
    const x = ops.linear(linear('a', 32, 32), ops.input(32));
    const angles = ops.input(16);
    const first = ops.outputs(ops.rope(x, angles, 2, 16));
    return ops.add(first, ops.outputs(ops.rope(x, angles, 2, 16)));
  });
  assert.equal(written(hoistOutputs(turned)), ['c = linear a a', 'c = rope c b', 'd° = outputs c', 'c = rope c b', 'e° = outputs c', 'f° = add d° e°', '→ f°']);
});

test('without outputs nothing changes', () => {
  const all = recorded((ops) => ops.linear(linear('b', 32, 32), ops.linear(linear('a', 32, 32), ops.input(32))));
  assert.equal(hoistOutputs(all).ops, all.ops);
  assert.is(hoistOutputs(all).result, all.result);
});

test.run();
