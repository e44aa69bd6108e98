// All that a compute thread is: an instance of the engine's own module over the engine's own memory, that takes its parts of each region until it is told to stop.
// The module stands alone, so that a worker has little to load; Node, Deno and Bun hand it its orders as `workerData`, a page's worker by its first message.

/** What a thread is started with. */
export interface Orders {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  /** Addresses of the control block and of the thread's own working memory. */
  readonly control: number;
  readonly workspace: number;
  readonly thread: number;
}

function serve({ module, memory, control, workspace, thread }: Orders, ready: () => void): void {
  const instance = new WebAssembly.Instance(module, { env: { memory, threadLost: () => {} } });
  const work = instance.exports['work'] as (control: number, thread: number, workspace: number) => void;
  ready();
  work(control, thread, workspace);
}

if ('process' in globalThis) {
  const host = await import('node:worker_threads');
  serve(host.workerData as Orders, () => { host.parentPort!.postMessage('ready'); });
} else {
  const scope = globalThis as unknown as { onmessage: (event: MessageEvent<Orders>) => void; postMessage(message: string): void; close(): void };
  scope.onmessage = ({ data }) => {
    serve(data, () => scope.postMessage('ready'));
    scope.close();
  };
}
