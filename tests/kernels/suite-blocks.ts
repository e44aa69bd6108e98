import { Bench, equal, quantized, readBuild, type Check, type Quantized } from './harness.js';

// Blocks of quantised weights, bit for bit: against gguf-py (tests/golden/blocks.py), kernel and reference each, and kernel against reference.

const golden = readTensors(await readBuild('../tests/golden/blocks/blocks.safetensors'));
const rounded = quantized.filter(({ weights }) => weights === 32);
const sides = ['simd', 'reference'] as const;

/** The tensors of a safetensors file, as their bytes. */
function readTensors(file: Uint8Array): (name: string) => Uint8Array {
  const headerEnd = 8 + Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(file.subarray(8, headerEnd))) as Record<string, { data_offsets: [number, number] }>;
  return (name) => file.slice(headerEnd + header[name]!.data_offsets[0], headerEnd + header[name]!.data_offsets[1]);
}

/** Both sides have these bytes there. */
function holds(bench: Bench, what: string, address: number, expected: Uint8Array): void {
  for (const side of sides) {
    const found = bench.read(side, address, expected.length, 'u8');
    const at = found.findIndex((byte, i) => byte !== expected[i]);
    if (at >= 0) throw new Error(`${what}: byte ${at} of ${side} is ${found[at]}, gguf-py has ${expected[at]}`);
  }
}

const bytesOf = (count: number, { weights, bytes }: Quantized): number => (count / weights) * bytes;

const besideGguf: Check[] = [
  ...quantized.map((type): Check => ({
    name: `widen ${type.name} has the bits of gguf-py`,
    run(kernels) {
      const blocks = golden(`${type.name}.blocks`), expected = golden(`${type.name}.widened`);
      for (const skew of [0, 2, 7]) {
        const bench = new Bench(kernels);
        const src = bench.u8(blocks, skew), dst = bench.bytes(expected.length);
        bench.call('widen', dst, src, expected.length / 4, type.code);
        holds(bench, type.name, dst, expected);
        bench.untouched('widen');
      }
    },
  })),
  ...rounded.map((type): Check => ({
    name: `narrow to ${type.name} has the bytes of gguf-py`,
    run(kernels) {
      const floats = golden('floats'), expected = golden(`${type.name}.rounded`);
      for (const skew of [0, 4]) {
        const bench = new Bench(kernels);
        const src = bench.u8(floats, skew), dst = bench.bytes(expected.length, skew / 2);
        bench.call('narrow', dst, src, floats.length / 4, type.code);
        holds(bench, type.name, dst, expected);
        bench.untouched('narrow');
      }
    },
  })),
];

const besideReference: Check[] = [
  ...quantized.map((type): Check => ({
    name: `widen ${type.name}: random blocks, infinite scales too`,
    run(kernels) {
      for (const blocks of [0, 1, 2, 7]) {
        const bench = new Bench(kernels, blocks);
        const count = blocks * type.weights, src = bench.blocks(count, type, 2), dst = bench.bytes(count * 4);
        bench.call('widen', dst, src, count, type.code);
        bench.same(`${blocks} blocks`, dst, count);
        bench.untouched('widen');
      }
      const bench = new Bench(kernels);
      const data = new Uint8Array(type.bytes).fill(0x11);
      data.set([0x00, 0xfc], type.scales[0]);
      const src = bench.u8(data), dst = bench.bytes(type.weights * 4);
      bench.call('widen', dst, src, type.weights, type.code);
      for (const side of sides) equal(`${side} finite`, bench.read(side, dst, type.weights).some(Number.isFinite), false);
    },
  })),
  ...rounded.flatMap((type): Check[] => [
    {
      name: `narrow to ${type.name}: random floats of every size`,
      run(kernels) {
        for (let seed = 0; seed < 40; seed++) {
          const bench = new Bench(kernels, seed);
          const scale = 2 ** (seed - 26);
          const values = Float32Array.from({ length: 320 }, () => (seed % 4 === 0 ? bench.below(9) - 4 : 2 * bench.random() - 1) * scale);
          const src = bench.f32(values), dst = bench.bytes(bytesOf(320, type));
          bench.call('narrow', dst, src, 320, type.code);
          bench.same(`size ${scale}`, dst, bytesOf(320, type), 'u8');
          bench.untouched('narrow');
        }
      },
    },
    {
      name: `narrow to ${type.name} gives back the weights of widened blocks within half a step`,
      run(kernels) {
        const bench = new Bench(kernels, 3);
        const values = Float32Array.from({ length: 3200 }, () => 2 * bench.random() - 1);
        const src = bench.f32(values), blocks = bench.bytes(bytesOf(3200, type)), back = bench.bytes(3200 * 4);
        bench.prepare('narrow', blocks, src, 3200, type.code);
        bench.prepare('widen', back, blocks, 3200, type.code);
        const got = bench.read('simd', back, 3200);
        // Half a step of the widest block, [-1, 1]; Q4_0 and Q5_0 lack the last step on one side. f16 scales add 2^-11 of a value.
        const bound = { Q8_0: 0.5 / 127, Q4_0: 1 / 8, Q4_1: 1 / 15, Q5_0: 1 / 16, Q5_1: 1 / 31 }[type.name as 'Q8_0'] + 2 ** -10;
        for (let i = 0; i < 3200; i++) if (!(Math.abs(got[i]! - values[i]!) <= bound)) throw new Error(`weight ${i} is ${got[i]}, was ${values[i]}`);
      },
    },
    {
      name: `packRounded to ${type.name} is narrow, then pack`,
      run(kernels) {
        for (const [rows, k] of [[1, 32], [3, 64], [8, 32], [9, 96], [23, 160], [16, 576]] as const) {
          const bench = new Bench(kernels, rows);
          const panels = bytesOf(Math.ceil(rows / 8) * 8 * k, type);
          const src = bench.f32(rows * k, 4), blocks = bench.bytes(bytesOf(rows * k, type)), packed = bench.bytes(panels), straight = bench.bytes(panels);
          bench.call('narrow', blocks, src, rows * k, type.code);
          bench.call('pack', packed, blocks, rows, k, type.code);
          bench.call('packRounded', straight, src, rows, k, type.code);
          bench.same(`[${rows}, ${k}]`, straight, panels, 'u8');
          for (const side of sides) equal(`${side} [${rows}, ${k}]`, bench.read(side, straight, panels, 'u8').join(), bench.read(side, packed, panels, 'u8').join());
          bench.untouched('packRounded');
        }
      },
    },
  ]),
  {
    name: 'allFinite finds one infinite or NaN scale or minimum among blocks, and minds no other byte',
    run(kernels) {
      for (const type of quantized) {
        for (const blocks of [0, 1, 5]) {
          for (let block = -1; block < blocks; block++) {
            for (const at of type.scales) {
              for (const value of block < 0 ? [0xfbff] : [0x7c00, 0xfc00, 0x7e01]) {
                const data = new Uint8Array(blocks * type.bytes).fill(0xff), view = new DataView(data.buffer);
                for (let i = 0; i < blocks; i++) for (const scale of type.scales) view.setUint16(i * type.bytes + scale, 0x7bff, true);
                if (block >= 0) view.setUint16(block * type.bytes + at, value, true);
                const bench = new Bench(kernels);
                const [got, want] = bench.call('allFinite', bench.u8(data), blocks * type.weights, type.code);
                equal('reference', want, block < 0 ? 1 : 0);
                equal(`${type.name}: ${value.toString(16)} at ${at} of block ${block} of ${blocks}`, got, want);
              }
            }
          }
        }
      }
    },
  },
];

export const blockChecks: Check[] = [...besideGguf, ...besideReference];
