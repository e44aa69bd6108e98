import { suite } from 'uvu';
import { everywhere } from './harness.js';
import { combineChecks } from './suite-combine.js';

for (const { place, kernels } of await everywhere()) {
  const tests = suite(`combine kernels, ${place} addresses`);
  for (const { name, run } of combineChecks) tests(name, () => run(kernels));
  tests.run();
}
