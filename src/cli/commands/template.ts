import { readFile } from 'node:fs/promises';
import { LorikeetError } from '../../errors.js';
import { openText } from '../../runtime/model-text.js';
import type { ChatMessage } from '../../text/chat-template.js';
import type { Command, Given } from '../command.js';
import { about } from '../explain.js';
import { MODEL_NOTE } from '../model.js';
import { printGenerated, printJson } from '../output.js';
import { resolvePlace } from '../place.js';

/** Messages to the prompt that the model would read. */
export const template: Command = {
  name: 'template',
  summary: "Put messages into the model's chat template and print the prompt, exactly as the model would read it.",
  usage: 'MODEL --messages FILE.json [--variables FILE.json] [--no-generation-prompt] [--json]',
  positionals: ['MODEL'],
  options: {
    messages: { value: 'FILE', help: 'A JSON list of messages, [{"role": "user", "content": "…"}, …], or an object with "messages" and further variables ("tools", …). "-" is stdin.' },
    variables: { value: 'FILE', help: 'A JSON object of further variables of the template: "tools", "documents", "enable_thinking", "date_string", …' },
    'no-generation-prompt': { help: "Leave out the header of the assistant's answer at the end." },
    json: { help: 'Print one JSON object and nothing else: {prompt, tokens}; tokens is null without a tokenizer.' },
  },
  notes: [MODEL_NOTE, 'Nothing is added to the prompt, also no line end. Only the text of the model is read, no weights.'],
  examples: ['lorikeet template models/tavern --messages talk.json', `echo '[{"role": "user", "content": "Hello!"}]' | lorikeet template models/tavern --messages - --json`],

  async run(given) {
    const named = given.positionals[0]!;
    const { messages, variables } = await readMessages(given);
    const text = await about(named, resolvePlace(named).then((place) => openText(place)));
    if (!text.template) throw new LorikeetError('text/no-template', `${named}: the model has no chat template: expected chat_template in its tokenizer_config.json, chat_template.jinja, or a GGUF's own.`, { expected: 'chat_template' });
    const prompt = text.template(messages, !given.flag('no-generation-prompt'), variables);
    if (given.flag('json')) await printJson({ prompt, tokens: text.tokenizer?.encode(prompt, false) ?? null });
    else await printGenerated(prompt);
  },
};

type Fields = Readonly<Record<string, unknown>>;

async function readMessages(given: Given): Promise<{ messages: ChatMessage[]; variables: Fields }> {
  const path = given.required('messages');
  const value = await readJson(path);
  const { messages, ...inFile } = Array.isArray(value) ? { messages: value as unknown } : asFields(value, path, 'a list of messages, or an object with "messages"');
  if (!Array.isArray(messages)) throw invalid(path, '"messages" must be a list of messages', messages);
  messages.forEach((message: unknown, i) => {
    const fields = asFields(message, path, `message ${i + 1} as an object with "role" and "content"`);
    if (typeof fields['role'] !== 'string') throw invalid(path, `message ${i + 1} must have a "role" that is a text`, fields['role']);
  });
  const more = given.value('variables');
  const variables = more === undefined ? {} : asFields(await readJson(more), more, 'an object of variables');
  return { messages: messages as ChatMessage[], variables: { ...inFile, ...variables } };
}

function asFields(value: unknown, path: string, expected: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid(path, `expected ${expected}`, value);
  return value as Fields;
}

const invalid = (path: string, rule: string, found: unknown): LorikeetError => {
  const shown = JSON.stringify(found)?.slice(0, 60) ?? 'nothing';
  return new LorikeetError('cli/messages-invalid', `${JSON.stringify(path)}: ${rule}, found ${shown}.`, { expected: rule, found: shown });
};

async function readJson(path: string): Promise<unknown> {
  const bytes = path === '-' ? await readStdin() : await readFile(path);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new LorikeetError('cli/not-utf8', `${JSON.stringify(path)} is not UTF-8: expected JSON in UTF-8.`, { expected: 'UTF-8', cause });
  }
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new LorikeetError('cli/not-json', `${JSON.stringify(path)} is no JSON${placeOf(text, cause)}: expected a list of messages or an object.`, { expected: 'JSON', cause });
  }
}

/** Where the parser stopped, as far as the engine says. */
function placeOf(text: string, error: unknown): string {
  const position = error instanceof Error ? /position (\d+)/.exec(error.message)?.[1] : undefined;
  if (position === undefined) return text.trim() === '' ? ' (it is empty)' : '';
  return ` (line ${text.slice(0, Number(position)).split('\n').length})`;
}

async function readStdin(): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Uint8Array);
  return Buffer.concat(chunks);
}
