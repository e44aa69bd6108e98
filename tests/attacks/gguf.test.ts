import { readdirSync, readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { LorikeetError } from '../../src/errors.js';
import { readGguf } from '../../src/formats/gguf.js';
import { openFile } from '../../src/store/index.js';

const FOLDER = 'tests/attacks/gguf';
const manifest = JSON.parse(readFileSync(`${FOLDER}/manifest.json`, 'utf8')) as Record<string, string>;

async function codeOf(from: string | Uint8Array): Promise<string> {
  const source = await openFile(from);
  try {
    await readGguf(source);
    return 'none';
  } catch (error) {
    if (!(error instanceof LorikeetError)) throw error;
    assert.match(error.message, /^[A-Z0-9"].{10,}\.$/, 'a sentence'); // what and where; the numbers differ
    assert.not.match(error.message, /undefined|\[object|NaN/);
    assert.is.not(error.expected, undefined);
    return error.code;
  } finally {
    await source.close();
  }
}

const attacks = suite('attacks on GGUF');
for (const [name, code] of Object.entries(manifest)) {
  attacks(`${name}: ${code}`, async () => {
    assert.is(await codeOf(`${FOLDER}/${name}`), code);
    assert.is(await codeOf(readFileSync(`${FOLDER}/${name}`)), code);
  });
}

attacks('the folder is what its script writes', async () => {
  const script = (await import(new URL('make-gguf.mjs', `file://${process.cwd()}/tests/attacks/`).href)) as { attacks: Record<string, [string, Uint8Array]>; manifest: Record<string, string> };
  assert.equal(script.manifest, manifest);
  assert.equal(readdirSync(FOLDER).sort(), ['manifest.json', ...Object.keys(manifest)].sort());
  for (const [name, [, content]] of Object.entries(script.attacks)) assert.ok(Buffer.from(content).equals(readFileSync(`${FOLDER}/${name}.gguf`)), name);
});

attacks('every rule of the reader is broken by a file, or above', () => {
  const broken = new Set(Object.values(manifest));
  const rules = ['magic', 'big-endian', 'version', 'truncated', 'count-beyond-file', 'string-beyond-file', 'name-too-long', 'not-utf8', 'duplicate-key', 'value-type', 'bad-bool', 'nesting', 'array-beyond-file',
    'alignment', 'duplicate-tensor', 'too-many-dimensions', 'empty-dimension', 'count-overflow', 'tensor-type', 'partial-block', 'misaligned', 'offset-beyond-file', 'overlap'];
  assert.equal([...broken].sort(), rules.map((rule) => `gguf/${rule}`).sort());
});

/** A file that says it is `size` bytes long, of which only the first are there. */
const pretending = (size: number, head: Uint8Array) => ({
  name: 'pretending', size,
  read: async (begin: number, end: number): Promise<Uint8Array> => {
    const bytes = new Uint8Array(end - begin);
    if (begin < head.length) bytes.set(head.subarray(begin, Math.min(end, head.length)));
    return bytes;
  },
});
const u64 = (value: bigint): Buffer => { const b = Buffer.alloc(8); b.writeBigUInt64LE(value); return b; };
const KEY = Buffer.concat([u64(1n), Buffer.from('k')]);

attacks('a file of terabytes whose header asks for too much', async () => {
  const start = Buffer.concat([Buffer.from('GGUF\u0003\u0000\u0000\u0000'), u64(0n), u64(1n), KEY]);
  const codeOfHead = async (...rest: Buffer[]): Promise<string> => readGguf(pretending(2 ** 42, Buffer.concat([start, ...rest]))).then(() => 'none', (error: LorikeetError) => error.code);
  assert.is(await codeOfHead(Buffer.from([8, 0, 0, 0]), u64(2n ** 30n)), 'gguf/header-too-large');
  assert.is(await codeOfHead(Buffer.from([9, 0, 0, 0, 8, 0, 0, 0]), u64(2n ** 25n)), 'gguf/too-many-elements');
  assert.is(await codeOfHead(Buffer.from([9, 0, 0, 0, 12, 0, 0, 0]), u64(2n ** 25n)), 'gguf/too-many-elements');
});

attacks('a source that gives less than it promised', async () => {
  const whole = readFileSync('tests/golden/gguf/llama3.gguf');
  const short = { name: 'short', size: whole.length, read: async (begin: number, end: number) => whole.subarray(begin, Math.min(end, 100)) };
  assert.is(await readGguf(short).then(() => 'none', (error: LorikeetError) => error.code), 'gguf/truncated');
});

attacks.run();
