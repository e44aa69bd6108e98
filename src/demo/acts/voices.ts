import { answer } from '../answer.js';
import { BASE, CAST, VOICES, type Stage } from '../cast.js';
import { Facts } from '../facts.js';
import type { Terminal } from '../terminal.js';

const LINES = ['Who are you?', 'Where is the treasure?'];

/** The same lines to the base and to each adapter: `activate` between two answers is all that happens. */
export async function voices({ engine }: Stage, terminal: Terminal): Promise<void> {
  const facts = new Facts();
  for (const line of LINES) {
    terminal.row('you', line);
    for (const voice of [BASE, ...VOICES]) {
      const other = VOICES[(VOICES.indexOf(voice) + 1) % VOICES.length]!;
      facts.switching([{ [other]: 1 }, voice === BASE ? {} : { [voice]: 1 }], (blend) => engine.adapters.activate(blend));
      const session = engine.session();
      await terminal.speak(voice, CAST[voice] ?? 'plain', answer(session, line));
      facts.answer(session.stats);
      session.dispose();
    }
  }
  engine.adapters.activate({});
  terminal.facts([facts.speed, `switch ${facts.switch}`, `adapters: ${facts.arena(engine.memory().adapters)}`]);
}
