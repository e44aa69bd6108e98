import { spawnSync } from 'node:child_process';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { gguf, root } from './files.js';

const test = suite('smollm2/task');
const path = gguf();
if (path !== null) {
  test('the adapter finds the command of at least 85 % of the held-out lines, on the Q4_1 file', () => {
    const { stdout, stderr, status } = spawnSync(process.execPath, [`${root}scripts/smollm2/accuracy.mjs`, path, '--json', '--adapter-only'], { encoding: 'utf8', maxBuffer: 2 ** 26 });
    assert.is(status, 0, stderr);
    const { lines, ways } = JSON.parse(stdout) as { lines: number; ways: Record<string, { intent: number; whole: number }> };
    const [{ intent, whole }] = Object.values(ways) as [{ intent: number; whole: number }];
    assert.ok(lines >= 150);
    assert.ok(whole >= 0.85 && intent >= whole, `intent ${intent}, intent and slots ${whole}`);
  });
  test.run();
}
