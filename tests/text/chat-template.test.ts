import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isLorikeetError } from '../../src/errors.js';
import { createChatTemplate, createNamedTemplates, type ChatMessage, type ChatTemplate } from '../../src/text/chat-template.js';
import { strftime } from '../../src/text/strftime.js';
import { GOLDEN } from '../models/golden.js';

const refused = (work: () => unknown, code: string, says?: RegExp): void => {
  try {
    work();
  } catch (error) {
    assert.ok(isLorikeetError(error, code), `expected ${code}, got ${String(error)}`);
    if (says) assert.match(error.message, says);
    return;
  }
  assert.unreachable(`expected ${code}`);
};
const MESSAGES = [{ role: 'system', content: 'Be brief.' }, { role: 'user', content: 'Hello!' }];
const SOURCE = "{{ bos_token }}{% for m in messages %}[{{ m.role }}]{{ m.content }}{{ eos_token }}{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}";

interface Golden {
  readonly tokens: Readonly<Record<string, string>>;
  readonly conversations: Readonly<Record<string, ChatMessage[]>>;
  readonly variables: Readonly<Record<string, Record<string, unknown>>>;
  readonly cases: readonly { readonly template: string; readonly conversation: string; readonly variables: string; readonly generate: boolean; readonly prompt?: string; readonly refused?: string }[];
}
const golden = JSON.parse(readFileSync(`${GOLDEN}templates/cases.json`, 'utf8')) as Golden;
const compiled = new Map<string, ChatTemplate>();
const templateOf = (name: string): ChatTemplate => {
  const template = compiled.get(name) ?? createChatTemplate(readFileSync(`${GOLDEN}templates/${name}.jinja`, 'utf8'), golden.tokens);
  compiled.set(name, template);
  return template;
};

const prompts = suite('chat templates, against transformers');
for (const name of new Set(golden.cases.map(({ template }) => template))) {
  prompts(name, () => {
    for (const { template, conversation, variables, generate, prompt, refused: reason } of golden.cases) {
      if (template !== name) continue;
      const place = `${conversation}, variables "${variables}", ${generate ? 'with' : 'without'} generation prompt`;
      const render = (): string => templateOf(name)(golden.conversations[conversation]!, generate, golden.variables[variables]);
      if (prompt === undefined) {
        // What the template itself says is told; the words for what is undefined are the library's own.
        refused(render, 'text/template-failed', reason!.includes('no element') ? undefined : new RegExp(reason!.slice(0, 40)));
      } else assert.is(render(), prompt, place);
    }
  });
}
prompts.run();

const test = suite('chat template');

test('renders messages with the special tokens, given as text or as objects', () => {
  const render = createChatTemplate(SOURCE, { bos_token: '<s>', eos_token: { content: '</s>', special: true } });
  assert.is(render(MESSAGES, true), '<s>[system]Be brief.</s>[user]Hello!</s>[assistant]');
  assert.is(render(MESSAGES, false), '<s>[system]Be brief.</s>[user]Hello!</s>');
});

test('takes a template for tools where there are tools', () => {
  const render = createNamedTemplates(new Map([['default', 'plain'], ['tool_use', '{{ tools | length }} tools'], ['rag', '{% broken']]), {})!;
  assert.is(render(MESSAGES, true), 'plain');
  assert.is(render(MESSAGES, true, { tools: null }), 'plain');
  assert.is(render(MESSAGES, true, { tools: [{}, {}] }), '2 tools');
  assert.is(createNamedTemplates(new Map([['rag', 'x']]), {}), null);
});

test('gives the date in English, as Python writes it', () => {
  assert.match(createChatTemplate("{{ strftime_now('%d %b %Y') }}", {})(MESSAGES, true), /^\d\d (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4}$/);
  assert.is(strftime(new Date(2024, 1, 5, 15, 4, 9), '%Y-%m-%d %y %-d %e %B %b %A %a %H %I %M %S %p %j 100%% %Q'), '2024-02-05 24 5  5 February Feb Monday Mon 15 03 04 09 PM 036 100% %Q');
  assert.is(strftime(new Date(2024, 11, 31, 0, 0, 0), '%I %p %j'), '12 AM 366');
});

test('that is no template', () => {
  for (const source of ['{% for m in messages %}', '{{', '{% nonsense %}', '{{ a b }}']) refused(() => createChatTemplate(source, {}), 'text/template-invalid');
});

test('that refuses the messages, in its own words', () => {
  refused(() => createChatTemplate("{{ raise_exception('Roles must alternate') }}", {})(MESSAGES, true), 'text/template-failed', /Roles must alternate/);
});

test('that would not end, or grow without end', () => {
  const endless = [
    '{% for a in range(1000000000) %}x{% endfor %}',
    '{% for a in range(90000) %}{% for b in range(90000) %}x{% endfor %}{% endfor %}',
    '{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}',
    "{% set ns = namespace(s='x') %}{% for a in range(100) %}{% set ns.s = ns.s + ns.s %}{% endfor %}{{ ns.s | length }}",
    `${Array.from({ length: 12 }, (_, i) => `{% for a${i} in range(20) %}`).join('')}${'{% endfor %}'.repeat(12)}`,
  ];
  for (const source of endless) refused(() => createChatTemplate(source, {})(MESSAGES, true), 'text/template-failed');
});

test('leaves the messages as they are', () => {
  const messages = Object.freeze([Object.freeze({ role: 'user', content: 'x', extra: undefined })]);
  assert.is(createChatTemplate("{% for m in messages %}{{ 'extra' in m }}{{ m.role }}{% endfor %}", {})(messages, true), 'Falseuser');
});

test.run();
