import { CONFIG_BYTES, inspectAdapter, pickled, type LoadAdapterOptions } from '../../adapters/load.js';
import type { AppliedModule } from '../../adapters/adapter.js';
import { LorikeetError } from '../../errors.js';
import { parseJson, type Json } from '../../formats/json.js';
import { parseAdapterConfig, type AdapterConfig } from '../../formats/peft.js';
import { readHeader, type TensorInfo } from '../../formats/safetensors.js';
import { openCheckpoint } from '../../models/checkpoint.js';
import { describeModel } from '../../models/model.js';
import { openFolder } from '../../store/open.js';
import type { Folder } from '../../store/source.js';
import { about } from '../explain.js';
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

/** Reads configuration and header of an adapter; with a model, checks it against that model's modules as a load does. No weights are read. */
export async function inspectAdapterFolder(path: string, folder: Folder, model: string | undefined, options: LoadAdapterOptions): Promise<InspectedAdapter> {
  const text = await folder.text('adapter_config.json', CONFIG_BYTES);
  const refused: Refusal[] = [];
  const raw = plain(rawConfig(text));
  let config: AdapterConfig | null = null;
  try {
    config = parseAdapterConfig(text);
  } catch (error) {
    refused.push(refusalOf(error));
  }
  const file = await readFile(folder, refused);
  const tensors = [...file.tensors.values()].map(rowOf);
  const shown = { kind: 'adapter' as const, path, model: model ?? null, config: raw as Record<string, unknown>, parameters: tensors.reduce((sum, { shape }) => sum + elements(shape), 0), bytes: file.bytes, dtypes: bytesByDtype(tensors), metadata: file.metadata, tensors };
  const nothing = { memoryBytes: null, applied: [], left: [], warnings: config?.warnings ?? [], refused, selective: null };
  if (!config || refused.length > 0) return { ...shown, ...nothing };
  if (model === undefined) {
    const alone = judgeAlone(config, file.tensors);
    return { ...shown, ...nothing, applied: alone.applied, warnings: [...config.warnings, ...alone.warnings], refused: alone.refused };
  }

  const checkpoint = await about(model, openCheckpoint(await openFolder(model)));
  try {
    const { architecture } = await about(model, (async () => describeModel(checkpoint))());
    const check = async (selective: boolean) => {
      const found = await inspectAdapter(architecture.modules, architecture.modelType, folder, { ...options, selective });
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
