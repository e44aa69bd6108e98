// What the engines are asked: one text in stretches.
import { readFileSync } from 'node:fs';
import { openCheckpoint } from '../../build/js/src/models/checkpoint.js';
import { readText } from '../../build/js/src/runtime/model-text.js';
import { modelFile } from './model-files.mjs';

/** Tokens that a decode has before it. */
export const LEAD = 16;

/** `(length) => { ids, text }`, each call another stretch, told to every engine as it takes it: no prompt is met a second time, so no cache of prompts answers. */
export async function stretches() {
  const checkpoint = await openCheckpoint(modelFile('Q4_1'));
  const { tokenizer } = await readText(checkpoint);
  await checkpoint.close();
  const ids = tokenizer.encode(readFileSync(new URL('../../tests/golden/smollm2/text.txt', import.meta.url), 'utf8'), false);
  let [at, turn] = [0, 0];
  return (length) => {
    if (at + length > ids.length) at = ++turn; // the second time round each stretch begins elsewhere
    const part = ids.slice(at, at + length);
    at += length;
    return { ids: part, text: tokenizer.decode(part) };
  };
}
