import { suite } from 'uvu';
import { everywhere } from './harness.js';
import { embedChecks } from './suite-embed.js';

for (const { place, kernels } of await everywhere()) {
  const tests = suite(`embed kernels, ${place} addresses`);
  for (const { name, run } of embedChecks) tests(name, () => run(kernels));
  tests.run();
}
