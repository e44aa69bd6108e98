import { test } from 'uvu';
import { equal, loadKernels, places } from './harness.js';

/** What hosts ask of an instance: nothing is computed there. */
const forHosts = ['heapBase', 'buildFeatures', 'preferPanels', 'workspaceBytes', 'controlBytes', 'useThreads', 'loseThreads', 'stopThreads', 'work'];
/** What tests ask of the reference: which build's activations it rounds like. */
const forTests = ['referRelaxed'];

test('every kernel has a scalar reference of the same name and number of arguments', async () => {
  const { simd, reference } = await loadKernels(places.low);
  const kernels = Object.keys(simd).filter((name) => !forHosts.includes(name));
  equal('names', kernels.sort().join(), Object.keys(reference).filter((name) => !forTests.includes(name)).sort().join());
  for (const name of kernels) equal(name, simd[name]!.length, reference[name]!.length);
});

test('the heap starts behind the kernels\' constants, on a 64-byte line, in the first MiB', async () => {
  const { simd } = await loadKernels(places.low);
  const base = simd['heapBase']!();
  equal('alignment', base % 64, 0);
  if (base < 1024 || base > 2 ** 20) throw new Error(`the heap starts at ${base}`);
});

test('a build says what it is', async () => {
  const { simd, build } = await loadKernels(places.low);
  const features = (build.startsWith('relaxed') ? 1 : 0) + (build.startsWith('relaxed-dot') ? 2 : 0) + (build.endsWith('-threads') ? 4 : 0);
  equal('features', simd['buildFeatures']!(), features);
});

test.run();
