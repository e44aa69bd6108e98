import { Bench, dtypes, type Check, type Dtype } from './harness.js';

// Sums run over taps, within them over channels, in kernel and reference: everything is equal bit for bit, on relaxed builds to the rounding of their terms (suite-linear.ts).

interface Shape { length: number; in: number; out: number; kernel: number; stride: number; padding: number; dilation: number; groups: number }

const shapes: Shape[] = [
  { length: 1, in: 1, out: 1, kernel: 1, stride: 1, padding: 0, dilation: 1, groups: 1 },
  { length: 9, in: 3, out: 5, kernel: 3, stride: 1, padding: 1, dilation: 1, groups: 1 },
  { length: 17, in: 8, out: 16, kernel: 4, stride: 2, padding: 3, dilation: 1, groups: 1 },
  { length: 30, in: 6, out: 9, kernel: 5, stride: 3, padding: 4, dilation: 2, groups: 3 },
  { length: 12, in: 7, out: 7, kernel: 3, stride: 1, padding: 2, dilation: 2, groups: 7 },
  { length: 20, in: 16, out: 34, kernel: 1, stride: 1, padding: 0, dilation: 1, groups: 2 },
  { length: 11, in: 4, out: 20, kernel: 1, stride: 2, padding: 1, dilation: 1, groups: 2 },
  { length: 40, in: 17, out: 3, kernel: 7, stride: 1, padding: 0, dilation: 3, groups: 1 },
];

/** Panels of `groups` matrices [out/groups, …], one after another. */
function groupedPanels(bench: Bench, { out, in: inChannels, kernel, groups }: Shape, dtype: Dtype): number {
  const outputs = out / groups, k = (inChannels / groups) * kernel, step = Math.ceil(outputs / 8) * 8 * k * dtype.size;
  const src = bench.weights(out * k, dtype), packed = bench.bytes(groups * step);
  for (let g = 0; g < groups; g++) bench.prepare('packConv', packed + g * step, src + g * outputs * k * dtype.size, outputs, inChannels / groups, kernel, dtype.code);
  return packed;
}

export const convChecks: Check[] = dtypes.flatMap((dtype) => [
  {
    name: `conv1d ${dtype.name}: strides, dilations, groups, all four paddings`,
    run(kernels) {
      for (const shape of shapes) {
        const { length, in: channels, out, kernel, stride, padding, dilation, groups } = shape;
        const outLength = Math.floor((length + 2 * padding - dilation * (kernel - 1) - 1) / stride) + 1;
        for (const mode of [0, 1, 2, 3]) {
          for (const slack of [0, 3]) {
            const bench = new Bench(kernels, length + mode);
            const [ldx, ldy] = [channels + slack, out + slack];
            const x = bench.f32(length * ldx), w = groupedPanels(bench, shape, dtype), bias = slack ? bench.f32(out) : 0;
            const scratch = bench.bytes(outLength * kernel * (channels / groups) * 4), y = bench.f32(outLength * ldy);
            bench.call('conv1d', y, ldy, x, ldx, w, bias, scratch, length, channels, out, outLength, kernel, stride, padding, dilation, groups, mode, dtype.code);
            const what = `${JSON.stringify(shape)} mode ${mode}`;
            bench.result(what, y, outLength * ldy, 1e-6, 1 + (kernel * channels) / 16);
            bench.untouched(what);
          }
        }
      }
    },
  },
  {
    name: `conv1d ${dtype.name}: "same" padding of an even kernel, one longer on the right`,
    run(kernels) {
      for (const mode of [0, 1, 2, 3]) {
        const bench = new Bench(kernels, mode);
        const shape = { length: 10, in: 5, out: 11, kernel: 4, stride: 1, padding: 1, dilation: 1, groups: 1 };
        const x = bench.f32(50), w = groupedPanels(bench, shape, dtype), scratch = bench.bytes(10 * 20 * 4), y = bench.f32(110);
        bench.call('conv1d', y, 11, x, 5, w, 0, scratch, 10, 5, 11, 10, 4, 1, 1, 1, 1, mode, dtype.code);
        bench.result(`mode ${mode}`, y, 110, 1e-6);
        bench.untouched('conv1d');
      }
    },
  },
  {
    name: `loraConv1d ${dtype.name}`,
    run(kernels) {
      for (const shape of shapes) {
        const { length, in: channels, out, kernel, stride, padding, groups } = shape;
        const outLength = Math.floor((length + 2 * padding - (kernel - 1) - 1) / stride) + 1;
        for (const ranks of [1, 4, 9]) {
          const bench = new Bench(kernels, length + ranks);
          const rank = ranks * groups, slack = ranks % 3, [ldx, ldy] = [channels + slack, out + slack];
          const x = bench.f32(length * ldx), bias = slack ? bench.f32(out) : 0;
          const a = groupedPanels(bench, { ...shape, out: rank, groups: 1 }, dtype);
          const b = groupedPanels(bench, { ...shape, in: rank, kernel: 1 }, dtype);
          const scratch = bench.bytes(outLength * (kernel * channels + rank) * 4), y = bench.f32(outLength * ldy);
          bench.call('loraConv1d', y, ldy, x, ldx, a, b, bias, scratch, length, channels, out, outLength, kernel, stride, padding, groups, rank, 0.75, dtype.code);
          const what = `${JSON.stringify(shape)} rank ${rank}`;
          bench.result(what, y, outLength * ldy, 1e-6, 1 + (kernel * channels * rank) / 16);
          bench.untouched(what);
        }
      }
    },
  },
]);
