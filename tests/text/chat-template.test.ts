import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createChatTemplate } from '../../src/text/chat-template.js';
import { createTokenizer } from '../../src/text/tokenizer.js';
import { isLorikeetError } from '../../src/errors.js';

const refused = (work: () => unknown, code: string): void => {
  try {
    work();
  } catch (error) {
    assert.ok(isLorikeetError(error, code), `expected ${code}, got ${String(error)}`);
    return;
  }
  assert.unreachable(`expected ${code}`);
};
const MESSAGES = [{ role: 'system', content: 'Be brief.' }, { role: 'user', content: 'Hello!' }];
const SOURCE = "{{ bos_token }}{% for m in messages %}[{{ m.role }}]{{ m.content }}{{ eos_token }}{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}";

const test = suite('chat template');

test('renders messages with the special tokens, given as text or as objects', () => {
  const render = createChatTemplate(SOURCE, { bos_token: '<s>', eos_token: { content: '</s>', special: true } });
  assert.is(render(MESSAGES, true), '<s>[system]Be brief.</s>[user]Hello!</s>[assistant]');
  assert.is(render(MESSAGES, false), '<s>[system]Be brief.</s>[user]Hello!</s>');
});

test('that is no template', () => refused(() => createChatTemplate('{% for m in messages %}', {}), 'text/template-invalid'));

test('that refuses the messages', () => {
  const render = createChatTemplate("{{ raise_exception('Roles must alternate') }}", {});
  refused(() => render(MESSAGES, true), 'text/template-failed');
});

test('a tokenizer.json that is none', () => {
  for (const json of ['', '{', '[]', '{}']) refused(() => createTokenizer(json, '{}'), 'text/tokenizer-invalid');
});

test.run();
