import { suite } from 'uvu';
import { loadKernels, places } from './harness.js';
import { embedChecks } from './suite-embed.js';

for (const [place, where] of Object.entries(places)) {
  const tests = suite(`embed kernels, ${place} addresses`);
  const kernels = await loadKernels(where);
  for (const { name, run } of embedChecks) tests(name, () => run(kernels));
  tests.run();
}
