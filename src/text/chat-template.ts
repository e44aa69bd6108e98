import { LorikeetError } from '../errors.js';
import { Environment, Interpreter, Template, type NativeFunction, type Node, type Value } from './jinja.js';
import { nativeFunctions, rewrite, type Makers } from './jinja-python.js';
import { strftime } from './strftime.js';

/** One turn of a conversation, as chat templates know it; other fields (`tool_calls`, `reasoning_content` …) are passed on. */
export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant' | (string & {});
  readonly content: string;
}

/** Further variables of a template, as plain data: `tools`, `documents`, `enable_thinking`, `date_string` … */
export type TemplateVariables = Readonly<Record<string, unknown>>;

/**
 * Renders messages to a prompt; `generate` adds the header of the assistant's answer.
 *
 * @throws LorikeetError `text/template-failed`
 */
export type ChatTemplate = (messages: readonly ChatMessage[], generate: boolean, variables?: TemplateVariables) => string;

/** The most turns of loops and calls of macros in one prompt: a long conversation with tools takes some thousands. A template that wants more is hostile or broken. */
const MAX_STEPS = 200_000;
/** The most numbers that a `range` may give. */
const MAX_RANGE = 100_000;

/**
 * Compiles a chat template, a Jinja source as transformers reads it; the special tokens (`bos_token`, …) of tokenizer_config.json are variables of the template.
 *
 * @throws LorikeetError `text/template-invalid`; the template itself `text/template-failed`
 */
export function createChatTemplate(source: string, config: Readonly<Record<string, unknown>>): ChatTemplate {
  let program: Node;
  try {
    program = new Template(source).parsed;
    rewrite(program);
  } catch (cause) {
    throw new LorikeetError('text/template-invalid', `The chat template can't be parsed: ${reason(cause)}.`, { expected: 'a Jinja template', cause });
  }
  const tokens = Object.fromEntries(Object.entries(config).filter(([key]) => key.endsWith('_token')).map(([key, value]) => [key, tokenText(value)]));
  return (messages, generate, variables = {}) => {
    try {
      // Without tools or documents transformers gives `none`, which `is not none` tells from what isn't there.
      const given = { ...tokens, tools: null, documents: null, ...withoutUndefined(variables), messages: plain(messages), add_generation_prompt: generate };
      return new Interpreter(environment(given)).run(program).value as string;
    } catch (cause) {
      throw new LorikeetError('text/template-failed', `The chat template refuses these messages: ${reason(cause)}.`, { found: messages, cause });
    }
  };
}

/** The template of a tokenizer_config.json or a chat_template.jinja: one, or several by name. With tools the one named `tool_use` is taken, if there is one. */
export function createNamedTemplates(sources: ReadonlyMap<string, string>, config: Readonly<Record<string, unknown>>): ChatTemplate | null {
  const source = sources.get('default');
  if (source === undefined) return null;
  const standard = createChatTemplate(source, config);
  const withTools = sources.get('tool_use');
  if (withTools === undefined) return standard;
  // Compiled when it is first asked for: most conversations have no tools.
  let tools: ChatTemplate | undefined;
  return (messages, generate, variables) => (variables?.tools === undefined || variables.tools === null ? standard : (tools ??= createChatTemplate(withTools, config)))(messages, generate, variables);
}

const reason = (cause: unknown): string => (cause instanceof Error ? cause.message.replace(/\.$/, '') : String(cause));

/** A special token stands as text or, in older files, as an object with its `content`. */
const tokenText = (value: unknown): unknown => (typeof value === 'object' && value !== null && 'content' in value ? value.content : value);

/** Undefined fields are none at all, as in JSON. */
const withoutUndefined = (fields: Readonly<Record<string, unknown>>): Record<string, unknown> => Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));

/** Fields of a message as a template may look for them: what a model thought has gone by three names, and transformers fills in the other two. */
function plain(messages: readonly ChatMessage[]): unknown[] {
  return messages.map((message) => {
    const fields = withoutUndefined(message as unknown as Record<string, unknown>);
    const reasoning = fields['reasoning_content'] ?? fields['thinking'] ?? fields['reasoning'];
    return reasoning === undefined || reasoning === null ? fields : { thinking: reasoning, ...fields, reasoning_content: reasoning };
  });
}

/** The variables of one rendering. */
function environment(given: Readonly<Record<string, unknown>>): Environment {
  const env = new Environment();
  const globals: Readonly<Record<string, unknown>> = {
    true: true, false: false, none: null, True: true, False: false, None: null,
    raise_exception: (message: unknown) => { throw new Error(String(message)); },
    strftime_now: (format: unknown) => strftime(new Date(), String(format)),
    range: (from: number, to?: number, step?: number) => range(from, to, step),
  };
  for (const [name, value] of Object.entries({ ...globals, ...given })) env.set(name, value);
  // The library doesn't export the classes of its values, so each is taken from a value.
  const classOf = (of: unknown): (new (value: unknown) => Value) => new Environment().set('value', of).constructor as new (value: unknown) => Value;
  const [Text, Whole, None, Undefined, List] = [classOf(''), classOf(0), classOf(null), classOf(undefined), classOf([])];
  const make: Makers = { text: (text) => new Text(text), number: (number) => new Whole(number), none: () => new None(null), undefined: () => new Undefined(undefined), list: (values) => new List(values) };
  let steps = 0;
  const natives = nativeFunctions(make, () => {
    if (++steps > MAX_STEPS) throw new Error(`it takes more than ${MAX_STEPS} steps`);
  });
  for (const [name, native] of Object.entries(natives)) {
    const held = env.set(name, native) as { value: unknown } as { value: NativeFunction };
    // The library wraps a function of plain values: these take its own.
    held.value = native;
  }
  return env;
}

function range(from: number, to?: number, step = 1): number[] {
  const [first, last] = to === undefined ? [0, from] : [from, to];
  const count = Math.max(0, Math.ceil((last - first) / step));
  if (![first, last, step].every(Number.isInteger) || step === 0) throw new Error('range expects whole numbers, and a step that is not 0');
  if (count > MAX_RANGE) throw new Error(`range of ${count} numbers: expected at most ${MAX_RANGE}`);
  return Array.from({ length: count }, (_, i) => first + i * step);
}
