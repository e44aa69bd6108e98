import { availableParallelism } from 'node:os';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { elsewhere, nodeHere } from './engines.js';
import type { ThreadsReport, ThreadsTask } from './threads.js';

const test = suite('browser/threads');
const task: ThreadsTask = { threads: 2, goldens: ['llama', 'gpt2', 'kitchen_sink'], file: 'tests/golden/gguf/phi3.gguf', answers: { model: 'tavern', adapters: ['pirate', 'ghost'], maxTokens: 12 } };
const most = Math.min(task.threads, availableParallelism());
let expected: ThreadsReport;

// In a page the engine sits in a worker. Where a page isn't isolated, and in WebKit's small browser, there is one thread: it says why, and has the same bits.
for (const engine of [nodeHere, ...elsewhere]) {
  const missing = engine.missing();
  if (missing !== null) {
    console.log(`SKIP: ${engine.name}: ${missing}; scripts/engines/install.sh installs it`);
    continue;
  }
  const page = !['Node', 'Deno', 'Bun'].includes(engine.name);
  test(engine.name, async () => {
    const report = await engine.run<ThreadsTask, ThreadsReport>(task);
    assert.equal(report.failures, []);
    console.log(`${engine.name}: ${report.engine}: ${report.threads} threads${report.why ? `: ${report.why}` : ''}${report.page ? `; in the page: ${report.page}` : ''}`);
    expected ??= report;
    assert.is(report.digests.shared.length, task.goldens.length + 2);
    assert.equal(report.digests, { alone: expected.digests.alone, shared: expected.digests.alone });
    const share = !page || engine.isolated;
    assert.is(report.threads, share ? most : 1);
    if (!share) assert.match(report.why ?? '', /not cross-origin isolated/);
    if (page && most > 1) assert.match(report.page ?? '', engine.isolated ? /may not wait/ : /not cross-origin isolated/);
  });
}

test.run();
