// What every engine does on one thread and on several: golden models with their adapters and answers of the demo. Nothing here is one host's own.
import { Digest } from './digest.js';
import { runAnswers, runGolden } from './goldens.js';

type Lorikeet = typeof import('../../src/index.js');

export interface ThreadsTask {
  threads: number;
  goldens: string[];
  /** Path of a GGUF file, which a page's worker reads from its own file system into shared memory, too. */
  file: string;
  answers: { model: string; adapters: string[]; maxTokens: number };
}

export interface ThreadsReport {
  engine: string;
  isolated: boolean;
  /** On how many threads it was, and why not on more. */
  threads: number;
  why: string | null;
  /** Why there are none in the page itself, where there is a page. */
  page: string | null;
  failures: string[];
  /** Of all the bits on one thread, and on several. */
  digests: { alone: string[]; shared: string[] };
}

/** Does the task; `sign` is called, and waited for, between its parts. */
export async function runThreads({ threads, goldens, file, answers: { model, adapters, maxTokens } }: ThreadsTask, engine: string, sign: () => unknown = () => {}): Promise<ThreadsReport> {
  const root = new URL('../../../../', import.meta.url);
  const lorikeet = await import(new URL('build/lorikeet.js', root).href) as Lorikeet;
  const report: ThreadsReport = { engine, isolated: globalThis.crossOriginIsolated === true, threads: 0, why: null, page: null, failures: [], digests: { alone: [], shared: [] } };
  for (const [key, count] of [['alone', 1], ['shared', threads]] as const) {
    const there: Lorikeet = {
      ...lorikeet,
      async createEngine(options) {
        const made = await lorikeet.createEngine({ ...options, threads: count });
        report.threads = made.backend.threads;
        report.why = made.backend.why['threads'] ?? null;
        return made;
      },
    };
    for (const name of goldens) {
      const { failures, digest } = await runGolden(there, root, name, 'simd');
      report.failures.push(...failures);
      report.digests[key].push(digest);
      await sign();
    }
    const engine = await there.createEngine({ model: key === 'shared' ? await kept(new URL(file, root)) : new URL(file, root), text: false, build: 'simd' });
    report.digests[key].push(new Digest().add(engine.logits([1, 2, 3, 4, 5, 6, 7])).toString());
    engine.dispose();
    report.digests[key].push(await runAnswers(there, root, model, adapters, maxTokens, 'simd'));
    await sign();
  }
  return report;
}

/** A file as a handle of the browser's own file system, where a worker has one; else its address. */
async function kept(address: URL): Promise<URL | FileSystemFileHandle> {
  const storage = (globalThis as { navigator?: { storage?: { getDirectory?(): Promise<FileSystemDirectoryHandle> } } }).navigator?.storage;
  if (address.protocol === 'file:' || !storage?.getDirectory) return address;
  const handle = await (await storage.getDirectory()).getFileHandle('model.gguf', { create: true });
  const writable = await handle.createWritable();
  await writable.write(await (await fetch(address)).arrayBuffer());
  await writable.close();
  return handle;
}

/** Why an engine of a page itself has one thread. */
export async function whyNotInPage(threads: number): Promise<string | null> {
  const { createRuntime } = await import(new URL('../../../../build/lorikeet.js', import.meta.url).href) as Lorikeet;
  const runtime = await createRuntime({ threads });
  runtime.dispose();
  return runtime.backend.threads === 1 ? runtime.backend.why['threads'] ?? null : null;
}
