// What the machine itself gives WebAssembly, written down in its text form so that no compiler stands in between: arithmetic that stays in registers, and a
// read of memory.
import binaryen from 'binaryen';

/** The tiles of our own products without their weights, rows by vectors of outputs: more sums, or more factors held, run at half the speed in V8, which spills them. */
const TILES = { simd: [4, 2], relaxed: [6, 2] };
const each = (count, text, separator = '\n    ') => Array.from({ length: count }, (_, i) => text(i)).join(separator);
const ADD = {
  simd: (sum, x, w) => `(f32x4.add ${sum} (f32x4.mul ${x} ${w}))`,
  relaxed: (sum, x, w) => `(f32x4.relaxed_madd ${x} ${w} ${sum})`,
};

/**
 * c[i][j] += x[i]·w[j] with all of c and w in registers; x comes, as in a product, from the first-level cache, since a product of two registers that never change
 * would be taken out of the loop. Sums start from memory: from a constant, Node 20 and 22 lose a third of the speed.
 */
function registers(build) {
  const [splats, factors] = TILES[build];
  const sums = splats * factors;
  return `
  (func (export "registers") (param $count i32) (result f32) (local $x v128) (local $at i32)
    ${each(sums, (i) => `(local $c${i} v128)`, ' ')} ${each(factors, (j) => `(local $w${j} v128)`, ' ')}
    ${each(sums, (i) => `(local.set $c${i} (v128.load offset=${16 * i} (i32.const 0)))`)}
    ${each(factors, (j) => `(local.set $w${j} (v128.load offset=${256 + 16 * j} (i32.const 0)))`)}
    (loop $again
      ${each(splats, (i) => `(local.set $x (v128.load32_splat offset=${1024 + 4 * i} (local.get $at)))
      ${each(factors, (j) => { const c = `$c${i * factors + j}`; return `(local.set ${c} ${ADD[build](`(local.get ${c})`, '(local.get $x)', `(local.get $w${j})`)})`; }, '\n      ')}`, '\n      ')}
      (local.set $at (i32.and (i32.add (local.get $at) (i32.const ${splats * 4})) (i32.const 4095)))
      (br_if $again (local.tee $count (i32.sub (local.get $count) (i32.const 1)))))
    (f32x4.extract_lane 0 ${Array.from({ length: sums }, (_, i) => `(local.get $c${i})`).reduce((sum, c) => `(f32x4.add ${sum} ${c})`)}))`;
}

/** Reads [from, to) by 128 bytes a step, into four sums. */
const LANES = 8;
const read = `
  (func (export "read") (param $from i32) (param $to i32) (result i32) (local $s0 v128) (local $s1 v128) (local $s2 v128) (local $s3 v128)
    (loop $again
      ${Array.from({ length: LANES }, (_, i) => `(local.set $s${i % 4} (v128.or (local.get $s${i % 4}) (v128.load offset=${i * 16} (local.get $from))))`).join('\n      ')}
      (br_if $again (i32.lt_u (local.tee $from (i32.add (local.get $from) (i32.const ${LANES * 16}))) (local.get $to))))
    (i32x4.extract_lane 0 (v128.or (v128.or (local.get $s0) (local.get $s1)) (v128.or (local.get $s2) (local.get $s3)))))`;

/** Bytes of memory that the read loop may be given. */
export const MOST_BYTES = 256 * 2 ** 20;

/**
 * @param build simd multiplies, then adds; relaxed does both in one instruction where the machine has it
 * @returns `registers(count)`, whose floating-point operations `flops(count)` counts, and `read(bytes)`
 */
export async function machineLimits(build = 'simd') {
  const module = binaryen.parseText(`(module (memory (export "memory") ${MOST_BYTES / 65536}) ${registers(build)} ${read})`);
  module.setFeatures(binaryen.Features.All);
  const binary = module.emitBinary();
  module.dispose();
  const { instance } = await WebAssembly.instantiate(binary);
  const { memory, registers: run, read: pass } = instance.exports;
  new Float32Array(memory.buffer).fill(2 ** -20); // written once: pages that never were may all be one and the same
  return { registers: (count) => run(count), flops: (count) => count * TILES[build][0] * TILES[build][1] * 4 * 2, read: (bytes) => pass(0, bytes) };
}
