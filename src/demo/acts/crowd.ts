import { answerText } from '../answer.js';
import { CAST, VOICES, type Stage } from '../cast.js';
import { arena, count } from '../facts.js';
import type { Terminal } from '../terminal.js';

const LINE = 'Have you seen a ghost?';

/** Every voice at the same time: one session each, all rows in one frame, each with its own blend. */
export async function crowd({ engine }: Stage, terminal: Terminal): Promise<void> {
  terminal.row('you', LINE);
  const sessions = VOICES.map((voice) => engine.session({ adapters: { [voice]: 1 } }));
  const started = performance.now();
  const answers = await Promise.all(sessions.map((session) => answerText(session, LINE)));
  const seconds = (performance.now() - started) / 1000;
  const tokens = sessions.reduce((sum, session) => sum + session.stats.tokens, 0);
  VOICES.forEach((voice, i) => terminal.row(voice, answers[i]!, CAST[voice]));
  const { kv } = engine.memory();
  for (const session of sessions) session.dispose();
  terminal.facts([`${count(tokens / seconds)} tok/s together, prompts included`, `KV arena: ${arena(kv.used, kv.free)}`]);
}
