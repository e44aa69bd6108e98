/** Which files of a repository are pulled. Pure. */
import { LorikeetError } from '../errors.js';
import { safeRelativePath } from '../formats/relative-path.js';
import type { Digest } from './cache-download.js';

/** A file of a repository, as the hub lists it. */
export interface HubFile {
  readonly path: string;
  readonly size: number | null;
  /** SHA-256 of a large file, the git blob's id of a small one. */
  readonly digest: Digest | null;
}

/** What of a repository is pulled. */
export interface Selection {
  /** A folder with all that a model or an adapter needs, or one file. */
  readonly kind: 'model' | 'adapter' | 'file';
  readonly files: readonly HubFile[];
}

const MODEL_WEIGHTS = /^model(?:-\d+-of-\d+)?\.safetensors$/;
const MODEL_TEXTS = /^(?:config|generation_config|special_tokens_map|added_tokens|vocab|model\.safetensors\.index)\.json$|^tokenizer[^/]*$|^chat_template[^/]*$|^merges\.txt$/;
const ADAPTER_FILES = /^adapter_(?:config\.json|model\.safetensors)$/;
const PICKLES = /\.(?:bin|pt|pth|ckpt|pkl|h5|msgpack)$/;

/**
 * Reads the hub's list of files (`siblings`), leaving out names that couldn't lie in a folder.
 *
 * @throws LorikeetError `pull/answer`
 */
export function readFiles(siblings: unknown, id: string): HubFile[] {
  if (!Array.isArray(siblings)) throw new LorikeetError('pull/answer', `The hub's answer on ${JSON.stringify(id)} has no list of files: expected "siblings"; is this the address of a hub (HF_ENDPOINT)?`, { expected: 'siblings' });
  return siblings.flatMap((entry: unknown) => {
    const { rfilename: path, size, blobId, lfs } = (entry ?? {}) as { rfilename?: unknown; size?: unknown; blobId?: unknown; lfs?: { sha256?: unknown; size?: unknown } | null };
    if (typeof path !== 'string') return [];
    try {
      safeRelativePath(path, id);
    } catch {
      return [];
    }
    const bytes = lfs?.size ?? size;
    const digest = (['sha256', 'git'] as const).flatMap((algorithm): Digest[] => {
      const hex = algorithm === 'sha256' ? lfs?.sha256 : lfs ? undefined : blobId;
      return typeof hex === 'string' && new RegExp(`^[0-9a-f]{${algorithm === 'sha256' ? 64 : 40}}$`).test(hex) ? [{ algorithm, hex }] : [];
    })[0] ?? null;
    const known = Number.isSafeInteger(bytes) && (bytes as number) >= 0 ? (bytes as number) : null;
    return [{ path, size: known, digest: digest?.algorithm === 'git' && known === null ? null : digest }];
  });
}

/**
 * Chooses: the file that is asked for; else a model's safetensors with what belongs to them; else an adapter; else the one GGUF. Pickles never.
 *
 * @param wanted a path in the repository, or a part of the name of just one of its GGUF files (`Q4_K_M`)
 * @throws LorikeetError `pull/not-found`, `pull/ambiguous`, `pull/no-weights`
 */
export function selectFiles(id: string, files: readonly HubFile[], wanted: string | null): Selection {
  if (wanted !== null) return { kind: 'file', files: [oneFile(id, files, wanted)] };
  const at = (pattern: RegExp): HubFile[] => files.filter(({ path }) => pattern.test(path));
  const weights = at(MODEL_WEIGHTS);
  if (weights.length > 0 && files.some(({ path }) => path === 'config.json')) return { kind: 'model', files: [...at(MODEL_TEXTS), ...weights] };
  const adapter = at(ADAPTER_FILES);
  if (adapter.length === 2) return { kind: 'adapter', files: adapter };
  const ggufs = at(/\.gguf$/i);
  if (ggufs.length === 1) return { kind: 'file', files: ggufs };
  if (ggufs.length > 1) throw ambiguous(id, ggufs, ggufs.length);
  const pickles = at(PICKLES).map(({ path }) => path);
  throw new LorikeetError('pull/no-weights', `${JSON.stringify(id)} holds no weights that lorikeet reads: expected safetensors or a GGUF, found ${pickles.length > 0 ? `${pickles.slice(0, 3).join(', ')} (pickles, which are programs, are never taken)` : `${files.length} other files`}.`,
    { expected: ['model.safetensors', 'adapter_model.safetensors', '*.gguf'], found: pickles });
}

function oneFile(id: string, files: readonly HubFile[], wanted: string): HubFile {
  const exact = files.find(({ path }) => path === wanted);
  if (exact) {
    if (PICKLES.test(wanted)) throw new LorikeetError('pull/no-weights', `${JSON.stringify(wanted)} is a pickle, which is a program: expected safetensors or a GGUF.`, { expected: 'safetensors or GGUF', found: wanted });
    return exact;
  }
  const ggufs = files.filter(({ path }) => /\.gguf$/i.test(path));
  const matching = ggufs.filter(({ path }) => path.toLowerCase().includes(wanted.toLowerCase()));
  if (matching.length === 1) return matching[0]!;
  if (matching.length > 1) throw ambiguous(id, matching, ggufs.length);
  throw new LorikeetError('pull/not-found', `${JSON.stringify(id)} has no file ${JSON.stringify(wanted)}: expected one of ${list(ggufs.length > 0 ? ggufs : files)}.`, { expected: (ggufs.length > 0 ? ggufs : files).map(({ path }) => path), found: wanted });
}

const ambiguous = (id: string, choices: readonly HubFile[], all: number): LorikeetError =>
  new LorikeetError('pull/ambiguous', `${JSON.stringify(id)} holds ${choices.length}${choices.length < all ? ` matching` : ''} GGUF files: expected one by name, as in ${id}/${choices[0]!.path}; there are ${list(choices)}.`, { expected: choices.map(({ path }) => path), found: choices.length });

function list(files: readonly HubFile[]): string {
  const MOST = 30;
  return files.slice(0, MOST).map(({ path, size }) => `${path}${size === null ? '' : ` (${(size / 1e6).toFixed(0)} MB)`}`).join(', ') + (files.length > MOST ? `, and ${files.length - MOST} more` : '');
}
