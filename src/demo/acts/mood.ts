import { answer } from '../answer.js';
import { CAST, type Stage } from '../cast.js';
import { Facts } from '../facts.js';
import type { Terminal } from '../terminal.js';

const VOICE = 'pirate';
const TURNS: readonly (readonly [mood: number, line: string])[] = [[0, 'Hello there!'], [0.6, 'What is there to eat?'], [1, 'Where is the treasure?'], [0, 'Goodbye!']];
/** Positions that a hand drags the slider through, from turn to turn. */
const DRAG = Array.from({ length: 100 }, (_, i) => (i + 1) / 100);

/** A slider over one conversation: `rescale` writes a number, and the session sees to its cache before the next token. */
export async function mood({ engine }: Stage, terminal: Terminal): Promise<void> {
  const facts = new Facts();
  const session = engine.session({ adapters: { [VOICE]: 1 } });
  let from = 1;
  for (const [to, line] of TURNS) {
    facts.switching(DRAG.map((way) => from * (1 - way) + to * way), (value) => engine.adapters.rescale(VOICE, value), 1);
    from = to;
    terminal.row('you', line);
    await terminal.speak(terminal.bar(to, 5), CAST[VOICE]!, answer(session, line));
    facts.answer(session.stats);
  }
  engine.adapters.rescale(VOICE, 1);
  session.dispose();
  terminal.facts([facts.speed, `rescale ${facts.switch}`, facts.kvCache, facts.arena(engine.memory().adapters)]);
}
