import { CONFIG_BYTES, inspectAdapter, pickled, type LoadAdapterOptions } from '../../adapters/load.js';
import type { AppliedModule } from '../../adapters/adapter.js';
import { LorikeetError } from '../../errors.js';
import { parseJson, type Json } from '../../formats/json.js';
import { parseAdapterConfig, type AdapterConfig } from '../../formats/peft.js';
import { readHeader, type TensorInfo } from '../../formats/safetensors.js';
import { openCheckpoint } from '../../models/checkpoint.js';
import { describeModel } from '../../models/model.js';
import type { OpenedFile } from '../../store/open.js';
import type { ByteSource, Folder } from '../../store/source.js';
import { readGguf } from '../../formats/gguf.js';
import { readGgufAdapter, type AdapterTensor } from '../../formats/gguf-adapter.js';
import { about } from '../explain.js';
import { resolvePlace } from '../place.js';
import { metadataText, shownMetadata } from './metadata.js';
import { judgeAlone } from './adapter-alone.js';
import { bytesByDtype, elements, refusalOf, rowOf, type Refusal, type TensorRow } from './tensors.js';

/** What an adapter's folder holds, and what loading it would do. */
export interface InspectedAdapter {
  readonly kind: 'adapter';
  readonly path: string;
  /** The model that it was checked against; null: judged by its own files alone. */
  readonly model: string | null;
  /** adapter_config.json as it stands. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly parameters: number;
  readonly bytes: number;
  /** Bytes of linear memory that it would take; null without a model. */
  readonly memoryBytes: number | null;
  readonly dtypes: Readonly<Record<string, number>>;
  readonly metadata: Readonly<Record<string, string>>;
  /** Where it applies, with rank and scale (alpha / r, or alpha / √r). */
  readonly applied: readonly AppliedModule[];
  readonly left: readonly string[];
  readonly warnings: readonly string[];
  readonly tensors: readonly TensorRow[];
  /** Why it would be refused; empty where it loads. */
  readonly refused: readonly Refusal[];
  /** Of an adapter that is refused: how much of it `--selective` would accept. */
  readonly selective: { readonly applied: number; readonly left: number } | null;
}

/** An adapter's files, read: what of them can be shown, and what speaks against them. */
interface ReadAdapter {
  /** adapter_config.json as it stands, or the configuration that a GGUF stands for. */
  readonly raw: Readonly<Record<string, unknown>>;
  readonly config: AdapterConfig | null;
  /** As the file names them. */
  readonly rows: readonly TensorRow[];
  /** By PEFT's names. */
  readonly tensors: ReadonlyMap<string, AdapterTensor>;
  readonly metadata: Readonly<Record<string, string>>;
  readonly bytes: number;
  readonly refused: Refusal[];
}

/** Reads configuration and header of an adapter; with a model, checks it against that model's modules as a load does. No weights are read. */
export async function inspectAdapterFiles(path: string, reopen: () => Promise<Folder | OpenedFile>, model: string | undefined, options: LoadAdapterOptions): Promise<InspectedAdapter> {
  const opened = await reopen();
  const { raw, config, rows, tensors, metadata, bytes, refused } = 'source' in opened ? await readGgufFile(opened.source) : await readPeftFolder(opened);
  const shown = { kind: 'adapter' as const, path, model: model ?? null, config: raw, parameters: rows.reduce((sum, { shape }) => sum + elements(shape), 0), bytes, dtypes: bytesByDtype(rows), metadata, tensors: rows };
  const nothing = { memoryBytes: null, applied: [], left: [], warnings: config?.warnings ?? [], refused, selective: null };
  if (!config || refused.length > 0) return { ...shown, ...nothing };
  if (model === undefined) {
    const alone = judgeAlone(config, tensors);
    return { ...shown, ...nothing, applied: alone.applied, warnings: [...config.warnings, ...alone.warnings], refused: alone.refused };
  }

  const checkpoint = await about(model, openCheckpoint(await resolvePlace(model)));
  try {
    const { architecture } = await about(model, (async () => describeModel(checkpoint))());
    const check = async (selective: boolean) => {
      const found = await inspectAdapter(architecture.modules, architecture.modelType, await reopen(), { ...options, selective });
      await found.source.close();
      return found;
    };
    try {
      const { applied, left, warnings, plan } = await check(options.selective ?? false);
      return { ...shown, memoryBytes: plan.bytes, applied, left, warnings, refused, selective: null };
    } catch (error) {
      refused.push(refusalOf(error));
    }
    // A second opinion, for the reader's next step: what --selective would make of it.
    const selective = options.selective ? null : await check(true).catch(() => null);
    return { ...shown, ...nothing, selective: selective && { applied: selective.applied.length, left: selective.left.length } };
  } finally {
    await checkpoint.close();
  }
}

async function readPeftFolder(folder: Folder): Promise<ReadAdapter> {
  const text = await folder.text('adapter_config.json', CONFIG_BYTES);
  const refused: Refusal[] = [];
  const raw = plain(rawConfig(text)) as Record<string, unknown>;
  let config: AdapterConfig | null = null;
  try {
    config = parseAdapterConfig(text);
  } catch (error) {
    refused.push(refusalOf(error));
  }
  const file = await readFile(folder, refused);
  return { ...file, raw, config, refused, rows: [...file.tensors.values()].map(rowOf) };
}

async function readGgufFile(source: ByteSource): Promise<ReadAdapter> {
  try {
    const header = await readGguf(source);
    const shown = { bytes: source.size, rows: [...header.tensors.values()].map(rowOf), metadata: Object.fromEntries(Object.entries(shownMetadata(header.metadata)).map(([key, value]) => [key, metadataText(value)])) };
    try {
      const { config, tensors } = readGgufAdapter(header);
      const { peft_type, r, lora_alpha, target_modules, rank_pattern, alora_invocation_tokens } = config;
      return { ...shown, config, tensors, refused: [], raw: { peft_type, r, lora_alpha, target_modules, rank_pattern: Object.fromEntries(rank_pattern), alora_invocation_tokens } };
    } catch (error) {
      return { ...shown, config: null, tensors: new Map(), refused: [refusalOf(error)], raw: {} };
    }
  } finally {
    await source.close();
  }
}

/** The configuration as JSON. One that isn't is no adapter to be shown. */
function rawConfig(text: string): Json {
  try {
    const json = parseJson(text);
    if (json instanceof Map) return json;
  } catch {
    // The strict reader says below what is wrong.
  }
  parseAdapterConfig(text);
  throw new LorikeetError('adapter/config-invalid', 'adapter_config.json expected an object.', { expected: 'an object' });
}

function plain(json: Json): unknown {
  if (json instanceof Map) return Object.fromEntries([...(json as ReadonlyMap<string, Json>)].map(([key, value]) => [key, plain(value)]));
  return Array.isArray(json) ? json.map(plain) : json;
}

async function readFile(folder: Folder, refused: Refusal[]): Promise<{ tensors: ReadonlyMap<string, TensorInfo>; metadata: Record<string, string>; bytes: number }> {
  if (!(await folder.has('adapter_model.safetensors')) && (await folder.has('adapter_model.bin'))) {
    refused.push(refusalOf(pickled()));
    return { tensors: new Map(), metadata: {}, bytes: 0 };
  }
  const source = await folder.open('adapter_model.safetensors');
  try {
    const { tensors, metadata } = await readHeader(source);
    return { tensors, metadata: { ...metadata }, bytes: source.size };
  } finally {
    await source.close();
  }
}
