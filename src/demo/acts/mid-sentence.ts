import { answer } from '../answer.js';
import { CAST, type Stage } from '../cast.js';
import { Facts, median } from '../facts.js';
import type { Piece, Terminal } from '../terminal.js';

const LINE = 'Tell me about the dragon.';
const VOICES = ['herald', 'goblin', 'pirate'] as const;
/** Pieces of text that each voice says before the next one takes over. */
const SHARE = 9;

/** One answer, begun by one voice and taken over by others: the session's blend is set while the answer streams. */
export async function midSentence({ engine }: Stage, terminal: Terminal): Promise<void> {
  const facts = new Facts();
  const session = engine.session({ adapters: { [VOICES[0]]: 1 } });
  /** Milliseconds from piece to piece; those after a switch hold the recomputation of the cache. */
  const steady: number[] = [];
  const switched: number[] = [];

  async function* changing(): AsyncGenerator<Piece, void, undefined> {
    let pieces = 0;
    let voice = 0;
    let shown = 0;
    let gaps = steady;
    let last = performance.now();
    for await (const { text } of answer(session, LINE)) {
      if (pieces++ > 0) gaps.push(performance.now() - last);
      gaps = steady;
      // A word that one voice began is shown as its own, though the next may end it.
      if (shown < voice && text.startsWith(' ')) yield { text: ` ‹${VOICES[shown = voice]}›`, colour: CAST[VOICES[shown]!]! };
      yield { text, colour: CAST[VOICES[shown]!]! };
      if (pieces % SHARE === 0 && voice + 1 < VOICES.length) {
        const next = VOICES[++voice]!;
        facts.switching(() => { session.adapters = { [next]: 1 }; });
        gaps = switched;
      }
      last = performance.now();
    }
  }

  terminal.row('you', LINE);
  await terminal.speak(VOICES[0], CAST[VOICES[0]]!, changing());
  const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
  facts.decoded(steady.length, sum(steady));
  facts.recompute(session.stats.recomputed, Math.max(0, sum(switched) - switched.length * median(steady)));
  session.dispose();
  terminal.facts([facts.speed, `switch ${facts.switch}`, facts.kvCache, facts.arena(engine.memory().adapters)]);
}
