import type { Runtime } from '../arena/runtime.js';
import { LorikeetError } from '../errors.js';
import { parseAdapterConfig, type AdapterConfig } from '../formats/peft.js';
import type { Module } from '../ops/module.js';
import { readGguf } from '../formats/gguf.js';
import { readGgufAdapter, type AdapterTensor } from '../formats/gguf-adapter.js';
import { ggufArchitectureOf } from '../formats/gguf-names.js';
import { readHeader } from '../formats/safetensors.js';
import type { OpenedFile } from '../store/open.js';
import type { ByteSource, Folder } from '../store/source.js';
import { matchModules } from './match.js';
import type { Adapter } from './adapter.js';
import { declareDeltas, type Declared } from './declare.js';
import { groupTensors } from './tensors.js';

/** What an adapter's file may ask for at most: limits for files of strangers. */
export interface AdapterLimits {
  /** The largest rank of a module (default 4096). */
  rank?: number;
  /** The largest file of weights (adapter_model.safetensors, a GGUF), in bytes (default: none but the memory's). */
  bytes?: number;
}

/** Options of a load. */
export interface LoadAdapterOptions {
  signal?: AbortSignal | undefined;
  /** Called with the bytes placed so far and the bytes in all. */
  onProgress?: ((done: number, total: number) => void) | undefined;
  /** Accept tensors of modules that the configuration doesn't target; they are left out and reported. */
  selective?: boolean;
  /** Narrows the configuration's target_modules further. */
  targetModules?: readonly string[] | string;
  limits?: AdapterLimits;
}

/** Who an adapter is in its bank. */
export interface AdapterIdentity {
  readonly name: string;
  readonly generation: number;
  readonly id: number;
}

/** The longest adapter_config.json that is read: real ones have a few KB, with a pattern for each of many layers some hundreds. */
export const CONFIG_BYTES = 4 * 2 ** 20;
/** The largest rank that is taken unasked: above any that is trained, and below what would make scratch of gigabytes. */
export const MAX_RANK = 4096;

/** An adapter's files, opened: what they say, and where its tensors lie. */
export interface OpenedAdapter {
  readonly config: AdapterConfig;
  readonly tensors: ReadonlyMap<string, AdapterTensor>;
  readonly source: ByteSource;
}

/** An adapter, opened and checked against a model, before anything is in memory. */
export interface InspectedAdapter extends Declared {
  readonly config: AdapterConfig;
  readonly source: ByteSource;
}

/**
 * Opens a PEFT folder, or an adapter in llama.cpp's form, and says what it would do to these modules: strictly, every tensor accounted for.
 *
 * @throws LorikeetError `adapter/…`, `safetensors/…`, `gguf/…`, `store/…`
 */
export async function inspectAdapter(modules: readonly Module[], modelType: string, from: Folder | OpenedFile, options: LoadAdapterOptions = {}): Promise<InspectedAdapter> {
  const { limits = {} } = options;
  for (const limit of ['rank', 'bytes'] as const) checkLimit(limit, limits[limit]);
  const { config, tensors, source } = 'source' in from ? await openGgufAdapter(from.source, modelType, limits) : await openPeftFolder(from, limits, options.signal);
  try {
    const matches = matchModules(modules, config, { architecture: modelType, ...(options.targetModules === undefined ? {} : { targetModules: options.targetModules }) });
    const maxRank = limits.rank ?? MAX_RANK;
    for (const match of matches.modules) {
      if (match.target && match.target.rank > maxRank) throw new LorikeetError('adapter/limit', `Module "${match.module}" has rank ${match.target.rank}: expected at most ${maxRank} as limits.rank says.`, { expected: maxRank, found: match.target.rank });
    }
    const groups = groupTensors(modules, config, matches, tensors, options.selective ?? false);
    const declared = declareDeltas(modules, config, matches, groups, source);
    return { ...declared, warnings: [...config.warnings, ...matches.warnings, ...declared.warnings], config, source };
  } catch (error) {
    await source.close();
    throw error;
  }
}

async function openPeftFolder(folder: Folder, limits: AdapterLimits, signal?: AbortSignal): Promise<OpenedAdapter> {
  const config = parseAdapterConfig(await folder.text('adapter_config.json', CONFIG_BYTES, signal));
  if (!(await folder.has('adapter_model.safetensors', signal)) && (await folder.has('adapter_model.bin', signal))) throw pickled();
  const source = await folder.open('adapter_model.safetensors', signal);
  return closingOnError(source, async () => {
    checkSize('adapter_model.safetensors', source, limits);
    return { config, tensors: (await readHeader(source)).tensors, source };
  });
}

/** @throws LorikeetError `adapter/architecture` for one of another architecture than the model's, as llama.cpp refuses it */
async function openGgufAdapter(source: ByteSource, modelType: string, limits: AdapterLimits): Promise<OpenedAdapter> {
  return closingOnError(source, async () => {
    checkSize("The adapter's file", source, limits);
    const { architecture, config, tensors } = readGgufAdapter(await readGguf(source));
    const expected = ggufArchitectureOf(modelType);
    if (architecture !== expected) throw new LorikeetError('adapter/architecture', `The adapter is for models of the architecture "${architecture}": expected "${expected ?? modelType}", as the model has it.`, { expected: expected ?? modelType, found: architecture });
    return { config, tensors, source };
  });
}

async function closingOnError<T>(source: ByteSource, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    await source.close();
    throw error;
  }
}

function checkSize(what: string, { size }: ByteSource, { bytes }: AdapterLimits): void {
  if (bytes !== undefined && size > bytes) throw new LorikeetError('adapter/limit', `${what} has ${size} bytes: expected at most ${bytes} as limits.bytes says.`, { expected: bytes, found: size });
}

/** The older form of an adapter's file is never read. */
export const pickled = (): LorikeetError =>
  new LorikeetError('adapter/pickle', 'The folder holds adapter_model.bin, a pickle, which can run code when read: expected adapter_model.safetensors; save it again with safe_serialization=True.', { expected: 'adapter_model.safetensors', found: 'adapter_model.bin' });

/** A limit that is no number would limit nothing. */
function checkLimit(name: string, limit: number | undefined): void {
  if (limit === undefined || (typeof limit === 'number' && limit >= 0)) return;
  throw new LorikeetError('adapter/limit', `"limits.${name}" expected a number of at least 0, got ${String(limit)}.`, { expected: 'a number of at least 0', found: limit });
}

/**
 * Loads an adapter into one block of the adapter arena.
 *
 * @throws LorikeetError as {@link inspectAdapter}, `tensor/not-finite`, `memory/exhausted`; nothing remains in memory then
 */
export async function loadAdapter(runtime: Runtime, modules: readonly Module[], modelType: string, identity: AdapterIdentity, from: Folder | OpenedFile, options: LoadAdapterOptions = {}): Promise<Adapter> {
  const inspected = await inspectAdapter(modules, modelType, from, options);
  let block = 0;
  try {
    try {
      block = await inspected.plan.place(runtime, runtime.adapters, options);
      for (const finish of inspected.finishing) await finish(runtime, options.signal);
    } finally {
      await inspected.source.close();
    }
    return { ...createAdapter(identity, inspected, block), config: inspected.config, invocation: inspected.config.alora_invocation_tokens };
  } catch (error) {
    if (block !== 0) runtime.adapters.free(block);
    throw error;
  }
}

/** An adapter from its declared deltas, once they are in memory. */
export function createAdapter(identity: AdapterIdentity, declared: Omit<Declared, 'finishing'>, block: number): Adapter {
  const { deltas, applied, left, warnings, plan } = declared;
  return {
    ...identity, deltas, block, scale: 1, pins: 0, retired: false, config: null, invocation: null,
    rank: Math.max(0, ...deltas.map((delta) => Math.max(delta?.lowRank?.rank ?? 0, delta?.rows?.count ?? 0))),
    temporaries: deltas.some((delta) => delta?.dora),
    replaces: deltas.some((delta) => delta?.weight ?? delta?.vector ?? delta?.bias ?? delta?.rows),
    report: { name: identity.name, generation: identity.generation, bytes: plan.bytes, applied, left, warnings },
  };
}
