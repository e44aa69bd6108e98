/** The two ways to a worker: worker_threads where there is a process (Node, Bun, Deno), else the web's Worker. */
import type { Orders } from './thread.js';

/** A thread as its host holds it. */
export interface Host {
  /** Ends it wherever it stands. */
  terminate(): void;
}

/** Where the module of a thread lies. */
export type ThreadSource = string | URL;

/** What a host tells of its thread: `ready` once; `gone` when it has ended, however it did. */
export interface Listener {
  readonly ready: () => void;
  readonly gone: (cause: unknown) => void;
}

/** Starts a thread; what goes wrong, at once or later, comes to the listener. */
export async function startHost(orders: Orders, source: ThreadSource | undefined, listener: Listener): Promise<Host> {
  return 'process' in globalThis ? startInProcess(orders, source, listener) : startInPage(orders, source, listener);
}

async function startInProcess(orders: Orders, source: ThreadSource | undefined, { ready, gone }: Listener): Promise<Host> {
  const { Worker } = await import('node:worker_threads');
  // Flags of this process (--input-type, --import …) are none of a thread's.
  const worker = new Worker(source === undefined ? new URL('./thread.js', import.meta.url) : new URL(source, import.meta.url), { workerData: orders, execArgv: [], name: `lorikeet ${orders.thread}` });
  worker.once('message', () => {
    worker.unref(); // an idle thread keeps no process alive
    ready();
  });
  worker.once('error', gone);
  worker.once('exit', (code) => { gone(new Error(`exit code ${code}`)); });
  return { terminate: () => { void worker.terminate(); } };
}

function startInPage(orders: Orders, source: ThreadSource | undefined, { ready, gone }: Listener): Host {
  // Written in one piece, so that bundlers find the module.
  const worker = source === undefined ? new Worker(new URL('./thread.js', import.meta.url), { type: 'module' }) : new Worker(new URL(source, import.meta.url), { type: 'module' });
  worker.onmessage = ready;
  worker.onerror = ({ message }) => { gone(new Error(message)); };
  worker.onmessageerror = () => { gone(new Error('the module and the memory could not be sent')); };
  worker.postMessage(orders);
  return { terminate: () => { worker.terminate(); } };
}
