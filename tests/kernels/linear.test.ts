import { suite } from 'uvu';
import { loadKernels, places } from './harness.js';
import { linearChecks } from './suite-linear.js';

for (const [place, where] of Object.entries(places)) {
  const tests = suite(`linear kernels, ${place} addresses`);
  const kernels = await loadKernels(where);
  for (const { name, run } of linearChecks) tests(name, () => run(kernels));
  tests.run();
}
