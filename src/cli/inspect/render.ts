import { escapeName } from '../escape.js';
import type { InspectedAdapter } from './adapter.js';
import type { InspectedFile } from './file.js';
import { metadataText } from './metadata.js';
import type { InspectedModel } from './model.js';
import type { Refusal, TensorRow } from './tensors.js';

/** Rows of a long list that are shown unless all are asked for. */
const FEW = 12;

const number = (value: number): string => value.toLocaleString('en-US');
const count = (n: number, one: string, many = `${one}s`): string => `${number(n)} ${n === 1 ? one : many}`;
const bytes = (value: number): string => (value < 1e6 ? count(value, 'byte') : `${number(value)} bytes (${(value / 1e6).toFixed(1)} MB)`);
const shape = (sizes: readonly number[]): string => `[${sizes.join(', ')}]`;
const dtypes = (sums: Readonly<Record<string, number>>): string => Object.entries(sums).map(([dtype, sum]) => `${dtype} ${bytes(sum)}`).join(', ') || 'none';
const short = (value: number): string => String(Number(value.toPrecision(6)));

export function renderFile(file: InspectedFile, all: boolean): string[] {
  return [
    `${escapeName(file.path)}: a safetensors file`, '',
    ...facts([
      ['size', `${bytes(file.bytes)}, header ${number(file.headerBytes)}`],
      ['tensors', `${number(file.tensors.length)} (${dtypes(file.dtypes)})`],
      ['parameters', number(file.parameters)],
    ]),
    ...metadata(file.metadata), ...tensorTable(file.tensors, all),
  ];
}

export function renderModel(model: InspectedModel, all: boolean): string[] {
  const kinds = ['linear', 'embedding', 'conv1d', 'norm'].map((kind) => [kind, model.modules.filter((module) => module.kind === kind).length] as const).filter(([, n]) => n > 0);
  return [
    `${escapeName(model.path)}: a model${model.format === 'gguf' ? ' in GGUF' : ''}`, '',
    ...facts([
      ['architecture', escapeName([model.modelType, ...model.architectures].join(', '))],
      ['sizes', Object.entries(model.sizes).map(([key, value]) => `${key} ${value}`).join(', ') || (model.format === 'gguf' ? null : 'none in config.json')],
      ['vocabulary', model.vocabSize === null ? null : number(model.vocabSize)],
      ['outputs', model.outputSize === null || model.outputSize === model.vocabSize ? null : number(model.outputSize)],
      ['context', model.contextLength === null ? null : count(model.contextLength, 'position')],
      ['KV cache', model.kvBytesPerToken === null ? null : `${bytes(model.kvBytesPerToken)} a token`],
      ['parameters', number(model.parameters)],
      ['files', `${bytes(model.bytes)} in ${count(model.files.length, 'file')} (${dtypes(model.dtypes)})`],
      ['in memory', model.memoryBytes === null ? null : bytes(model.memoryBytes)],
      ['text', `${model.tokenizer ? (model.format === 'gguf' ? 'tokenizer' : 'tokenizer.json') : 'no tokenizer'}, ${model.chatTemplate ? 'chat template' : 'no chat template'}${model.endTokens.length ? `, end token ${model.endTokens.join(', ')}` : ''}`],
      ['modules', kinds.length === 0 ? null : kinds.map(([kind, n]) => `${n} ${kind}`).join(', ')],
    ]),
    ...metadata(Object.fromEntries(Object.entries(model.metadata).map(([key, value]) => [key, metadataText(value)]))),
    ...names('unused tensors', model.unused, all),
    ...names('missing tensors', model.missing.map(({ name, shape: sizes }) => `${name} ${shape(sizes)}`), all),
    ...tensorTable(model.tensors, all), ...verdict(model.refused, 'This model loads.'),
  ];
}

export function renderAdapter(adapter: InspectedAdapter, all: boolean): string[] {
  const { config, applied } = adapter;
  const value = (key: string): string | null => (config[key] === undefined || config[key] === null || config[key] === false ? null : cut(typeof config[key] === 'string' ? config[key] : JSON.stringify(config[key]), all));
  const keys = ['base_model_name_or_path', 'task_type', 'r', 'lora_alpha', 'use_rslora', 'use_dora', 'lora_bias', 'bias', 'target_modules', 'exclude_modules', 'layers_to_transform', 'layers_pattern', 'rank_pattern', 'alpha_pattern', 'modules_to_save', 'trainable_token_indices', 'alora_invocation_tokens', 'fan_in_fan_out', 'init_lora_weights', 'peft_version'];
  const ranks = [...new Set(applied.filter(({ rank }) => rank > 0).map(({ rank }) => rank))].sort((x, y) => x - y);
  const scales = [...new Set(applied.filter(({ rank }) => rank > 0).map(({ scale }) => short(scale)))];
  return [
    `${escapeName(adapter.path)}: an adapter (${value('peft_type') ?? 'no peft_type'})`, '',
    ...facts([
      ...keys.filter((key) => value(key) !== null && value(key) !== '{}' && value(key) !== '[]').map((key): [string, string] => [key, value(key)!]),
      ['file', `${bytes(adapter.bytes)}, ${count(adapter.tensors.length, 'tensor')} (${dtypes(adapter.dtypes)}), ${count(adapter.parameters, 'parameter')}`],
      ['in memory', adapter.memoryBytes === null ? null : bytes(adapter.memoryBytes)],
      ['applies to', applied.length === 0 ? null : `${count(applied.length, 'module')}${ranks.length ? `, rank ${ranks.slice(0, 8).join(', ')}${ranks.length > 8 ? ', …' : ''}, scale ${scales.slice(0, 8).join(', ')}${scales.length > 8 ? ', …' : ''}` : ''}`],
    ]),
    ...metadata(adapter.metadata),
    ...table('applies to', ['kind', 'rank', 'scale', 'bytes', 'module'], applied.map(({ module, kinds, rank, scale, bytes: size }) => [kinds.join('+'), rank > 0 ? String(rank) : '', rank > 0 ? short(scale) : '', number(size), escapeName(module)]), all),
    ...names('left out', adapter.left, all),
    ...tensorTable(adapter.tensors, all),
    ...names('warnings', adapter.warnings, true),
    ...verdict(adapter.refused, adapter.model === null ? 'Nothing in its own files speaks against it; --model MODEL_DIR checks it against a model.' : `It fits ${escapeName(adapter.model)}.`),
    ...(adapter.selective ? [`With --selective it would load: ${count(adapter.selective.applied, 'module')} applied, ${count(adapter.selective.left, 'tensor')} left out.`] : []),
  ];
}

function verdict(refused: readonly Refusal[], good: string): string[] {
  if (refused.length === 0) return ['', good];
  return ['', 'It would be refused:', ...refused.slice(0, 50).map(({ code, message }) => `  ${escapeName(message, 1000)} [${code}]`), ...(refused.length > 50 ? [`  … and for ${refused.length - 50} more reasons`] : [])];
}

function facts(rows: readonly (readonly [string, string | null])[]): string[] {
  const shown = rows.filter((row): row is [string, string] => row[1] !== null);
  const width = Math.max(...shown.map(([key]) => key.length)) + 2;
  return shown.map(([key, value]) => `  ${key.padEnd(width)}${value}`);
}

function metadata(entries: Readonly<Record<string, string>>): string[] {
  const keys = Object.entries(entries);
  return keys.length === 0 ? [] : ['', 'metadata', ...facts(keys.slice(0, 50).map(([key, value]) => [escapeName(key, 60), escapeName(value)]))];
}

const tensorTable = (rows: readonly TensorRow[], all: boolean): string[] =>
  table('tensors', ['dtype', 'shape', 'bytes', 'name'], rows.map((row) => [row.dtype, shape(row.shape), number(row.bytes), escapeName(row.name)]), all);

function names(title: string, list: readonly string[], all: boolean): string[] {
  return table(title, null, list.map((name) => [escapeName(name, 400)]), all);
}

/** Columns set under each other; the last one, names, is as wide as it is. Numbers stand to the right. */
function table(title: string, head: readonly string[] | null, rows: readonly (readonly string[])[], all: boolean): string[] {
  if (rows.length === 0) return [];
  const shown = all || rows.length <= FEW + 1 ? rows : rows.slice(0, FEW);
  const lines = head ? [head, ...shown] : shown;
  const widths = lines[0]!.map((_, column) => Math.max(...lines.map((row) => row[column]!.length)));
  const right = lines[0]!.map((_, column) => shown.every((row) => /^[0-9.,]*$/.test(row[column]!)));
  return ['', `${title} (${number(rows.length)})`,
    ...lines.map((row) => `  ${row.map((cell, column) => (column === row.length - 1 ? cell : right[column] ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!))).join('  ')}`),
    ...(shown.length < rows.length ? [`  … ${number(rows.length - shown.length)} more (--all shows them)`] : [])];
}

function cut(text: string, all: boolean): string {
  return escapeName(text, all ? 100_000 : 160);
}
