import { answer } from '../answer.js';
import { BASE, CAST, type Stage, VOICES } from '../cast.js';
import { count, Facts } from '../facts.js';
import { sameBits } from '../same-bits.js';
import type { Terminal } from '../terminal.js';

const LINE = 'Goodbye!';
const VOICE = 'ghost';

/** Adapters leave: one comes back into the bytes it had, then all go, and the base answers as it did before the first one came. */
export async function unload({ engine, folder }: Stage, terminal: Terminal, untouched: Float32Array, ids: readonly number[]): Promise<void> {
  const facts = new Facts();
  const { bytes } = engine.memory();
  const { returned } = engine.adapters.unload(VOICE);
  const without = engine.memory().adapters.used;
  await engine.adapters.load(VOICE, `${folder}adapters/${VOICE}`);
  facts.returned(returned);
  terminal.row(VOICE, `unloaded: ${count(without)} bytes used; loaded again: ${count(engine.memory().adapters.used)}.`, CAST[VOICE]);
  terminal.row('you', LINE);
  for (const voice of [VOICE, BASE]) {
    if (voice === BASE) for (const name of VOICES) facts.returned(engine.adapters.unload(name).returned);
    const session = engine.session({ adapters: voice === BASE ? {} : { [voice]: 1 } });
    await terminal.speak(voice, CAST[voice] ?? 'plain', answer(session, LINE));
    facts.answer(session.stats);
    session.dispose();
  }
  const memory = engine.memory();
  terminal.note(`The linear memory ${memory.bytes === bytes ? 'has not grown' : `grew by ${count(memory.bytes - bytes)} bytes`}; the base's logits: ${sameBits(untouched, engine.logits(ids))} as before the first adapter.`);
  terminal.facts([facts.speed, `adapters: ${facts.arena(memory.adapters)}`]);
}
