import { suite } from 'uvu';
import { loadKernels, places } from './harness.js';
import { sampleChecks } from './suite-sample.js';

for (const [place, where] of Object.entries(places)) {
  const tests = suite(`sample kernels, ${place} addresses`);
  const kernels = await loadKernels(where);
  for (const { name, run } of sampleChecks) tests(name, () => run(kernels));
  tests.run();
}
