// Writes examples/assets/: a kitchen_sink model that paints the tiles of a map, and two adapters for it, as PEFT saves them. No training: every number
// stands below and means something. Needs the build (npm run build).
//   node scripts/examples/make-tiles.mjs [FOLDER]
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeSafetensors } from '../../build/js/src/formats/safetensors.js';

const target = process.argv[2] ?? fileURLToPath(new URL('../../examples/assets', import.meta.url));

// A tile is an id; the embedding gives each a channel of its own, the convolution lets neighbours shine through, the linear layer holds the palette.
const TILES = ['water', 'sand', 'grass', 'forest', 'rock', 'snow'];
const PALETTE = { water: [52, 112, 196], sand: [222, 196, 132], grass: [116, 172, 72], forest: [44, 104, 56], rock: [124, 116, 108], snow: [236, 240, 244] };
const tile = (name) => TILES.indexOf(name);
const BLUR = [0.15, 0.7, 0.15];

const V = TILES.length;
const RGB = 3;
const zeros = (...shape) => ({ shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)) });
const set = (tensor, at, value) => { tensor.data[at.reduce((index, i, axis) => index * tensor.shape[axis] + i, 0)] = value; };

const embedding = zeros(V, V);
const conv = zeros(V, V, BLUR.length);
const linear = zeros(RGB, V);
for (let i = 0; i < V; i++) {
  set(embedding, [i, i], 1);
  BLUR.forEach((weight, tap) => set(conv, [i, i, tap], weight));
  PALETTE[TILES[i]].forEach((value, channel) => set(linear, [channel, i], value));
}
save('tiles', 'model.safetensors', { 'embedding.weight': embedding, 'conv1d.weight': conv, 'conv1d.bias': zeros(V), 'linear.weight': linear, 'linear.bias': zeros(RGB) });
json('tiles', 'config.json', { model_type: 'kitchen_sink', vocab_size: V, embedding_dim: V, conv_channels: V, kernel_size: BLUR.length, num_outputs: RGB });

// autumn: trees grow over the grass (embedding), leaves drift to the right (conv1d), green turns to red and gold (linear).
const autumn = { embeddingA: zeros(2, V), embeddingB: zeros(V, 2), convA: zeros(2, V, BLUR.length), convB: zeros(V, 2, 1), linearA: zeros(2, V), linearB: zeros(RGB, 2) };
set(autumn.embeddingA, [0, tile('grass')], 1);
set(autumn.embeddingB, [tile('grass'), 0], -0.6);
set(autumn.embeddingB, [tile('forest'), 0], 0.6);
['forest', 'grass'].forEach((name, row) => {
  set(autumn.convA, [row, tile(name), 0], 1); // tap 0 is the neighbour on the left, tap 1 the tile itself
  set(autumn.convA, [row, tile(name), 1], -1);
  set(autumn.convB, [tile(name), row, 0], 0.45);
});
for (const [row, name, colour] of [[0, 'grass', [206, 158, 52]], [1, 'forest', [190, 74, 30]]]) {
  set(autumn.linearA, [row, tile(name)], 1);
  colour.forEach((value, channel) => set(autumn.linearB, [channel, row], value - PALETTE[name][channel]));
}
adapter('autumn', 2, ['embedding', 'conv1d', 'linear'], {
  'embedding.lora_embedding_A': autumn.embeddingA, 'embedding.lora_embedding_B': autumn.embeddingB,
  'conv1d.lora_A.weight': autumn.convA, 'conv1d.lora_B.weight': autumn.convB,
  'linear.lora_A.weight': autumn.linearA, 'linear.lora_B.weight': autumn.linearB,
});

// night: a palette alone, all colours at a third and bluish. Rank 3 holds any palette of three channels.
const night = { A: zeros(RGB, V), B: zeros(RGB, RGB) };
const KEEP = [0.22, 0.3, 0.5];
for (let channel = 0; channel < RGB; channel++) {
  set(night.B, [channel, channel], 1);
  TILES.forEach((name, i) => set(night.A, [channel, i], (KEEP[channel] - 1) * PALETTE[name][channel]));
}
adapter('night', RGB, ['linear'], { 'linear.lora_A.weight': night.A, 'linear.lora_B.weight': night.B });

function adapter(name, rank, targets, tensors) {
  save(name, 'adapter_model.safetensors', Object.fromEntries(Object.entries(tensors).map(([key, tensor]) => [`base_model.model.${key}`, tensor])));
  json(name, 'adapter_config.json', { peft_type: 'LORA', base_model_name_or_path: 'examples/assets/tiles', r: rank, lora_alpha: rank, target_modules: targets, inference_mode: true });
}

function save(folder, file, tensors) {
  mkdirSync(join(target, folder), { recursive: true });
  const list = Object.entries(tensors).map(([name, { shape, data }]) => ({ name, dtype: 'F32', shape, bytes: new Uint8Array(data.buffer) }));
  writeFileSync(join(target, folder, file), writeSafetensors(list, { format: 'pt' }));
}

function json(folder, file, value) {
  mkdirSync(join(target, folder), { recursive: true });
  writeFileSync(join(target, folder, file), `${JSON.stringify(value, null, 2)}\n`);
}
