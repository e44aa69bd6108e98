import { CAST, VOICES, type Stage } from '../cast.js';
import { arena, milliseconds } from '../facts.js';
import type { Terminal } from '../terminal.js';

/** Five PEFT folders move in beside the base. */
export async function load({ engine, folder }: Stage, terminal: Terminal): Promise<void> {
  const started = performance.now();
  for (const voice of VOICES) {
    const before = performance.now();
    const { applied, bytes } = await engine.adapters.load(voice, `${folder}adapters/${voice}`);
    const ranks = [...new Set(applied.map(({ rank }) => rank))].join(', ');
    terminal.row(voice, `rank ${ranks} on ${applied.length} modules, ${(bytes / 1024).toFixed(0)} KiB, ${milliseconds(performance.now() - before)}`, CAST[voice]);
  }
  const { used, free } = engine.memory().adapters;
  terminal.facts([`${VOICES.length} adapters in ${milliseconds(performance.now() - started)}`, `adapters: ${arena(used, free)}`]);
}
