import { Template } from '@huggingface/jinja';
import { LorikeetError } from '../errors.js';

/** One turn of a conversation, as chat templates know it. */
export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant' | (string & {});
  readonly content: string;
}

/** Renders messages to a prompt; `generate` adds the header of the assistant's answer. */
export type ChatTemplate = (messages: readonly ChatMessage[], generate: boolean) => string;

/**
 * Compiles the `chat_template` of a tokenizer_config.json; its special tokens (`bos_token`, …) are variables of the template.
 *
 * @throws LorikeetError `text/template-invalid`; the template itself `text/template-failed`
 */
export function createChatTemplate(source: string, config: Readonly<Record<string, unknown>>): ChatTemplate {
  let template: Template;
  try {
    template = new Template(source);
  } catch (cause) {
    throw new LorikeetError('text/template-invalid', `The chat template can't be parsed: ${cause instanceof Error ? cause.message : String(cause)}.`, { cause });
  }
  const tokens = Object.fromEntries(Object.entries(config).filter(([key]) => key.endsWith('_token')).map(([key, value]) => [key, tokenText(value)]));
  return (messages, generate) => {
    try {
      return template.render({ ...tokens, messages, add_generation_prompt: generate });
    } catch (cause) {
      throw new LorikeetError('text/template-failed', `The chat template refuses these messages: ${cause instanceof Error ? cause.message : String(cause)}.`, { found: messages, cause });
    }
  };
}

/** A special token stands as text or, in older files, as an object with its `content`. */
const tokenText = (value: unknown): unknown => (typeof value === 'object' && value !== null && 'content' in value ? value.content : value);
