import type { Blend } from '../../adapters/adapter.js';
import { answer } from '../answer.js';
import type { Stage } from '../cast.js';
import { Facts } from '../facts.js';
import type { Terminal } from '../terminal.js';

const LINE = 'Where is the treasure?';
const BLENDS: readonly Blend[] = [{ pirate: 0.7, herald: 0.5 }, { ghost: 0.7, automaton: 0.5 }, { goblin: 0.7, pirate: 0.5 }];

/** Two adapters at once, each with a weight: their deltas are summed beside the base. */
export async function blend({ engine }: Stage, terminal: Terminal): Promise<void> {
  const facts = new Facts();
  terminal.row('you', LINE);
  for (const weights of BLENDS) {
    facts.switching([{}, weights], (adapters) => engine.adapters.activate(adapters));
    const session = engine.session();
    terminal.note(Object.entries(weights).map(([name, weight]) => `${name} ${weight}`).join(' + '));
    await terminal.speak('', 'plain', answer(session, LINE));
    facts.answer(session.stats);
    session.dispose();
  }
  engine.adapters.activate({});
  terminal.facts([facts.speed, `switch ${facts.switch}`, `adapters: ${facts.arena(engine.memory().adapters)}`]);
}
