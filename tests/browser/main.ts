// The command-line form of the page: node | deno run --allow-read | bun  build/js/tests/browser/main.js TASK, prints its report as the last line.
import { runChecks, type Task } from './checks.js';

const { argv, versions, arch } = (await import('node:process')).default;
const host = versions['deno'] ? `Deno ${versions['deno']}` : versions['bun'] ? `Bun ${versions['bun']}` : `Node ${versions.node}`;
console.log(JSON.stringify(await runChecks(JSON.parse(argv[2]!) as Task, `${host} ${arch}`)));
