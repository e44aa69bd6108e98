import { answer } from '../answer.js';
import { CAST, type Stage } from '../cast.js';
import { count, Facts, milliseconds } from '../facts.js';
import { sameBits } from '../same-bits.js';
import type { Terminal } from '../terminal.js';

const VOICE = 'herald';
const LINE = 'Hello there!';

/** The adapter written into the base's own weights, and taken out again: the logits of the base afterwards are those of before, bit for bit. */
export async function merge({ engine }: Stage, terminal: Terminal): Promise<void> {
  const facts = new Facts();
  const ids = engine.tokenizer.encode(LINE);
  const before = engine.logits(ids, { adapters: {} });
  let started = performance.now();
  engine.adapters.merge({ [VOICE]: 1 });
  const mergeMs = performance.now() - started;
  const session = engine.session({ adapters: {} });
  terminal.row('you', LINE);
  await terminal.speak(VOICE, CAST[VOICE]!, answer(session, LINE));
  facts.answer(session.stats);
  session.dispose();
  started = performance.now();
  engine.adapters.unmerge();
  const unmergeMs = performance.now() - started;
  const after = engine.logits(ids, { adapters: {} });
  terminal.facts([facts.speed, `merge ${milliseconds(mergeMs)}`, `unmerge ${milliseconds(unmergeMs)}`, `${count(after.length)} logits: ${sameBits(before, after)}`]);
}
