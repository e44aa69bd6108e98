// Shows adapters without a language model: tile ids of a map go in, colours come out, and an adapter is an art style.
// Then one file of tensors under three target_modules: on the embedding it changes what the tiles are, on the convolution the brush, on the linear layer the palette.
//
//   npm run example 4_kitchen_sink
//   npm run example 4_kitchen_sink -- MODEL_DIR ADAPTER_DIR --tokens 1,2,3     (any kitchen_sink model; the last row of its output is printed)
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createRuntime, KitchenSinkModel, type Blend } from '../src/index.js';

const assets = fileURLToPath(new URL('../../../examples/assets/', import.meta.url));
const { values, positionals } = parseArgs({ allowPositionals: true, options: { tokens: { type: 'string' } } });
const [folder = `${assets}tiles`, adapter = `${assets}autumn`] = positionals;

// ~ water, . sand, " grass, ^ forest, o rock, * snow: the ids 0 to 5
const MAP = ['~~~..""""^o', '~~..""^^""o', '~~.""^^^"oo', '~~~.""^^oo*', '~~~~..""oo*'];
const map = values.tokens ? [values.tokens.split(',').map(Number)] : MAP.map((row) => [...row].map((tile) => '~."^o*'.indexOf(tile)));

const runtime = await createRuntime();
const model = await KitchenSinkModel.load(runtime, folder);
show('the base', {});

// The folder as it is: its configuration targets all three layers.
const { applied } = await model.adapters.load('style', adapter);
show(`style: ${applied.map(({ module, rank }) => `${module} (rank ${rank})`).join(', ')}`, { style: 1 });

// The same tensors under a configuration for each of the layers. `selective` accepts that each leaves the rest of the file alone; the report lists what.
const config = JSON.parse(readFileSync(`${adapter}/adapter_config.json`, 'utf8')) as object;
const tensors = readFileSync(`${adapter}/adapter_model.safetensors`);
for (const { module: target } of applied) {
  const configured = { 'adapter_config.json': JSON.stringify({ ...config, target_modules: [target] }), 'adapter_model.safetensors': tensors };
  const { left } = await model.adapters.load(target, configured, { selective: true });
  show(`target_modules: ["${target}"], ${left.length} tensors left out`, { [target]: 1 });
}

// Styles blend like voices: half an autumn under most of a night.
if (positionals.length === 0) {
  await model.adapters.load('night', `${assets}night`);
  show('style 0.5 + night 0.8', { style: 0.5, night: 0.8 });
}

model.dispose();
const { weights, adapters } = { weights: runtime.weights.report(), adapters: runtime.adapters.report() };
console.log(`disposed: ${weights.used} bytes of weights, ${adapters.used} of adapters in use`);

/** The map as the model paints it: colours on a terminal, hexadecimal elsewhere, numbers where the outputs aren't red, green and blue. */
function show(title: string, blend: Blend): void {
  console.log(title);
  for (const row of map) {
    const output = model.forward(row, blend).read();
    const pixels = row.map((_, i) => [...output.subarray(i * model.model.outputSize, (i + 1) * model.model.outputSize)]);
    if (model.model.outputSize !== 3) console.log(`  ${pixels.at(-1)!.slice(0, 6).map((x) => x.toFixed(5)).join(' ')} …`);
    else console.log(`  ${pixels.map(process.stdout.isTTY && !process.env.NO_COLOR ? block : hex).join('')}`);
  }
}

function block(pixel: readonly number[]): string {
  return `\u001b[48;2;${pixel.map(byte).join(';')}m    \u001b[0m`;
}

function hex(pixel: readonly number[]): string {
  return `${pixel.map((x) => byte(x).toString(16).padStart(2, '0')).join('')} `;
}

function byte(x: number): number {
  return Math.max(0, Math.min(255, Math.round(x)));
}
