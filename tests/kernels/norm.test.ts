import { suite } from 'uvu';
import { everywhere } from './harness.js';
import { normChecks } from './suite-norm.js';

for (const { place, kernels } of await everywhere()) {
  const tests = suite(`norm kernels, ${place} addresses`);
  for (const { name, run } of normChecks) tests(name, () => run(kernels));
  tests.run();
}
