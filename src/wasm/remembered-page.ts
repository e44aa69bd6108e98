/** An entry of a page's localStorage. A worker has none. */
import type { Place } from './remembered-file.js';

const KEY = 'lorikeet/kernels';

/** @returns null where the page may keep nothing */
export function readPage(): Place | null {
  try {
    return { engine: `${navigator.userAgent} ${navigator.hardwareConcurrency}`, text: localStorage.getItem(KEY) };
  } catch {
    return null;
  }
}

/** Does nothing where it is full or forbidden. */
export function writePage(text: string): void {
  try {
    localStorage.setItem(KEY, text);
  } catch { /* found out anew next time */ }
}
