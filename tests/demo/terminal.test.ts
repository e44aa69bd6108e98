import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Terminal, type Piece } from '../../src/demo/terminal.js';

const terminal = suite('terminal');

/** A stream that keeps what is written to it. */
function recorder(isTTY: boolean, columns?: number): { out: NodeJS.WriteStream; text(): string } {
  let text = '';
  return { out: { isTTY, columns, write: (chunk: string) => { text += chunk; return true; } } as unknown as NodeJS.WriteStream, text: () => text };
}

async function* pieces(...texts: string[]): AsyncGenerator<Piece, void, undefined> {
  for (const text of texts) yield { text, colour: 'green' };
}

terminal('colours on a terminal alone, and not with NO_COLOR or a dumb one', async () => {
  const shown = async (isTTY: boolean, environment: Record<string, string>): Promise<string> => {
    const { out, text } = recorder(isTTY);
    const t = new Terminal(out, environment);
    t.title('Act');
    await t.speak('goblin', 'green', pieces('Oi!'));
    t.facts(['1 tok/s']);
    return text();
  };
  assert.match(await shown(true, {}), /\u001b\[32mgoblin\u001b\[0m/);
  for (const [isTTY, environment] of [[false, {}], [true, { NO_COLOR: '1' }], [true, { TERM: 'dumb' }]] as const) assert.is(await shown(isTTY, environment), '\nAct\n  goblin     Oi!\n▸ 1 tok/s\n');
});

terminal('wraps words that arrive in parts at the width, under the first one', async () => {
  for (const columns of [40, 61, 80, 200, 0, undefined]) {
    const { out, text } = recorder(false, columns);
    await new Terminal(out, {}).speak('ghost', 'cyan', pieces(...'I hear the sea in my chest, and the tide turns this evening, and I must go, for nobody else will.'.match(/.{1,3}/g)!));
    const lines = text().trimEnd().split('\n');
    assert.ok(lines.length > 1);
    for (const line of lines) assert.ok(line.length <= Math.min(columns || 80, 80), line);
    for (const line of lines.slice(1)) assert.match(line, /^ {13}\S/);
    assert.is(lines.map((line) => line.slice(13)).join(' '), 'I hear the sea in my chest, and the tide turns this evening, and I must go, for nobody else will.');
  }
});

terminal('lets no text steer it', async () => {
  const { out, text } = recorder(false);
  await new Terminal(out, {}).speak('x', 'plain', pieces('a\u001b]0;owned\u0007b\r\n', 'c\u009bd'));
  assert.is(text(), '  x          a ]0;owned b c d\n');
});

terminal('shows what was said before a stream failed, then fails', async () => {
  for (const isTTY of [false, true]) {
    const { out, text } = recorder(isTTY);
    async function* failing(): AsyncGenerator<Piece, void, undefined> {
      yield { text: 'Arr, ', colour: 'plain' };
      throw new Error('the ship sank');
    }
    let message = '';
    await new Terminal(out, { NO_COLOR: '1' }).speak('pirate', 'plain', failing()).catch((error: Error) => { message = error.message; });
    assert.is(message, 'the ship sank');
    assert.ok(text().includes('Arr,'));
  }
});

terminal('draws a bar', () => {
  const t = new Terminal(recorder(false).out, {});
  assert.is(t.bar(0, 5), '░░░░░ 0.00');
  assert.is(t.bar(0.6, 5), '███░░ 0.60');
  assert.is(t.bar(1, 5), '█████ 1.00');
});

terminal.run();
