import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openOutput } from '../../src/cli/output-file.js';
import { isLorikeetError, LorikeetError } from '../../src/errors.js';
import { temporaryFolder } from './run.js';

async function* chunks(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) {
    if (text === 'fail') throw new LorikeetError('test/failed', 'It failed.');
    yield new TextEncoder().encode(text);
  }
}
const codeOf = async (work: Promise<unknown>): Promise<string> => {
  try {
    await work;
  } catch (error) {
    return isLorikeetError(error) ? error.code : String(error);
  }
  return 'none';
};

const test = suite('output file');
test('a whole file, or nothing', async () => {
  const folder = temporaryFolder();
  const path = join(folder, 'x');
  const output = await openOutput(path);
  assert.equal(readdirSync(folder), []);
  assert.is(await codeOf(output.write(chunks('half', 'fail'))), 'test/failed');
  assert.equal(readdirSync(folder), []);
  await output.write(chunks('first', ' and last'));
  assert.is(readFileSync(path, 'utf8'), 'first and last');
  assert.is(await codeOf((await openOutput(path)).write(chunks('half', 'fail'))), 'test/failed');
  assert.is(readFileSync(path, 'utf8'), 'first and last');
  assert.equal(readdirSync(folder), ['x']);
});
test('while it is written the former file stands', async () => {
  const folder = temporaryFolder();
  const path = join(folder, 'x');
  writeFileSync(path, 'former');
  async function* watching(): AsyncGenerator<Uint8Array> {
    yield new TextEncoder().encode('new');
    assert.is(readFileSync(path, 'utf8'), 'former');
    assert.is(readdirSync(folder).length, 2);
    yield new TextEncoder().encode('er');
  }
  await (await openOutput(path)).write(watching());
  assert.is(readFileSync(path, 'utf8'), 'newer');
});
test('no signal handler is left behind', async () => {
  await (await openOutput(join(temporaryFolder(), 'x'))).write(chunks('x'));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) assert.is(process.listenerCount(signal), 0);
});
test('places that cannot be written', async () => {
  const folder = temporaryFolder();
  mkdirSync(join(folder, 'sub'));
  writeFileSync(join(folder, 'file'), '');
  symlinkSync('loop', join(folder, 'loop'));
  for (const path of ['', join(folder, 'sub'), join(folder, 'none', 'x'), join(folder, 'file', 'x'), join(folder, 'loop'), join(folder, 'x'.repeat(300))]) assert.is(await codeOf(openOutput(path)), 'cli/output', path);
  if (existsSync('/dev/full')) assert.is(await codeOf((await openOutput('/dev/full')).write(chunks('x'))), 'cli/output');
});
test.run();
