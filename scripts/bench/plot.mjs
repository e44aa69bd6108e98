// Plots as SVG that read on light and on dark paper: bars in groups, and lines; each value is [low quartile, median, high quartile].

const WIDTH = 960, HEIGHT = 380, LEFT = 56, RIGHT = 16, TOP = 76, BOTTOM = 56;
const STYLE = `<style>
  .paper { fill: #fff } .ink { fill: #222 } .grid { stroke: #ddd } .range { stroke: #222 } .mark { stroke: #c0392b } .f-mark { fill: #c0392b }
  .a { fill: #1b7f5c; stroke: #1b7f5c } .b { fill: #4fb38f; stroke: #4fb38f } .c { fill: #8a6fb0; stroke: #8a6fb0 } .d { fill: #d08a2e; stroke: #d08a2e } .e { fill: #5b84b1; stroke: #5b84b1 }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #0d1117 } .ink { fill: #e6e6e6 } .grid { stroke: #30363d } .range { stroke: #e6e6e6 } .mark { stroke: #ff7b72 } .f-mark { fill: #ff7b72 }
    .a { fill: #2aa77b; stroke: #2aa77b } .b { fill: #86d9bb; stroke: #86d9bb } .c { fill: #a98fd0; stroke: #a98fd0 } .d { fill: #e0a552; stroke: #e0a552 } .e { fill: #7aa5d6; stroke: #7aa5d6 }
  }
</style>`;

/**
 * @param groups `{ label: [line, line], values: one for each of the series, or null, mark? }`
 * @param mark what the mark above a group's bars is called
 */
export function bars({ title, from, series, groups, mark }) {
  const highest = ceiling(Math.max(...groups.flatMap((group) => [group.mark ?? 0, ...group.values.map((value) => value?.[2] ?? 0)])));
  const lowest = Math.min(0, ...groups.flatMap(({ values }) => values.map((value) => value?.[0] ?? 0)));
  const y = scaleOf(lowest, highest);
  const width = (WIDTH - LEFT - RIGHT) / groups.length;
  const bar = (width - 14) / series.length;
  const drawn = groups.flatMap(({ label: [above, below], values, mark: most }, i) => {
    const x = LEFT + i * width + 7;
    const middle = x + (width - 14) / 2;
    return [
      ...values.flatMap((value, j) => {
        if (value === null) return [];
        const at = x + j * bar;
        const [low, median, high] = value;
        return [`<rect class="${series[j].colour}" x="${n(at)}" y="${n(Math.min(y(median), y(0)))}" width="${n(bar - 2)}" height="${n(Math.abs(y(0) - y(median)))}"/>`, line(at + bar / 2 - 1, y(low), at + bar / 2 - 1, y(high), 'range')];
      }),
      ...(most === undefined ? [] : [line(x - 3, y(most), x + series.length * bar + 1, y(most), 'mark', 2)]),
      label(middle, HEIGHT - BOTTOM + 18, above, 'middle'), label(middle, HEIGHT - BOTTOM + 34, below, 'middle'),
    ];
  });
  return { title, svg: page({ title, from, names: mark ? [...series, { name: mark, colour: 'f-mark' }] : series, body: [...grid(y, lowest, highest), ...drawn] }) };
}

/** @param series `{ name, colour, points: [x, [low, median, high]][] }`; `log`: the steps of x are factors */
export function lines({ title, from, x: unit, log = false, series }) {
  const highest = ceiling(Math.max(...series.flatMap(({ points }) => points.map(([, [, , high]]) => high))));
  const y = scaleOf(0, highest);
  const places = [...new Set(series.flatMap(({ points }) => points.map(([x]) => x)))].sort((a, b) => a - b);
  const along = log ? Math.log2 : (value) => value;
  const [first, last] = [along(places[0]), along(places.at(-1))];
  const x = (value) => LEFT + 24 + ((WIDTH - LEFT - RIGHT - 48) * (along(value) - first)) / Math.max(last - first, 1e-9);
  const drawn = series.flatMap(({ colour, points }) => [
    `<polyline class="${colour}" style="fill: none" stroke-width="2" points="${points.map(([at, [, median]]) => `${n(x(at))},${n(y(median))}`).join(' ')}"/>`,
    ...points.flatMap(([at, [low, median, high]]) => [line(x(at), y(low), x(at), y(high), 'range'), `<circle class="${colour}" cx="${n(x(at))}" cy="${n(y(median))}" r="3.5"/>`]),
  ]);
  const told = places.reduce((list, place) => (list.length > 0 && x(place) - x(list.at(-1)) < 36 ? list : [...list, place]), []);
  const ticks = told.map((place) => label(x(place), HEIGHT - BOTTOM + 18, place, 'middle'));
  return { title, svg: page({ title, from, names: series, body: [...grid(y, 0, highest), ...drawn, ...ticks, label((WIDTH + LEFT) / 2, HEIGHT - BOTTOM + 38, unit, 'middle')] }) };
}

function page({ title, from, names, body }) {
  let at = LEFT;
  const legend = names.map(({ name, colour }) => {
    const here = at;
    at += 34 + 6.6 * name.length;
    return `<rect class="${colour}" x="${n(here)}" y="48" width="12" height="12"/>${label(here + 18, 59, name, 'start')}`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="system-ui, sans-serif" font-size="12">
${STYLE}
<rect class="paper" width="${WIDTH}" height="${HEIGHT}"/>
<g font-size="14">${label(LEFT, 20, title, 'start')}</g>
${label(LEFT, 37, from, 'start')}
${[...legend, ...body].join('\n')}
</svg>
`;
}

const scaleOf = (lowest, highest) => (value) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - (value - lowest) / (highest - lowest));

/** The round step that cuts `range` into four to ten. */
function stepOf(range) {
  const power = 10 ** Math.floor(Math.log10(range));
  return [0.1, 0.2, 0.5, 1, 2].map((factor) => factor * power).find((step) => range / step <= 10);
}

function ceiling(value) {
  const step = stepOf(value || 1);
  return Math.ceil((value || 1) / step) * step;
}

function grid(y, lowest, highest) {
  const step = stepOf(highest - lowest);
  const out = [];
  for (let tick = Math.ceil(lowest / step) * step; tick <= highest + step / 1e6; tick += step) out.push(line(LEFT, y(tick), WIDTH - RIGHT, y(tick), 'grid'), label(LEFT - 8, y(tick) + 4, Number(tick.toPrecision(6)), 'end'));
  return out;
}

const n = (value) => value.toFixed(1);
const line = (x1, y1, x2, y2, kind, width = 1) => `<line class="${kind}" x1="${n(x1)}" y1="${n(y1)}" x2="${n(x2)}" y2="${n(y2)}" stroke-width="${width}"/>`;
const label = (x, y, text, anchor) => `<text class="ink" x="${n(x)}" y="${n(y)}" text-anchor="${anchor}">${String(text).replaceAll('&', '&amp;').replaceAll('<', '&lt;')}</text>`;
