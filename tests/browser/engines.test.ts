// One simd.wasm in every engine: the kernel suites pass, and every bit that the kernels write is the bit that Node writes.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { EngineReport, Task } from './checks.js';
import { engines, root } from './engines.js';

const test = suite('browser/engines');
const suites = readdirSync(join(root, 'build/js/tests/kernels')).filter((file) => /^suite-.*\.js$/.test(file)).sort();
const task: Task = { suites, places: ['low', 'high'] };
let node: EngineReport;

for (const engine of engines) {
  const missing = engine.missing();
  if (missing !== null) {
    console.log(`SKIP: ${engine.name}: ${missing}; .ci/engines.sh installs it`);
    continue;
  }
  test(engine.name, async () => {
    const report = await engine.run(task);
    assert.equal(report.failures, []);
    console.log(`${engine.name}: ${report.engine}: ${report.checks} checks in ${report.milliseconds} ms`);
    node ??= report;
    assert.ok(report.checks > 0);
    assert.is(report.checks, node.checks);
    assert.equal(report.digests, node.digests);
    if (/, isolated|Firefox/.test(engine.name)) assert.ok(report.isolated);
    else assert.not(report.isolated);
  });
}

test.run();
