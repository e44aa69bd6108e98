import { answer } from '../answer.js';
import { CAST, type Stage } from '../cast.js';
import { Facts } from '../facts.js';
import type { Piece, Terminal } from '../terminal.js';

const LINE = 'Tell me about the dragon.';
const VOICES = ['herald', 'goblin', 'pirate'] as const;
/** Pieces of text that each voice says before the next one takes over. */
const SHARE = 9;

/** One answer, begun by one voice and taken over by others: the session's blend is set while the answer streams. */
export async function midSentence({ engine }: Stage, terminal: Terminal): Promise<void> {
  const facts = new Facts();
  const session = engine.session({ adapters: { [VOICES[0]]: 1 } });

  async function* changing(): AsyncGenerator<Piece, void, undefined> {
    let pieces = 0;
    let voice = 0;
    let shown = 0;
    for await (const { text } of answer(session, LINE)) {
      // A word that one voice began is shown as its own, though the next may end it.
      if (shown < voice && text.startsWith(' ')) yield { text: ` ‹${VOICES[shown = voice]}›`, colour: CAST[VOICES[shown]!]! };
      yield { text, colour: CAST[VOICES[shown]!]! };
      if (++pieces % SHARE === 0 && voice + 1 < VOICES.length) {
        facts.switching([VOICES[voice]!, VOICES[++voice]!], (name) => { session.adapters = { [name]: 1 }; });
      }
    }
  }

  terminal.row('you', LINE);
  await terminal.speak(VOICES[0], CAST[VOICES[0]]!, changing());
  facts.answer(session.stats, true);
  session.dispose();
  terminal.facts([facts.speed, `switch ${facts.switch}`, facts.kvCache, facts.arena(engine.memory().adapters)]);
}
