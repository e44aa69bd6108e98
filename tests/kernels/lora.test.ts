import { suite } from 'uvu';
import { loadKernels, places } from './harness.js';
import { loraChecks } from './suite-lora.js';

for (const [place, where] of Object.entries(places)) {
  const tests = suite(`lora kernels, ${place} addresses`);
  const kernels = await loadKernels(where);
  for (const { name, run } of loraChecks) tests(name, () => run(kernels));
  tests.run();
}
