/**
 * The cache of Hugging Face's own programs, which is read and never written:
 *
 *   <HF_HUB_CACHE>/models--<owner>--<repo>/refs/<revision>       the commit
 *   <HF_HUB_CACHE>/models--<owner>--<repo>/snapshots/<commit>/…  links to ../../blobs/<etag>
 */
import type { HubReference } from './hub-reference.js';

/** One of these in a snapshot, and the weights that go with it, is something to open. */
const WHOLE: readonly (readonly [string, readonly string[]])[] = [['config.json', ['model.safetensors', 'model.safetensors.index.json']], ['adapter_config.json', ['adapter_model.safetensors']]];

/**
 * Finds a model, an adapter or a file that transformers, PEFT or huggingface-cli brought: HF_HUB_CACHE, else HF_HOME/hub, else ~/.cache/huggingface/hub.
 *
 * @returns the path of a folder or file to open, or null
 */
export async function findInHubCache({ id, revision, file }: HubReference): Promise<string | null> {
  const [{ access, readdir, readFile }, paths, { homedir }] = await Promise.all([import('node:fs/promises'), import('node:path'), import('node:os')]);
  const env = (name: string): string | undefined => process.env[name] || undefined;
  const cache = env('HF_HUB_CACHE') ?? paths.join(env('HF_HOME') ?? paths.join(env('XDG_CACHE_HOME') ?? paths.join(homedir(), '.cache'), 'huggingface'), 'hub');
  const there = (path: string): Promise<boolean> => access(path).then(() => true, () => false);
  const repository = paths.join(cache, `models--${id.replaceAll('/', '--')}`);
  const commit = /^[0-9a-f]{40}$/.test(revision) ? revision : (await readFile(paths.join(repository, 'refs', ...revision.split('/')), 'utf8').catch(() => '')).trim();
  if (!/^[0-9a-f]{40}$/.test(commit)) return null;
  const snapshot = paths.join(repository, 'snapshots', commit);
  if (file !== null) return (await there(paths.join(snapshot, file))) ? paths.join(snapshot, file) : null;
  for (const [config, weights] of WHOLE) {
    if (!(await there(paths.join(snapshot, config)))) continue;
    for (const name of weights) if (await there(paths.join(snapshot, name))) return snapshot;
  }
  const ggufs = (await readdir(snapshot).catch(() => [] as string[])).filter((name) => /\.gguf$/i.test(name));
  return ggufs.length === 1 ? paths.join(snapshot, ggufs[0]!) : null;
}
