import { suite } from 'uvu';
import { everywhere } from './harness.js';
import { sampleChecks } from './suite-sample.js';

for (const { place, kernels } of await everywhere()) {
  const tests = suite(`sample kernels, ${place} addresses`);
  for (const { name, run } of sampleChecks) tests(name, () => run(kernels));
  tests.run();
}
