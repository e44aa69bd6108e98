import { suite } from 'uvu';
import { everywhere } from './harness.js';
import { blockChecks } from './suite-blocks.js';

for (const { place, kernels } of await everywhere()) {
  const tests = suite(`quantised blocks, ${place} addresses`);
  for (const { name, run } of blockChecks) tests(name, () => run(kernels));
  tests.run();
}
