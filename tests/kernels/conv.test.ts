import { suite } from 'uvu';
import { everywhere } from './harness.js';
import { convChecks } from './suite-conv.js';

for (const { place, kernels } of await everywhere()) {
  const tests = suite(`conv kernels, ${place} addresses`);
  for (const { name, run } of convChecks) tests(name, () => run(kernels));
  tests.run();
}
