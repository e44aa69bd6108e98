import { LorikeetError } from '../errors.js';
import type { Kernels } from '../wasm/kernels.js';
import { startHost, type Host, type ThreadSource } from './host.js';

/** Milliseconds that one part of a region, some of them at most, may take when all others are done. */
const PATIENCE = 10_000;

export interface PoolOptions {
  readonly kernels: Kernels;
  /** What `kernels` is an instance of, and its memory: shared. */
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  /** All threads, that of the caller among them. */
  readonly count: number;
  /** Where `thread.js` lies, if not beside the code. */
  readonly source?: ThreadSource | undefined;
}

/** Compute threads over one shared memory. They sleep while there is nothing to do. */
export interface Pool {
  readonly count: number;
  /** Ends all of them; the kernels then compute on the caller's thread alone. */
  stop(): void;
}

/** The bytes from `heapBase` on that `count` threads take: control block, then each thread's working memory. */
export const threadBytes = (kernels: Kernels, count: number): number => (count > 1 ? kernels.controlBytes() + (count - 1) * kernels.workspaceBytes() : 0);

/** Thrown through a kernel when a thread is gone. */
export const lostError = (cause?: unknown): LorikeetError =>
  new LorikeetError('threads/lost', 'A compute thread is gone: expected it to live as long as its engine, found it ended from outside or stuck; dispose of the engine and create another.', cause === undefined ? {} : { cause });

/**
 * Starts the threads beside the caller's and lets the kernels share their work with them.
 *
 * @throws LorikeetError `threads/start` where one can't be started; none is left running then
 */
export async function startPool({ kernels, module, memory, count, source }: PoolOptions): Promise<Pool> {
  const control = kernels.heapBase() >>> 0;
  new Uint8Array(memory.buffer, control, kernels.controlBytes()).fill(0);
  kernels.useThreads(control, 1, PATIENCE); // not one yet, but losing and stopping them have their place
  const hosts: Host[] = [];
  let stopped = false;
  const stop = (): void => {
    if (stopped) return;
    stopped = true;
    kernels.stopThreads();
    for (const host of hosts) host.terminate();
  };
  const started = Array.from({ length: count - 1 }, async (_, i) => {
    const workspace = control + kernels.controlBytes() + i * kernels.workspaceBytes();
    await new Promise<void>((resolve, reject) => {
      const gone = (cause: unknown): void => {
        reject(new LorikeetError('threads/start', `A compute thread can't be started: expected its module thread.js beside the code, found: ${String(cause)}; say where it lies by \`thread\`, or take one thread.`, { cause }));
        if (!stopped) kernels.loseThreads();
      };
      startHost({ module, memory, control, workspace, thread: i + 1 }, source, { ready: resolve, gone }).then((host) => { hosts.push(host); }, gone);
    });
  });
  try {
    await Promise.all(started);
  } catch (error) {
    stop();
    throw error;
  }
  kernels.useThreads(control, count, PATIENCE);
  return { count, stop };
}
