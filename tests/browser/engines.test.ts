// One simd.wasm in every engine: the kernel suites pass, the golden models answer as PEFT does, and every bit is the bit that Node writes.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { EngineReport, Task } from './checks.js';
import { engines, root } from './engines.js';

const test = suite('browser/engines');
const names = (folder: string) => readdirSync(join(root, folder)).sort();
const suites = names('build/js/tests/kernels').filter((file) => /^suite-.*\.js$/.test(file));
const goldens = names('tests/golden/models');
const answers = { model: 'tavern', adapters: names('adapters'), maxTokens: 32 };
const task: Task = { suites, places: ['low', 'high'], goldens, answers };
const shortTask: Task = { ...task, places: ['low'] };
let node: EngineReport;

for (const engine of engines) {
  const missing = engine.missing();
  if (missing !== null) {
    console.log(`SKIP: ${engine.name}: ${missing}; .ci/engines.sh installs it`);
    continue;
  }
  test(engine.name, async () => {
    const report = await engine.run(engine.emulated ? shortTask : task);
    assert.equal(report.failures.slice(0, 5), [], `${report.failures.length} of ${report.checks} checks failed, the first:`);
    console.log(`${engine.name}: ${report.engine}: ${report.checks} checks in ${report.milliseconds} ms`);
    node ??= report;
    assert.is.not(report.checks, 0);
    const expected = Object.entries(node.digests).filter(([name]) => !engine.emulated || name in report.digests);
    assert.is.not(expected.length, 0);
    assert.equal(report.digests, Object.fromEntries(expected));
    if (/, isolated|Firefox/.test(engine.name)) assert.ok(report.isolated);
    else assert.not(report.isolated);
  });
}

test.run();
