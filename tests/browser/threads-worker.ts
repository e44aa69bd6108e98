// The worker that an engine of several threads sits in, as a page has to have it.
import { runThreads, type ThreadsTask } from './threads.js';

const scope = globalThis as unknown as { onmessage: (event: MessageEvent<{ task: ThreadsTask; engine: string }>) => void; postMessage(message: unknown): void };
scope.onmessage = ({ data: { task, engine } }) => {
  runThreads(task, engine, () => { scope.postMessage('sign'); }).then((report) => { scope.postMessage(report); }, (error: Error) => { scope.postMessage({ engine, failures: [`${error}\n${error.stack}`] }); });
};
