import { answer } from '../answer.js';
import { BASE, CAST, VOICES, type Stage } from '../cast.js';
import { Facts } from '../facts.js';
import type { Terminal } from '../terminal.js';

const LINES = ['Who are you?', 'Where is the treasure?'];
/** A switch takes about a microsecond once it is compiled: the cast is gone round so often before the answers, to time it as a running game sees it. */
const ROUNDS = 20;

/** The same lines to the base and to each adapter: `activate` between two answers is all that happens. */
export async function voices({ engine }: Stage, terminal: Terminal): Promise<void> {
  const facts = new Facts();
  for (let i = 0; i < ROUNDS; i++) for (const voice of VOICES) facts.switching(() => engine.adapters.activate({ [voice]: 1 }));
  for (const line of LINES) {
    terminal.row('you', line);
    for (const voice of [BASE, ...VOICES]) {
      facts.switching(() => engine.adapters.activate(voice === BASE ? {} : { [voice]: 1 }));
      const session = engine.session();
      await terminal.speak(voice, CAST[voice] ?? 'plain', answer(session, line));
      facts.answer(session.stats);
      session.dispose();
    }
  }
  engine.adapters.activate({});
  terminal.facts([facts.speed, `switch ${facts.switch}`, `adapters: ${facts.arena(engine.memory().adapters)}`]);
}
