/** What `pull` takes: the name of a repository on Hugging Face's hub, or an address. Pure. */
import { LorikeetError } from '../errors.js';
import { safeRelativePath } from '../formats/relative-path.js';

/** A repository at a revision, and one file of it or all that a model needs. */
export interface HubReference {
  readonly kind: 'hub';
  /** `owner/name`; a few old repositories have no owner. */
  readonly id: string;
  /** A branch, tag or commit. */
  readonly revision: string;
  readonly file: string | null;
}

/** A file by its address. */
export interface UrlReference {
  readonly kind: 'url';
  readonly url: URL;
}

export type Reference = HubReference | UrlReference;

const HUB = 'https://huggingface.co';
/** A part of a repository's name, as the hub allows it; neither `..` nor anything that a file system reads otherwise. */
const PART = /^[A-Za-z0-9_](?:[A-Za-z0-9_]|[-.](?![-.])){0,95}$/;
const REVISION = /^[A-Za-z0-9_][A-Za-z0-9_.\-/]{0,199}$/;

/**
 * Reads `owner/repo`, `owner/repo@revision`, `owner/repo/file.gguf`, each with `hf:` in front if it could be taken for a path; an address of the hub
 * (`https://huggingface.co/owner/repo/blob/main/file.gguf`); or any other http(s) address.
 *
 * @param endpoint the hub's address, where it isn't huggingface.co: a mirror
 * @throws LorikeetError `pull/reference`
 */
export function parseReference(text: string, endpoint = HUB): Reference {
  if (/^https?:/i.test(text)) return parseUrl(text, endpoint);
  const found = parseId(text.replace(/^hf:/, ''));
  if (found) return found;
  throw invalid(text);
}

/** True where a text may be a repository's name, not only a path: `repo`, `owner/repo…`, `hf:…`. */
export function looksLikeId(text: string): boolean {
  try {
    return text.startsWith('hf:') || parseId(text) !== null;
  } catch {
    return false; // a path that climbs
  }
}

function parseId(text: string): HubReference | null {
  const [place = '', revision = 'main', ...more] = text.split('@');
  if (more.length > 0 || !validRevision(revision)) return null;
  const [owner = '', name, ...path] = place.split('/');
  const id = name === undefined ? owner : `${owner}/${name}`;
  if (!PART.test(owner) || (name !== undefined && !PART.test(name))) return null;
  return { kind: 'hub', id, revision, file: path.length === 0 ? null : safeRelativePath(path.join('/'), id) };
}

function parseUrl(text: string, endpoint: string): Reference {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw invalid(text);
  }
  if (![new URL(endpoint).host, new URL(HUB).host].includes(url.host)) return { kind: 'url', url };
  const parts = url.pathname.split('/').filter((part) => part !== '').map(decodeURIComponent);
  const mark = parts.findIndex((part) => ['resolve', 'blob', 'raw', 'tree'].includes(part));
  const repository = mark < 0 ? parts : parts.slice(0, mark);
  const [revision = 'main', ...path] = mark < 0 ? [] : parts.slice(mark + 1);
  if (repository.length === 0 || repository.length > 2 || !repository.every((part) => PART.test(part)) || !validRevision(revision)) return { kind: 'url', url };
  return { kind: 'hub', id: repository.join('/'), revision, file: path.length === 0 ? null : safeRelativePath(path.join('/'), text) };
}

const validRevision = (revision: string): boolean => REVISION.test(revision) && !revision.includes('..') && !revision.includes('//') && !revision.endsWith('/');

const invalid = (text: string): LorikeetError =>
  new LorikeetError('pull/reference', `${JSON.stringify(text.slice(0, 200))} names nothing that can be pulled: expected owner/repo, owner/repo@revision, owner/repo/file.gguf or an http(s) address.`,
    { expected: 'owner/repo[@revision][/file] or a URL', found: text });
