// The matrix products of a run as a plot: GF/s of the three runtimes for each shape, with quartiles, and the register loop above them.
import { median, quantile } from './measure.mjs';

const WIDTH = 960, HEIGHT = 380, LEFT = 48, TOP = 56, BOTTOM = 56;
const SERIES = [['ours', 'lorikeet', '#1b7f5c'], ['ort', 'onnxruntime-web', '#8a6fb0'], ['tfjs', 'tfjs-backend-wasm', '#d08a2e']];

export function plot({ when, machine, versions, sections: { matmul: { rows } } }) {
  const highest = Math.ceil(Math.max(...rows.map((row) => row.gflops.registers)) / 10) * 10;
  const y = (gflops) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - gflops / highest);
  const group = (WIDTH - LEFT - 12) / rows.length;
  const bar = (group - 14) / SERIES.length;
  const out = [];
  for (let tick = 0; tick <= highest; tick += 10) {
    out.push(line(LEFT, y(tick), WIDTH - 12, y(tick), '#ddd'), label(LEFT - 8, y(tick) + 4, tick, 'end'));
  }
  rows.forEach((row, i) => {
    const x = LEFT + i * group + 7;
    const flops = 2 * row.m * row.size * row.size;
    SERIES.forEach(([name, , colour], j) => {
      const [low, middle, high] = [0.75, 0.5, 0.25].map((q) => flops / quantile(row.samples[name], q) / 1e3);
      const at = x + j * bar;
      out.push(`<rect x="${n(at)}" y="${n(y(middle))}" width="${n(bar - 2)}" height="${n(y(0) - y(middle))}" fill="${colour}"/>`, line(at + bar / 2 - 1, y(low), at + bar / 2 - 1, y(high), '#222'));
    });
    const most = flops / median(row.samples.registers) / 1e3;
    out.push(line(x - 3, y(most), x + SERIES.length * bar + 1, y(most), '#c0392b', 2), label(x + (group - 14) / 2, HEIGHT - BOTTOM + 18, `M ${row.m}`, 'middle'), label(x + (group - 14) / 2, HEIGHT - BOTTOM + 34, row.size, 'middle'));
  });
  const legend = [...SERIES.map(([, name, colour]) => [name, colour]), ['register loop', '#c0392b']]
    .map(([name, colour], i) => `<rect x="${LEFT + i * 170}" y="32" width="12" height="12" fill="${colour}"/>${label(LEFT + i * 170 + 18, 43, name, 'start')}`);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="system-ui, sans-serif" font-size="12" fill="#222">
<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>
${label(LEFT, 20, `f32 products, M rows by K = N, one thread, GF/s — ${machine.cpu}, Node ${versions.node}, ${when.slice(0, 10)}`, 'start')}
${[...legend, ...out].join('\n')}
</svg>
`;
}

const n = (value) => value.toFixed(1);
const line = (x1, y1, x2, y2, colour, width = 1) => `<line x1="${n(x1)}" y1="${n(y1)}" x2="${n(x2)}" y2="${n(y2)}" stroke="${colour}" stroke-width="${width}"/>`;
const label = (x, y, text, anchor) => `<text x="${n(x)}" y="${n(y)}" text-anchor="${anchor}">${String(text).replaceAll('&', '&amp;').replaceAll('<', '&lt;')}</text>`;
