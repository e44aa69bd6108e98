import { suite } from 'uvu';
import { everywhere } from './harness.js';
import { linearChecks } from './suite-linear.js';

for (const { place, kernels } of await everywhere()) {
  const tests = suite(`linear kernels, ${place} addresses`);
  for (const { name, run } of linearChecks) tests(name, () => run(kernels));
  tests.run();
}
