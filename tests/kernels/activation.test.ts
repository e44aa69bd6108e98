import { suite } from 'uvu';
import { loadKernels, places } from './harness.js';
import { activationChecks } from './suite-activation.js';

for (const [place, where] of Object.entries(places)) {
  const tests = suite(`activation kernels, ${place} addresses`);
  const kernels = await loadKernels(where);
  for (const { name, run } of activationChecks) tests(name, () => run(kernels));
  tests.run();
}
