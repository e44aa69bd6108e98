import { suite } from 'uvu';
import { everywhere } from './harness.js';
import { activationChecks } from './suite-activation.js';

for (const { place, kernels } of await everywhere()) {
  const tests = suite(`activation kernels, ${place} addresses`);
  for (const { name, run } of activationChecks) tests(name, () => run(kernels));
  tests.run();
}
