// The script of page.html: runs the task that its address carries and hands the report to the server that served it.
import { runChecks, type EngineReport, type Task } from './checks.js';
import { whyNotInPage, type ThreadsReport, type ThreadsTask } from './threads.js';

const task = JSON.parse(new URLSearchParams(location.search).get('task')!) as Task | ThreadsTask;
const report = await run().catch((error: Error) => ({ engine: navigator.userAgent, failures: [`${error}\n${error.stack}`] })); // WebKit tells no one of a module that rejects
await fetch('/report', { method: 'POST', body: JSON.stringify(report) });

async function run(): Promise<EngineReport | ThreadsReport> {
  return 'threads' in task ? { ...await inWorker(task), page: await whyNotInPage(task.threads) } : runChecks(task, navigator.userAgent, sign);
}

function sign(): Promise<Response> {
  return fetch('/sign', { method: 'POST' });
}

function inWorker(task: ThreadsTask): Promise<ThreadsReport> {
  const worker = new Worker(new URL('./threads-worker.js', import.meta.url), { type: 'module' });
  return new Promise((resolve, reject) => {
    worker.onerror = ({ message }) => { reject(new Error(message)); };
    worker.onmessage = ({ data }: MessageEvent<ThreadsReport | 'sign'>) => {
      if (data === 'sign') void sign();
      else resolve(data);
    };
    worker.postMessage({ task, engine: navigator.userAgent });
  });
}
