import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { EngineReport, Task } from './checks.js';
import { nodeHere, root, type Engine } from './engines.js';

const names = (folder: string) => readdirSync(join(root, folder)).sort();

/** All there is to run: every kernel suite below and above 2 GiB, every golden model, the demo with each of its voices, its weights and caches as they are and quantised. */
export const wholeTask: Task = {
  build: 'simd',
  suites: names('build/js/tests/kernels').filter((file) => /^suite-.*\.js$/.test(file)),
  places: ['low', 'high'],
  goldens: names('tests/golden/models'),
  answers: { model: 'tavern', adapters: names('adapters').filter((name) => existsSync(join(root, 'adapters', name, 'adapter_config.json'))), maxTokens: 32 },
};

/** Tests that Node does the task without a failure, and that each of the others does, with the bits of Node. One that isn't installed is skipped aloud. */
export function testSameBits(title: string, engines: Engine[], task: Task): void {
  const test = suite(title);
  let expected: EngineReport;
  for (const engine of [nodeHere, ...engines]) {
    const missing = engine.missing();
    if (missing !== null) {
      console.log(`SKIP: ${engine.name}: ${missing}; scripts/engines/install.sh installs it`);
      continue;
    }
    test(engine.name, async () => {
      const report = await engine.run(task);
      assert.equal(report.failures.slice(0, 5), [], `${report.failures.length} of ${report.checks} checks failed, the first:`);
      console.log(`${engine.name}: ${report.engine}: ${report.checks} checks in ${report.milliseconds} ms`);
      expected ??= report;
      assert.is.not(report.checks, 0);
      assert.is(report.checks, expected.checks);
      assert.is(Object.keys(report.digests).length, task.suites.length * task.places.length + task.goldens.length + 1);
      assert.equal(report.digests, expected.digests);
      assert.is(report.isolated, engine.isolated);
    });
  }
  test.run();
}
