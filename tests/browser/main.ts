// The command-line form of the page: node | deno run --allow-read | bun  build/js/tests/browser/main.js TASK, prints its report as the last line.
import { runChecks, type Task } from './checks.js';
import { runThreads, type ThreadsTask } from './threads.js';

const { argv, versions, arch } = (await import('node:process')).default;
const host = versions['deno'] ? `Deno ${versions['deno']}` : versions['bun'] ? `Bun ${versions['bun']}` : `Node ${versions.node}`;
const task = JSON.parse(argv[2]!) as Task | ThreadsTask;
console.log(JSON.stringify(await ('threads' in task ? runThreads(task, `${host} ${arch}`) : runChecks(task, `${host} ${arch}`))));
