// Asks for the kernels where there may be no SIMD, and prints the code and the message of the error, or "loaded".
import { loadKernels } from '../../src/wasm/load.js';

try {
  await loadKernels({}, { shared: false, memory: () => new WebAssembly.Memory({ initial: 2, maximum: 65536 }) });
  console.log('loaded');
} catch (error) {
  const { name, code, message } = error as { name: string; code: string; message: string };
  console.log(`${name} ${code} ${message}`);
}
