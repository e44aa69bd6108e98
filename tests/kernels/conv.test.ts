import { suite } from 'uvu';
import { loadKernels, places } from './harness.js';
import { convChecks } from './suite-conv.js';

for (const [place, where] of Object.entries(places)) {
  const tests = suite(`conv kernels, ${place} addresses`);
  const kernels = await loadKernels(where);
  for (const { name, run } of convChecks) tests(name, () => run(kernels));
  tests.run();
}
