/** MODEL and --adapter on a command line: a path, a URL, or what `lorikeet pull` brought. */
import { stat } from 'node:fs/promises';
import { LorikeetError } from '../errors.js';
import { findPulled } from '../store/cache.js';
import { looksLikeId } from '../store/hub-reference.js';

/**
 * The path or URL to open. What is there by that path is taken; a repository's name (`owner/repo`, `hf:owner/repo`) or a URL that was pulled leads into the cache.
 *
 * @throws LorikeetError `pull/not-pulled`, `pull/ambiguous`, `store/not-found` for what looks like a repository's name and is neither a path nor pulled
 */
export async function resolvePlace(text: string): Promise<string> {
  if (/^https?:/i.test(text)) return (await findPulled(text)) ?? text;
  const explicit = text.startsWith('hf:');
  if (!explicit && (!looksLikeId(text) || (await isThere(text)))) return text;
  const found = await findPulled(text);
  if (found !== null || (!explicit && !text.includes('/'))) return found ?? text;
  const advice = `if it is a repository on Hugging Face, pull it first: lorikeet pull ${text.replace(/^hf:/, '')}`;
  throw explicit
    ? new LorikeetError('pull/not-pulled', `${JSON.stringify(text)} was not pulled: expected it in the cache; ${advice}.`, { expected: 'in the cache', found: text })
    : new LorikeetError('store/not-found', `There is nothing at ${JSON.stringify(text)}; check the path, or ${advice}.`, { expected: text });
}

const isThere = (path: string): Promise<boolean> => stat(path).then(() => true, () => false);
