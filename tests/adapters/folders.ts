import { readdirSync, readFileSync, statSync } from 'node:fs';
import { parseHeader, readHeaderLength, writeSafetensors, type SafetensorsDtype } from '../../src/formats/safetensors.js';
import type { FolderFiles } from '../../src/store/source.js';
import { GOLDEN } from '../models/golden.js';

/** A PEFT folder taken apart, to be changed and put together again. */
export interface AdapterParts {
  config: Record<string, unknown>;
  tensors: Map<string, { dtype: SafetensorsDtype; shape: readonly number[]; bytes: Uint8Array }>;
}

const folders = new Map<string, FolderFiles>();

/** The files of a folder below tests/golden/models (not of the folders in it), in memory. */
export function goldenFiles(path: string): FolderFiles {
  const known = folders.get(path);
  if (known) return known;
  const folder = `${GOLDEN}models/${path}`;
  const files = Object.fromEntries(readdirSync(folder).filter((name) => statSync(`${folder}/${name}`).isFile() && !/golden|cases|placements/.test(name)).map((name) => [name, new Uint8Array(readFileSync(`${folder}/${name}`))]));
  folders.set(path, files);
  return files;
}

export const goldenModel = (model: string): FolderFiles => goldenFiles(model);
export const goldenAdapter = (model: string, adapter: string): FolderFiles => goldenFiles(`${model}/adapters/${adapter}`);

/** A golden adapter taken apart. */
export function partsOf(model: string, adapter: string): AdapterParts {
  const files = goldenAdapter(model, adapter);
  const bytes = files['adapter_model.safetensors'] as Uint8Array;
  const length = readHeaderLength(bytes.subarray(0, 8), bytes.length);
  const { tensors } = parseHeader(bytes.subarray(8, 8 + length), bytes.length);
  return {
    config: JSON.parse(new TextDecoder().decode(files['adapter_config.json'] as Uint8Array)) as Record<string, unknown>,
    tensors: new Map([...tensors.values()].map(({ name, dtype, shape, begin, end }) => [name, { dtype, shape, bytes: bytes.slice(begin, end) }])),
  };
}

/** The folder of these parts. */
export const filesOf = ({ config, tensors }: AdapterParts): FolderFiles => ({
  'adapter_config.json': JSON.stringify(config),
  'adapter_model.safetensors': writeSafetensors([...tensors].map(([name, tensor]) => ({ name, ...tensor })), { format: 'pt' }),
});

/** The only name in the parts that ends so. */
export function named(parts: AdapterParts, end: string): string {
  const found = [...parts.tensors.keys()].filter((name) => name.endsWith(end));
  if (found.length === 0) throw new Error(`no tensor ends with ${end}: ${[...parts.tensors.keys()].join(', ')}`);
  return found[0]!;
}

/** An F32 tensor whose values come from a formula. */
export function floats(shape: readonly number[], value: (i: number) => number): { dtype: SafetensorsDtype; shape: readonly number[]; bytes: Uint8Array } {
  const data = new Float32Array(shape.reduce((p, d) => p * d, 1));
  for (let i = 0; i < data.length; i++) data[i] = value(i);
  return { dtype: 'F32', shape, bytes: new Uint8Array(data.buffer) };
}
