import { suite } from 'uvu';
import { everywhere } from './harness.js';
import { attentionChecks } from './suite-attention.js';

for (const { place, kernels } of await everywhere()) {
  const tests = suite(`attention kernels, ${place} addresses`);
  for (const { name, run } of attentionChecks) tests(name, () => run(kernels));
  tests.run();
}
