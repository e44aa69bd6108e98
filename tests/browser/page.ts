// The script of page.html: runs the task that its address carries and hands the report to the server that served it.
import { runChecks, type EngineReport, type Task } from './checks.js';

const report = await run().catch((error: Error) => ({ engine: navigator.userAgent, failures: [`${error}\n${error.stack}`] })); // WebKit tells no one of a module that rejects
await fetch('/report', { method: 'POST', body: JSON.stringify(report) });

async function run(): Promise<EngineReport> {
  return runChecks(JSON.parse(new URLSearchParams(location.search).get('task')!) as Task, navigator.userAgent, () => fetch('/sign', { method: 'POST' }));
}
