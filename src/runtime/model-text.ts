import { parseConfigJson } from '../formats/config.js';
import { CONFIG_BYTES, type Checkpoint } from '../models/checkpoint.js';
import { createChatTemplate, type ChatTemplate } from '../text/chat-template.js';
import { createTokenizer, type Tokenizer } from '../text/tokenizer.js';

/** What of a model's folder concerns text. A model without a tokenizer takes and gives ids. */
export interface ModelText {
  readonly tokenizer: Tokenizer | null;
  readonly template: ChatTemplate | null;
  readonly endTokens: readonly number[];
}

/** tokenizer.json of a large vocabulary has some 30 MB. */
export const TOKENIZER_BYTES = 128 * 2 ** 20;

/**
 * Reads tokenizer.json, tokenizer_config.json, chat_template.jinja and the end tokens of generation_config.json or config.json.
 *
 * @throws LorikeetError `config/not-json`, `text/tokenizer-invalid`, `text/template-invalid`, `store/…`
 */
export async function readText({ folder }: Pick<Checkpoint, 'folder'>, signal?: AbortSignal): Promise<ModelText> {
  if (folder === null) return { tokenizer: null, template: null, endTokens: [] };
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
  const source = (await textOf('chat_template.jinja', CONFIG_BYTES)) ?? config.chat_template;
  const chosen = Array.isArray(source) ? (source.find((t: { name?: unknown }) => t.name === 'default') as { template?: unknown } | undefined)?.template : source;
  return {
    tokenizer: tokenizerJson === null ? null : createTokenizer(tokenizerJson, configJson),
    template: typeof chosen === 'string' ? createChatTemplate(chosen, config) : null,
    endTokens: ids,
  };
}
