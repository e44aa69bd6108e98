import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadKernels } from '../../src/wasm/load.js';
import { findCommand, root } from './engines.js';

const test = suite('browser/no-simd');
const ERROR = { name: 'LorikeetError', code: 'wasm/no-simd' };

test('an engine that refuses v128 is told so, before anything is read', async () => {
  const { validate } = WebAssembly;
  WebAssembly.validate = () => false;
  try {
    await loadKernels({ wasm: 'file:///nowhere/simd.wasm' }, { shared: false, memory: () => assert.unreachable('a memory was asked for') as never });
    assert.unreachable('the kernels were loaded');
  } catch (error) {
    const { name, code, message } = error as typeof ERROR & Error;
    assert.equal({ name, code }, ERROR);
    assert.match(message, /WebAssembly SIMD/);
  } finally {
    WebAssembly.validate = validate;
  }
});

// V8 has no SIMD on a CPU without SSE4.1, and qemu can be one.
const qemu = findCommand('LORIKEET_QEMU_X86_64', 'qemu-x86_64');
if (qemu === null || process.arch !== 'x64') {
  console.log('SKIP: a CPU without SIMD: no qemu-x86_64 on PATH; scripts/engines/install.sh installs it');
} else {
  const onCpu = (cpu: string) => {
    const { stdout, stderr } = spawnSync(qemu, ['-cpu', cpu, process.execPath, join(root, 'build/js/tests/browser/no-simd.js')], { encoding: 'utf8', timeout: 120_000, env: { ...process.env, NODE_OPTIONS: '' } });
    return stdout.trim() || stderr;
  };
  test('so it is on a CPU of 2006, and not on one of 2008', () => {
    assert.match(onCpu('core2duo'), new RegExp(`^${ERROR.name} ${ERROR.code} `));
    assert.is(onCpu('Nehalem'), 'loaded');
  });
}

test.run();
