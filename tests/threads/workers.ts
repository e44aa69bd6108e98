import { syncBuiltinESMExports } from 'node:module';
import threads, { type WorkerOptions } from 'node:worker_threads';

/** Every worker that this process has started since the module was loaded, with a promise of its end. */
export const workers: { readonly worker: threads.Worker; readonly ended: Promise<void> }[] = [];

/** While it is set, the next workers are started from here instead. */
export const instead: { file: URL | null } = { file: null };

threads.Worker = class extends threads.Worker {
  constructor(file: string | URL, options?: WorkerOptions) {
    super(instead.file ?? file, options);
    workers.push({ worker: this, ended: new Promise((resolve) => { this.once('exit', () => { resolve(); }); }) });
  }
};
syncBuiltinESMExports();
