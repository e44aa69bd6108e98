import { suite } from 'uvu';
import { loadKernels, places } from './harness.js';
import { attentionChecks } from './suite-attention.js';

for (const [place, where] of Object.entries(places)) {
  const tests = suite(`attention kernels, ${place} addresses`);
  const kernels = await loadKernels(where);
  for (const { name, run } of attentionChecks) tests(name, () => run(kernels));
  tests.run();
}
