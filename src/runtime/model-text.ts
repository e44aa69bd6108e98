import { parseConfigJson } from '../formats/config.js';
import { readGguf, type GgufMetadata } from '../formats/gguf.js';
import { CONFIG_BYTES, type Checkpoint } from '../models/checkpoint.js';
import { openModelOrigin, type ModelOrigin } from '../store/open.js';
import type { Folder, OpenOptions } from '../store/source.js';
import { createNamedTemplates, type ChatTemplate } from '../text/chat-template.js';
import { createGgufTokenizer } from '../text/gguf-tokenizer.js';
import { createTokenizer, type Tokenizer } from '../text/tokenizer.js';

/** What of a model concerns text. A model without a tokenizer takes and gives ids. */
export interface ModelText {
  readonly tokenizer: Tokenizer | null;
  readonly template: ChatTemplate | null;
  readonly endTokens: readonly number[];
}

/** tokenizer.json of a large vocabulary has some 30 MB. */
export const TOKENIZER_BYTES = 128 * 2 ** 20;

/**
 * Reads what concerns text: of a folder tokenizer.json, tokenizer_config.json, chat_template.jinja (and additional_chat_templates/tool_use.jinja) and the end tokens of generation_config.json or config.json;
 * of a GGUF its metadata.
 *
 * @throws LorikeetError `config/not-json`, `text/tokenizer-invalid`, `text/tokenizer-unsupported`, `text/template-invalid`, `store/…`
 */
export async function readText({ folder, metadata }: Pick<Checkpoint, 'folder' | 'metadata'>, signal?: AbortSignal): Promise<ModelText> {
  if (folder) return readFolderText(folder, signal);
  return metadata ? readGgufText(metadata) : { tokenizer: null, template: null, endTokens: [] };
}

/**
 * Opens a model's text alone: nothing of its weights is read, and a folder needn't hold any.
 *
 * @throws LorikeetError as {@link readText}; `gguf/…`
 */
export async function openText(from: ModelOrigin, options: OpenOptions = {}): Promise<ModelText> {
  const opened = await openModelOrigin(from, options);
  if (!('source' in opened)) return readText({ folder: opened, metadata: null }, options.signal);
  try {
    return await readText({ folder: null, metadata: (await readGguf(opened.source)).metadata }, options.signal);
  } finally {
    await opened.source.close();
  }
}

async function readFolderText(folder: Folder, signal?: AbortSignal): Promise<ModelText> {
  const textOf = async (path: string, limit: number): Promise<string | null> => ((await folder.has(path, signal)) ? folder.text(path, limit, signal) : null);
  const tokenizerJson = await textOf('tokenizer.json', TOKENIZER_BYTES);
  const configJson = (await textOf('tokenizer_config.json', CONFIG_BYTES)) ?? '{}';
  const config = parseConfigJson(configJson, 'tokenizer_config.json');
  const ids: number[] = [];
  for (const file of ['generation_config.json', 'config.json']) {
    const json = await textOf(file, CONFIG_BYTES);
    const value = json === null ? undefined : parseConfigJson(json, file).eos_token_id;
    for (const id of Array.isArray(value) ? value : [value]) if (Number.isInteger(id) && !ids.includes(id as number)) ids.push(id as number);
    if (ids.length > 0) break;
  }
  const templates = templatesOf(config.chat_template);
  // The file counts for more than the field, as in transformers.
  for (const [name, path] of TEMPLATE_FILES) {
    const source = await textOf(path, CONFIG_BYTES);
    if (source !== null) templates.set(name, source);
  }
  return { tokenizer: tokenizerJson === null ? null : createTokenizer(tokenizerJson, configJson), template: createNamedTemplates(templates, config), endTokens: ids };
}

/** Chat templates in files of their own, by name. */
export const TEMPLATE_FILES = [['default', 'chat_template.jinja'], ['tool_use', 'additional_chat_templates/tool_use.jinja']] as const;

/** `chat_template`: a source, or a list of them with names. */
export function templatesOf(value: unknown): Map<string, string> {
  if (typeof value === 'string') return new Map([['default', value]]);
  const templates = new Map<string, string>();
  for (const entry of Array.isArray(value) ? (value as { name?: unknown; template?: unknown }[]) : []) if (typeof entry?.name === 'string' && typeof entry.template === 'string') templates.set(entry.name, entry.template);
  return templates;
}

function readGgufText(metadata: GgufMetadata): ModelText {
  const text = createGgufTokenizer(metadata);
  const templates = new Map<string, string>();
  for (const [name, key] of [['default', 'tokenizer.chat_template'], ['tool_use', 'tokenizer.chat_template.tool_use']] as const) {
    const source = metadata.get(key);
    if (typeof source === 'string') templates.set(name, source);
  }
  return { tokenizer: text?.tokenizer ?? null, template: createNamedTemplates(templates, text?.specialTokens ?? {}), endTokens: text?.endTokens ?? [] };
}
