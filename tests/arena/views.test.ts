import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Views } from '../../src/arena/views.js';

const test = suite('arena/views');

test('views stay the same objects until the memory grows, then see the new one', () => {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 8 });
  const views = new Views(memory);
  const { u8, i32, u32, f32 } = views;
  views.f32[4] = 1;
  assert.is(views.u32[4], 0x3f800000);
  assert.equal([views.u8, views.i32, views.u32, views.f32].map((v, i) => v === [u8, i32, u32, f32][i]), [true, true, true, true]);
  for (const name of ['u8', 'i32', 'u32', 'f32'] as const) {
    memory.grow(1);
    assert.is(views[name].byteLength, memory.buffer.byteLength);
    assert.is(views[name], views[name]);
  }
  assert.is(u8.length, 0);
  assert.is(views.f32[4], 1);
});

test('views span 4 GiB', () => {
  const memory = new WebAssembly.Memory({ initial: 65536, maximum: 65536 });
  const views = new Views(memory);
  views.f32[2 ** 30 - 1] = 2;
  assert.is(views.u8[2 ** 32 - 1], 0x40);
});

test.run();
