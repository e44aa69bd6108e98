import { suite } from 'uvu';
import { loadKernels, places } from './harness.js';
import { combineChecks } from './suite-combine.js';

for (const [place, where] of Object.entries(places)) {
  const tests = suite(`combine kernels, ${place} addresses`);
  const kernels = await loadKernels(where);
  for (const { name, run } of combineChecks) tests(name, () => run(kernels));
  tests.run();
}
