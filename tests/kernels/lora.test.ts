import { suite } from 'uvu';
import { everywhere } from './harness.js';
import { loraChecks } from './suite-lora.js';

for (const { place, kernels } of await everywhere()) {
  const tests = suite(`lora kernels, ${place} addresses`);
  for (const { name, run } of loraChecks) tests(name, () => run(kernels));
  tests.run();
}
