import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Build } from '../kernels/harness.js';
import { relaxed, type Engine } from './engines.js';
import { wholeTask } from './same-bits.js';

// The engines with relaxed SIMD: the kernels and the golden models over every build but the one of tests/browser/engines.test.ts, and what they take by themselves.

const test = suite('browser/builds');
/** Those for threads where the page is told that it may share memory; Node runs them below tests/kernels. */
const buildsOf = ({ isolated }: Engine): Build[] => (isolated ? ['simd-threads', 'relaxed', 'relaxed-dot', 'relaxed-dot-threads'] : ['relaxed', 'relaxed-dot']);

for (const engine of relaxed) {
  const missing = engine.missing();
  if (missing !== null) {
    console.log(`SKIP: ${engine.name}: ${missing}; scripts/engines/install.sh installs it`);
    continue;
  }
  for (const build of buildsOf(engine)) {
    test(`${engine.name}: ${build}`, async () => {
      const { checks, failures, milliseconds, backend, off } = await engine.run({ ...wholeTask, build, places: ['low'], answers: { ...wholeTask.answers, maxTokens: 4 } });
      console.log(`${engine.name}: ${build}: ${checks} checks in ${milliseconds} ms; takes ${JSON.stringify(backend)}; off ${JSON.stringify(off)}`);
      assert.equal(failures.slice(0, 5), [], `${failures.length} of ${checks} checks failed, the first:`);
      assert.is.not(checks, 0);
      assert.is.not(backend.build, 'simd');
    });
  }
}
test.run();
