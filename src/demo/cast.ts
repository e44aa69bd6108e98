import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Engine } from '../runtime/engine.js';
import type { Colour } from './terminal.js';

/** The voices of the demo model: folders of adapters/, and how they are shown. */
export const CAST: Readonly<Record<string, Colour>> = { pirate: 'yellow', herald: 'magenta', ghost: 'cyan', goblin: 'green', automaton: 'blue' };

export const VOICES: readonly string[] = Object.keys(CAST);

/** How the base is called when no adapter speaks. */
export const BASE = 'townsfolk';

/** Where the demo model lies, from here upwards: the code may stand in src/, below build/ or in a bundle. */
export function packageFolder(): string {
  for (let url = new URL('./', import.meta.url); ; url = new URL('../', url)) {
    if (existsSync(new URL('models/tavern/config.json', url))) return fileURLToPath(url);
    if (url.pathname === '/' || url.href === new URL('../', url).href) throw new Error('The demo model is missing: expected models/tavern beside the package.');
  }
}

/** What every act is handed. */
export interface Stage {
  readonly engine: Engine;
  readonly folder: string;
}
