import { suite } from 'uvu';
import { loadKernels, places } from './harness.js';
import { normChecks } from './suite-norm.js';

for (const [place, where] of Object.entries(places)) {
  const tests = suite(`norm kernels, ${place} addresses`);
  const kernels = await loadKernels(where);
  for (const { name, run } of normChecks) tests(name, () => run(kernels));
  tests.run();
}
