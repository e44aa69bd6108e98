import { suite } from 'uvu';
import { everywhere } from './harness.js';
import { quantChecks } from './suite-quant.js';

for (const { place, kernels } of await everywhere()) {
  const tests = suite(`quantised kernels, ${place} addresses`);
  for (const { name, run } of quantChecks) tests(name, () => run(kernels));
  tests.run();
}
